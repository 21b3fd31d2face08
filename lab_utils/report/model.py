"""The report as data: three executed notebooks in, blocks in reading order out.

Nothing here is safe to print; the writers treat every string as untrusted.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lab_utils.errors import LabError
from lab_utils.manual import ANSWER_PROMPT, QUESTIONS, TITLE
from lab_utils.report.markdown import Fragment
from lab_utils.running.check import FactRow, HypothesisRow, Record, read, read_record
from lab_utils.text import visible

PARTS = {"01_pre_lab": "Pre-Lab", "02_in_lab": "In-Lab", "03_post_lab": "Post-Lab"}
IDENTITY = ("student_name", "student_id", "date", "experiment_number", "academic_year", "course_title", "course_code")
ALIKE = ("student_name", "student_id", "experiment_number", "academic_year", "course_title", "course_code", "seed")
"""Settings in which the three notebooks of one report must agree."""
NOT_KNOBS = (*ALIKE, "date", "profile", "data_source", "storage")  # an address can hold a password
SHARP = 200  # dots per inch: a picture with fewer than the notebook's size needs is printed smaller
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Written:
    """A piece of Markdown; ``where`` names its place for messages."""

    kind: ClassVar[str]
    text: str
    where: str

    @property
    def fragment(self) -> Fragment:
        """Its Markdown; only the course's prose may hold headings."""
        return Fragment(self.text, "course" if self.kind == "prose" else "answer")


class Prose(Written):
    """Text of the course, or a table or reading that a cell put out."""

    kind = "prose"


class Question(Written):
    """A question of the manual."""

    kind = "question"


class ModelAnswer(Written):
    """The course's own answer."""

    kind = "model-answer"


@dataclass(frozen=True)
class Answer(Written):
    """The student's own text; empty when it is not answered."""

    kind = "answer"
    id: str


@dataclass(frozen=True)
class Figure:
    """A picture; ``width`` in CSS pixels (1/96 inch) at which it is shown, ``aspect`` its width / height."""

    kind: ClassVar[str] = "figure"
    png: bytes = field(repr=False)
    width: float
    aspect: float
    number: int


Block = Written | Figure


@dataclass(frozen=True)
class Part:
    """One notebook: its place in the manual, its own title, its blocks, its code cells."""

    title: str
    subtitle: str
    blocks: list[Block]
    code: list[str]


@dataclass(frozen=True)
class Finding:
    """A row of the verdict tables, ready to print."""

    part: str
    claim: Fragment
    measured: str
    wanted: Fragment
    verdict: str


@dataclass(frozen=True)
class Report:
    """Everything that is printed.

    ``identity`` holds the header's fields as shown (str); ``origins`` says how each part came to be, as
    (label, [value for each part]); ``unanswered`` are ids of answer cells that are blank, still the
    prompt, or missing.
    """

    title: str
    identity: dict[str, str]
    parts: list[Part]
    facts: list[Finding]
    hypotheses: list[Finding]
    origins: list[tuple[str, list[str]]]
    unanswered: list[str]
    code_appendix: bool

    @property
    def blocks(self) -> Iterator[Block]:
        """All blocks in reading order."""
        return (block for part in self.parts for block in part.blocks)

    @property
    def figures(self) -> list[Figure]:
        """All pictures in reading order."""
        return [block for block in self.blocks if isinstance(block, Figure)]

    @property
    def fragments(self) -> frozenset[Fragment]:
        """All its Markdown, for ``markdown.convert``."""
        written = {block.fragment for block in self.blocks if isinstance(block, Written)}
        return frozenset(written | {f for row in self.facts + self.hypotheses for f in (row.claim, row.wanted)})

    @property
    def places(self) -> Iterator[tuple[str, str]]:
        """Every text that is printed, as (where, text)."""
        yield from ((field.replace("_", " "), value) for field, value in self.identity.items())
        for part in self.parts:
            yield f"the title of {part.title}", part.subtitle
            yield from ((b.where, b.text) for b in part.blocks if not isinstance(b, Figure))
            if self.code_appendix:
                yield from ((f"the code of {part.title}", code) for code in part.code)
        for f in self.facts + self.hypotheses:
            yield f"a verdict of {f.part}", f"{f.claim.text} {f.measured} {f.wanted.text} {f.verdict}"
        yield from ((label, value) for label, values in self.origins for value in values)


def compose(folder: Path, *, code_appendix: bool) -> Report:
    """Make the report model of three notebooks that ``check.problems`` found complete.

    Raises
    ------
    LabError
        A picture in a notebook is not a PNG.
    """
    notebooks = {name: read(folder / f"{name}.ipynb") for name in PARTS}
    records = [read_record(nb) for nb in notebooks.values()]
    parts, figures = [], 0
    for name, nb in notebooks.items():
        part = _part(name, nb, figures)
        figures += sum(isinstance(block, Figure) for block in part.blocks)
        parts.append(part)
    return Report(
        title=f"Experiment {_said(records, 'experiment_number')}: {TITLE}",
        identity={name: _said(records, name) for name in IDENTITY},
        parts=parts,
        facts=[_of_fact(p.title, row) for p, r in zip(parts, records, strict=True) for row in r.facts],
        hypotheses=[_of_hypothesis(p.title, row) for p, r in zip(parts, records, strict=True) for row in r.hypotheses],
        origins=_origins(records),
        unanswered=_unanswered(parts),
        code_appendix=code_appendix,
    )


