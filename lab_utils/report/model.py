"""The report as data: blocks in reading order, verdicts, and where they come from.

Nothing here is safe to print; the writers treat every string as untrusted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from lab_utils.report.markdown import Fragment
from lab_utils.text import visible

PARTS = {"01_pre_lab": "Pre-Lab", "02_in_lab": "In-Lab", "03_post_lab": "Post-Lab"}
IDENTITY = ("student_name", "student_id", "date", "experiment_number", "academic_year", "course_title", "course_code")
SECTIONS = {"pre-lab": "Pre-Lab", "in-lab": "In-Lab", "viva": "Viva-voce", "post-lab": "Post-Lab"}
"""The manual's sections by the beginning of their questions' ids."""
ALIKE = ("student_name", "student_id", "experiment_number", "academic_year", "course_title", "course_code", "seed")
"""Settings in which the three notebooks of one report must agree."""


@dataclass(frozen=True)
class Written:
    """A piece of Markdown; ``where`` names its place for messages, ``key`` is the id of its cell.

    ``see`` are the anchors of the figures and tables that it is read with, such as "figure-3".
    """

    kind: ClassVar[str]
    text: str
    where: str
    key: str = ""
    see: tuple[str, ...] = ()

    @property
    def fragment(self) -> Fragment:
        """Its Markdown; only the course's prose may hold headings."""
        return Fragment(self.text, "course" if self.kind == "prose" else "answer")


class Prose(Written):
    """Text of the course."""

    kind = "prose"


class Reading(Written):
    """A sentence that a cell of the lab put out."""

    kind = "reading"


@dataclass(frozen=True)
class Table(Written):
    """A table that a cell of the lab put out; its caption; its number, from 1, in reading order."""

    kind: ClassVar[str] = "table"
    caption: str = ""
    number: int = 0

    @property
    def anchor(self) -> str:
        """What a link to it names."""
        return f"table-{self.number}"


class Question(Written):
    """A question of the manual."""

    kind = "question"


class Note(Written):
    """A student's own text or table."""

    kind = "note"


class Printed(Written):
    """Text that a student's cell printed: no Markdown, letter by letter."""

    kind = "printed"


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes
    ----------
    data : bytes
        PNG or JPEG.
    mime : str
        "image/png" or "image/jpeg".
    width, aspect : float
        Width in CSS pixels (1/96 inch) at which it is shown; width / height.
    alt, caption : str
        What it shows, for who cannot see it; what stands below it.
    key : str
        Id of its cell.
    own : bool
        The student's.
    number : int
        From 1, in reading order.
    """

    kind: ClassVar[str] = "figure"
    data: bytes = field(repr=False)
    mime: str
    width: float
    aspect: float
    alt: str = ""
    caption: str = ""
    key: str = ""
    own: bool = False
    number: int = 0

    @property
    def anchor(self) -> str:
        """What a link to it names."""
        return f"figure-{self.number}"


@dataclass(frozen=True)
class Answer:
    """The student's answer to one question: text, pictures, outputs; ``missing`` says why it counts as none."""

    kind: ClassVar[str] = "answer"
    id: str
    blocks: tuple["Block", ...] = ()
    missing: str = ""

    @property
    def text(self) -> str:
        """Its text alone."""
        return "\n\n".join(block.text for block in self.blocks if isinstance(block, Written))


Block = Written | Figure | Answer


@dataclass(frozen=True)
class Change:
    """A code cell that is not the lab's: its id, the lines of the difference."""

    key: str
    lines: list[str]


@dataclass(frozen=True)
class Part:
    """One notebook: its place in the manual, its own title, its blocks, its code cells, and which of them changed.

    ``changes`` is None where the lab's own notebook is not there to compare with.
    """

    title: str
    subtitle: str
    blocks: list[Block]
    code: list[str]
    changes: list[Change] | None = None


@dataclass(frozen=True)
class Finding:
    """A row of the verdict tables, ready to print; the numbers are there for the plot.

    ``published`` is the same row of the published run, if the record tells it: (measured, verdict). ``alone``: the
    verdict is that of this test alone, and not resolved when all tests are counted together (Holm).
    """

    part: str
    claim: Fragment
    measured: str
    wanted: Fragment
    verdict: str
    id: str = ""
    unit: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    published: tuple[str, str] | None = None
    alone: bool = False


