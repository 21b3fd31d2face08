"""``marks.xlsx``: the same marks for who prefers a spreadsheet, merged cell by cell with those of the page."""

import io
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font

from lab_utils import files
from lab_utils.course.collected import Collection
from lab_utils.course.marks import STEP, Marks, save_marks
from lab_utils.course.names import identity_key, spreadsheet_text
from lab_utils.course.sheets import read_sheet
from lab_utils.errors import LabError

NAME = "marks.xlsx"
Cells = dict[str, dict[str, str]]
"""Text by student ID and column; no empty ones."""


def merge_sheet(folder: Path, collection: Collection, marks: Marks) -> Path | None:
    """Bring ``marks.xlsx`` and ``marks.json`` together, and write both.

    A cell that only one side has changed since the sheet was last written is taken from that side.

    Returns
    -------
    Path or None
        Where the sheet that a person had changed is now found.

    Raises
    ------
    LabError
        Both have changed a cell, each to something else; a student, column or mark that there is not. All of these are
        in it, and nothing is written.
    """
    path = folder / NAME
    if path.exists():
        _take(path, collection, marks)
    state = {student: marks.cells(student) for student in collection.students}
    aside = files.put(path, workbook(collection, marks)) if _differs(path, state) else None
    marks.sheet = state
    save_marks(folder, marks)
    return aside


def columns(marks: Marks) -> list[str]:
    """What the sheet has for each student after ID and name, in order."""
    return [*marks.rubric, "total", "remark", *(f"comment: {id}" for id in marks.rubric)]


def workbook(collection: Collection, marks: Marks) -> bytes:
    """The sheet as an XLSX file in which no text is computed."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Marks"
    heads = ["student_id", "name", *columns(marks)]
    rows = [[id, row.name, *_values(marks, id)] for id, row in collection.students.items()]
    for number, row in enumerate([heads, *rows], 1):
        for place, value in enumerate(row, 1):
            cell = sheet.cell(number, place, value)
            if isinstance(value, str):
                cell.data_type, cell.number_format = "s", "@"
                cell.quotePrefix = spreadsheet_text(value) != value
            cell.alignment = Alignment(vertical="top", wrap_text=isinstance(value, str) and number > 1)
            if number == 1:
                cell.font = Font(bold=True)
    for place, head in enumerate(heads):
        wide = head in ("name", "remark") or head.startswith("comment")
        sheet.column_dimensions[sheet.cell(1, place + 1).column_letter].width = 28 if wide else 13
    sheet.freeze_panes = "C2"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _values(marks: Marks, student: str) -> list[str | float | None]:
    told = marks.cells(student)
    return [
        marks.of(student).marks.get(name) if name in marks.rubric
        else marks.total(student) if name == "total"
        else told.get(name)
        for name in columns(marks)
    ]  # fmt: skip


def _differs(path: Path, state: Cells) -> bool:
    """Whether the sheet says anything else, so that one that is right keeps its colours and widths."""
    if not path.exists():
        return True
    told = {id: {k: v for k, v in cells.items() if k != "total"} for id, cells in _read(path).items()}
    return any(told.get(identity_key(id)) != cells for id, cells in state.items())


def _take(path: Path, collection: Collection, marks: Marks) -> None:
    """Change the marks as the sheet was changed; or refuse all of it."""
    theirs, students = _read(path), {identity_key(id): id for id in collection.students}
    wrong = [f"{key}: no student of this class" for key in theirs if key not in students]
    wanted = []
    for key, told in theirs.items():
        id = students.get(key)
        if id is None:
            continue
        written, mine = marks.sheet.get(id, {}), marks.cells(id)
        for column in dict.fromkeys([*columns(marks), *told]):
            new, old, own = (cells.get(column, "") for cells in (told, written, mine))
            if column == "total":
                continue
            if column not in columns(marks):
                wrong += [f"{id}: there is no column {column[:60]!r}"] if new else []
            elif new not in (old, own):
                if own == old:
                    wanted.append((id, column, new))
                else:
                    was = f"it was {old!r}, " if old else ""
                    wrong.append(f"{id}, {column}: {was}the page says {own[:60]!r}, the sheet {new[:60]!r}")
    trial = marks.model_copy(deep=True)
    for change in wanted:
        try:
            trial.change(*change)
        except LabError as error:
            wrong.append(f"{change[0]}: {error.what} Allowed: {error.allowed}")
    if wrong:
        raise LabError(
            f"'{path.name}' and the marks of the page do not go together, and nothing was written:\n  - "
            + "\n  - ".join(wrong[:50]),
            f"each cell changed on one side alone; marks in steps of {STEP:g}; the students and columns of the class",
            "Put what is right into one of the two, make the other the same or as it was, then do this again.",
        )
    marks.students = trial.students


def _read(path: Path) -> Cells:
    """Cells by the key of the ID; numbers as they are written shortest."""
    header, *rows = list(read_sheet(path).rows.values()) or [[]]
    if "student_id" not in header:
        raise LabError(
            f"'{path.name}' has no column student_id.", "the columns that it was written with", "Restore it."
        )
    found: Cells = {}
    for row in rows:
        cells = {name: text for name, text in zip(header, row, strict=False) if name and text}
        id = cells.pop("student_id", "")
        cells.pop("name", None)
        if identity_key(id) in found:
            raise LabError(f"'{path.name}' holds {id[:60]!r} twice.", "each student once", "Remove one of the rows.")
        if id:
            found[identity_key(id)] = {name: _shortest(name, text) for name, text in cells.items()}
    return found


def _shortest(column: str, text: str) -> str:
    if column.startswith("comment") or column == "remark":
        return text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return f"{float(text.replace(',', '.')):g}"
    except ValueError:
        return text
