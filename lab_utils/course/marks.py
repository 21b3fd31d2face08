"""The marks of a class: one file, ``marks.json``, checked whenever it is read or changed, and written whole."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab_utils import files
from lab_utils.course.collected import Collection
from lab_utils.course.rubric import lab_points, read_rubric
from lab_utils.errors import LabError
from lab_utils.report.model import SECTIONS, Evaluation

NAME = "marks.json"
STEP = 0.5
LONGEST = 2_000
"""Characters of a comment: what a cell of ``marks.xlsx`` may hold when it is read again."""
MOST_PHRASES = 40
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Marked(BaseModel):
    """What one student got: marks and comments by the answer's id, and the evaluator's remark."""

    model_config = ConfigDict(extra="forbid")
    marks: dict[str, float] = {}
    comments: dict[str, str] = {}
    remark: str = ""


class Marks(BaseModel):
    """All of a class.

    Attributes
    ----------
    rubric : dict
        Points by the answer's id, in the rubric's order.
    students : dict
        By student ID; who has nothing yet is not in it.
    phrases : list of str
        Comments that are used again.
    sheet : dict
        Cells of ``marks.xlsx`` as they were last written, by student ID and column.
    """

    model_config = ConfigDict(extra="forbid")
    layout: Literal[1] = Field(1, alias="schema")
    rubric: dict[str, float]
    students: dict[str, Marked] = {}
    phrases: list[str] = []
    sheet: dict[str, dict[str, str]] = {}

    def of(self, student: str) -> Marked:
        """A student's marks, to be read."""
        return self.students.get(student, Marked())

    def total(self, student: str) -> float | None:
        """The sum, or None where an item has no mark yet."""
        given = self.of(student).marks
        return math.fsum(given.values()) if given.keys() >= self.rubric.keys() else None

    def change(self, student: str, column: str, value: Any) -> None:
        """Set one thing of a student: the mark of an answer, "comment: …" on it, or the "remark".

        Raises
        ------
        LabError
            A mark that the rubric does not allow, a text that is too long, or a column that there is not.
        """
        marked = self.students.get(student, Marked()).model_copy(deep=True)
        item = column.removeprefix("comment: ")
        if column == "remark":
            marked.remark = plain(value)
        elif item not in self.rubric:
            raise LabError(f"There is no {column[:100]!r}.", ", ".join(self.rubric), "Use one of these.")
        elif column != item:
            _put(marked.comments, item, plain(value) or None)
        else:
            _put(marked.marks, item, checked_mark(item, value, self.rubric[item]))
        _put(self.students, student, marked if marked != Marked() else None)

    def cells(self, student: str) -> dict[str, str]:
        """What a student has, as text by the column that `change` takes; no empty ones."""
        marked = self.of(student)
        told = {id: f"{mark:g}" for id, mark in marked.marks.items()}
        told |= {f"comment: {id}": text for id, text in marked.comments.items()}
        return told | ({"remark": marked.remark} if marked.remark else {})


def _put(values: dict, key: str, value: Any) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value


def plain(text: Any) -> str:
    """A comment as it is kept: no outer spaces, no control characters.

    Raises
    ------
    LabError
        It is no text, or too long.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise LabError("That is no comment.", f"a text of at most {LONGEST:,} characters", "Shorten it.")
    return UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def checked_mark(item: str, value: Any, points: float) -> float | None:
    """A mark that the rubric allows; None for none.

    Raises
    ------
    LabError
        It is not a multiple of `STEP` from 0 to the item's points, nor the points themselves.
    """
    if value in ("", None):
        return None
    try:
        mark = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        mark = math.nan
    if isinstance(value, bool) or not 0 <= mark <= points or ((mark / STEP) % 1 and mark != points):
        raise LabError(
            f"{item} = {str(value)[:60]!r} is no mark.",
            f"0 to {points:g} in steps of {STEP:g}",
            "Correct it, or change the rubric.",
        )
    return mark


def open_marks(folder: Path, collection: Collection, rubric: Path | None = None) -> Marks:
    """The marks in a folder, or new ones.

    Parameters
    ----------
    folder : Path
        Where ``dae-lab collect`` has written.
    collection : Collection
    rubric : Path, optional
        Points to mark by from now on; by default those that the marks were given by, else the lab's own.

    Raises
    ------
    LabError
        A rubric or marks that cannot be used; marks that the new rubric does not allow.
    """
    path = folder / NAME
    if not path.exists():
        asked = collection.questions
        return Marks(rubric=read_rubric(rubric, asked) if rubric else lab_points(asked))
    try:
        marks = Marks.model_validate_json(path.read_bytes())
        if rubric:
            marks.rubric = read_rubric(rubric, collection.questions)
        wrong = _not_allowed(marks)
    except (OSError, ValidationError) as error:
        wrong = [error.strerror if isinstance(error, OSError) else str(error).splitlines()[-1].strip()]
    if wrong:
        raise LabError(
            f"The marks in '{path}' cannot be used: {'; '.join(wrong[:10])}.",
            "marks as `dae-lab mark` writes them, within the rubric",
            "Correct the file or give the rubric by which they were given.",
        )
    return marks


def _not_allowed(marks: Marks) -> list[str]:
    told = []
    for student in marks.students:
        for column, text in marks.cells(student).items():
            try:
                Marks(rubric=marks.rubric).change(student, column, text)
            except LabError as error:
                told.append(f"{student}: {error.what}")
    return told


def save_marks(folder: Path, marks: Marks) -> None:
    """Write ``marks.json``, whole or not at all."""
    with files.replaced(folder / NAME) as part:
        part.write_bytes(marks.model_dump_json(by_alias=True, indent=1).encode())


def sections(ids: Iterable[str]) -> dict[str, list[str]]:
    """Answers' ids by the title of the manual's section that they belong to."""
    found: dict[str, list[str]] = {}
    for id in ids:
        title = next((title for prefix, title in SECTIONS.items() if id.startswith(prefix)), "Other")
        found.setdefault(title, []).append(id)
    return found


def evaluation(marks: Marks, student: str) -> Evaluation:
    """A student's marks as the report prints them."""
    marked, total = marks.of(student), marks.total(student)

    def secured(ids: list[str]) -> str:
        given = math.fsum(marked.marks[id] for id in ids)
        return f"{given:g} of {math.fsum(marks.rubric[id] for id in ids):g}"

    return Evaluation(
        {title: secured(ids) for title, ids in sections(marks.rubric).items() if marked.marks.keys() >= set(ids)},
        "" if total is None else f"{total:g}",
        f"{math.fsum(marks.rubric.values()):g}",
        marked.remark,
        [
            (id, secured([id]) if id in marked.marks else "not marked", marked.comments[id])
            for id in marks.rubric
            if id in marked.comments
        ],
    )