@dataclass(frozen=True)
class Section:
    """A section that gets marks: its name, its questions, and which of them are answered."""

    title: str
    questions: list[str]
    answered: int


@dataclass(frozen=True)
class Evaluation:
    """What the evaluator gave, as it is printed.

    Attributes
    ----------
    sections : dict
        Marks by the section's title, such as "10.5 of 12".
    total : str
        Empty where something is not marked yet.
    out_of : str
    remark : str
    comments : list of (str, str, str)
        The answer's id, its marks such as "2.5 of 3", and what is said of it.
    """

    sections: dict[str, str]
    total: str
    out_of: str
    remark: str = ""
    comments: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """Everything that is printed.

    ``identity`` holds the header's fields as shown (str); ``origins`` says how each part came to be, as
    (label, [value for each part]); ``unanswered`` are ids of answers that are missing; ``notes`` say what of the
    notebooks is not printed, and where. The first page shows ``picture`` and ``key``, the run's main numbers;
    ``works`` are those that its text names; ``evaluation`` is None before it is marked.
    """

    title: str
    identity: dict[str, str]
    parts: list[Part]
    facts: list[Finding]
    hypotheses: list[Finding]
    origins: list[tuple[str, list[str]]]
    unanswered: list[str]
    code_appendix: bool
    notes: list[str] = field(default_factory=list)
    length: str = "full"
    picture: Figure | None = None
    key: list[Finding] = field(default_factory=list)
    works: list[str] = field(default_factory=list)
    evaluation: Evaluation | None = None

    @property
    def blocks(self) -> Iterator[Block]:
        """All blocks in reading order; those of an answer follow it."""
        if self.picture:
            yield self.picture
        for part in self.parts:
            for block in part.blocks:
                yield block
                yield from block.blocks if isinstance(block, Answer) else ()

    @property
    def figures(self) -> list[Figure]:
        """All pictures in reading order."""
        return [block for block in self.blocks if isinstance(block, Figure)]

    @property
    def findings(self) -> list[Finding]:
        """All rows of the verdict tables and of the first page."""
        return [*self.facts, *self.hypotheses, *self.key]

    @property
    def sections(self) -> list[Section]:
        """What gets marks, with its questions."""
        ids = list(dict.fromkeys([*(visible(b.id) for b in self.blocks if isinstance(b, Answer)), *self.unanswered]))
        title_of = {id: next((SECTIONS[p] for p in SECTIONS if id.startswith(p)), "Other") for id in ids}
        titles = [title for title in (*SECTIONS.values(), "Other") if title in title_of.values()]
        named = {title: [id for id in ids if title_of[id] == title] for title in titles}
        return [Section(title, own, len(set(own) - set(self.unanswered))) for title, own in named.items()]

    @property
    def fragments(self) -> frozenset[Fragment]:
        """All its Markdown, for ``markdown.convert``."""
        written = {b.fragment for b in self.blocks if isinstance(b, Written) and not isinstance(b, Printed)}
        return frozenset(written | {f for row in self.findings for f in (row.claim, row.wanted)})

    @property
    def places(self) -> Iterator[tuple[str, str]]:
        """Every text that is printed, as (where, text)."""
        yield from ((field.replace("_", " "), value) for field, value in self.identity.items())
        for part in self.parts:
            yield f"the title of {part.title}", part.subtitle
            if self.code_appendix:
                yield from ((f"the code of {part.title}", code) for code in part.code)
        yield from ((b.where, b.text) for b in self.blocks if isinstance(b, Written))
        yield from ((f"table {t.number}", t.caption) for t in self.blocks if isinstance(t, Table))
        yield from ((f"figure {f.number}", f"{f.caption} {f.alt}") for f in self.figures)
        for f in self.findings:
            published = " ".join(f.published or ())
            yield f"a verdict of {f.part}", f"{f.claim.text} {f.measured} {f.wanted.text} {f.verdict} {published}"
        yield from ((label, value) for label, values in self.origins for value in values)
        if self.evaluation:
            yield "the evaluator's remark", self.evaluation.remark
            yield from ((f"the comment on {id}", text) for id, _, text in self.evaluation.comments)