def _said(records: list[Record], name: str) -> str:
    """A field of the header: what the first notebook that fills it in says."""
    values = [visible(str(record.settings.get(name, "")).strip()) for record in records]
    return next((value for value in values if value), "")


def _part(name: str, nb: Any, figures: int) -> Part:
    """The blocks of one notebook; figures are numbered on from ``figures``."""
    subtitle, blocks, code = "", [], []
    for position, cell in enumerate(nb.cells, start=1):
        tags = cell.metadata.get("tags", [])
        if "report-skip" in tags:
            continue
        where = f"{name}.ipynb, cell {position}"
        if cell.cell_type == "markdown":
            text = cell.source
            if not subtitle and (title := re.match(r"# +(.+)\n*", text)):
                subtitle, text = title[1].strip(), text[title.end() :]
            blocks += _written(text, tags, cell.metadata.get("answer", ""), where)
        if cell.cell_type == "code" and cell.source.strip():
            code.append(cell.source)
            for output in cell.outputs:
                blocks += _shown(output, where, figures + 1 + sum(isinstance(b, Figure) for b in blocks))
    return Part(PARTS[name], subtitle, blocks, code)


def _written(text: str, tags: list[str], answer_id: str, where: str) -> list[Block]:
    """The block of a Markdown cell."""
    if "answer" in tags:
        given = text.replace(ANSWER_PROMPT, "").strip()
        return [Answer(given, f"answer {answer_id}", str(answer_id))]
    if not text.strip():
        return []
    if "question" in tags:
        return [Question(text, where)]
    if "model-answer" in tags:
        return [ModelAnswer(text, where)]
    return [Prose(text, where)]


def _shown(output: Any, where: str, number: int) -> list[Block]:
    """The block of a cell's output: a picture, or a table or reading in Markdown; printed text is left out."""
    data = output.get("data", {})
    if "image/png" in data:
        png = _png(data["image/png"], where)
        pixels, rows = struct.unpack(">II", png[16:24])
        width = output.get("metadata", {}).get("image/png", {}).get("width")
        sharp = pixels * 96 / SHARP
        known = isinstance(width, int | float) and 0 < width < sharp
        return [Figure(png, width if known else sharp, pixels / rows, number)]
    if "text/markdown" in data:
        return [Prose(data["text/markdown"], where)]
    return []


def _png(encoded: str, where: str) -> bytes:
    try:
        picture = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        picture = b""
    if not picture.startswith(PNG) or len(picture) < 24 or 0 in struct.unpack(">II", picture[16:24]):
        raise LabError(f"{where}: its picture is not a PNG.", "PNG pictures", "Run the notebook again.")
    return picture


def _unanswered(parts: list[Part]) -> list[str]:
    answers = [block for part in parts for block in part.blocks if isinstance(block, Answer)]
    missing = QUESTIONS.keys() - {answer.id for answer in answers}
    return [visible(answer.id) for answer in answers if not answer.text] + [id for id in QUESTIONS if id in missing]


def _of_fact(part: str, row: FactRow) -> Finding:
    signs = {">=": "≥", "<=": "≤", "==": "="}
    wanted = f"{signs.get(row.relation, row.relation)} {_number(row.threshold)} {row.unit}"
    measured = f"{_number(row.measured)} {row.unit}"
    return Finding(part, _inline(row.claim), measured.strip(), _inline(wanted), row.verdict)


def _of_hypothesis(part: str, row: HypothesisRow) -> Finding:
    interval = f" [{_number(row.low)}, {_number(row.high)}]" if row.low is not None else ""
    measured = f"{_number(row.effect)}{interval} {row.unit}"
    return Finding(part, _inline(row.statement), measured.strip(), _inline(row.test), row.verdict)


def _inline(text: str) -> Fragment:
    return Fragment(text.strip(), "answer")


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e12
    return (f"{value:,.0f}" if whole else f"{value:.4g}").replace("-", "\u2212")


def _origins(records: list[Record]) -> list[tuple[str, list[str]]]:
    """How each notebook was run: its data, its knobs, its version, its time."""
    knobs = [{k: v for k, v in r.settings.items() if k not in NOT_KNOBS and v is not None} for r in records]
    rows = [
        ("Seed, profile", [f"{r.settings.get('seed')}, {r.settings.get('profile')}" for r in records]),
        ("Digits from", [_source(r.data) for r in records]),
        ("Digits", [_flat(r.data.get("counts", "")) for r in records]),
        ("Licence", [str(r.data.get("licence", "")) for r in records]),
        ("Checksum (SHA-256)", [_flat(r.data.get("checksum", "")) for r in records]),
        ("Settings", [_flat(k) for k in knobs]),
        ("lab_utils", [r.version for r in records]),
        ("Minutes", ["" if r.minutes is None else f"{r.minutes:.1f}" for r in records]),
    ]
    return [(label, values) for label, values in rows if any(values)]


def _source(data: dict[str, Any]) -> str:
    return f"{data.get('source', '')}{' (a subset of MNIST)' if data.get('subset') else ''}"


def _flat(value: Any) -> str:
    """A small dictionary on one line; checksums keep their first 12 digits."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    text = str(value)
    return f"{text[:12]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text
