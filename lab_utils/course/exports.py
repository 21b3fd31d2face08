"""Marks for a learning platform, in the file that it gave itself: what it knows its students by stays as it is.

Moodle's grading worksheet has "Identifier", "Full name", "ID number", "Grade", "Maximum grade" and "Feedback comments".
Canvas' gradebook has "Student", "ID", "SIS User ID", "SIS Login ID", "Section", a row "Points Possible", and a column
per assignment, "Title (number)"; it wants the first five and the columns that changed. Any other list gets a column
of grades and one of feedback, which Moodle's "Import grades" maps.
"""

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

from lab_utils.course.collected import read_collected
from lab_utils.course.headings import layout
from lab_utils.course.marks import evaluation, open_marks
from lab_utils.course.names import identity_key, spreadsheet_text
from lab_utils.course.sheets import read_as_written, read_sheet
from lab_utils.errors import LabError
from lab_utils.manual import MARKS

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Root Account", "Section")
NUMBER = re.compile(r"-?[0-9]*[.,]?[0-9]*|-")
"""What needs no apostrophe: a number, and the dash with which Moodle says that there is none."""
Given = tuple[Mapping[str, tuple[str, float]], Mapping[str, str], float, list[str]]
"""Total by ID, with the ID as it is written; remark by ID; the rubric's points, 0 where they are not known; IDs of
those who have handed in and are not marked to the end."""


def filled(marks: Path, theirs: Path, column: str) -> tuple[bytes, int, list[str]]:
    """The platform's file with the marks in it.

    Parameters
    ----------
    marks : Path
        The folder in which they were given, or a CSV or XLSX with ``student_id``, ``total`` and perhaps ``remark``;
        who has no total is left as they are.
    theirs : Path
        CSV.
    column : str
        The heading of the grades, where the file has none for them yet.

    Returns
    -------
    bytes, int, list of str
        The file; how many marks are in it; what to know of it: IDs with a mark that it does not have, students
        who are not marked to the end, a maximum that is not the rubric's.

    Raises
    ------
    LabError
        A file that cannot be read, a column that is missing, a total that is no number, an ID that stands twice.
    """
    totals, remarks, points, unmarked = _read_marks(marks)
    header, *rows = read_as_written(theirs) or [[]]
    found = layout([cell.strip() for cell in header], rows)
    if "student_id" not in found.columns:
        raise LabError(
            f"{theirs.name} has no column of IDs.",
            "ID number (Moodle), SIS User ID (Canvas), student_id",
            "Export it with such a column; Moodle gives it where the site shows its users' ID numbers.",
        )
    known_by = header[found.columns.index("student_id")].strip()
    header, rows, grade, feedback = _with_columns(header, rows, column)
    place, written, limits = header.index(known_by), set(), set()
    limit = header.index("Maximum grade") if "Maximum grade" in header else None
    for row in rows:
        key = identity_key(row[place])
        if row[0].strip() == "Points Possible":
            limits.add(row[grade])
            row[grade] = f"{points:g}" if points else row[grade] or f"{MARKS}"
        elif key in totals:
            limits.add(row[limit] if limit is not None else "")
            row[grade] = f"{totals[key][1]:g}"
            written.add(key)
            if feedback is not None:
                row[feedback] = remarks.get(key) or row[feedback]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[_safe(cell) for cell in row] for row in [header, *rows]])
    left = [id for key, (id, _) in totals.items() if key not in written]
    lists = ((f"Not in {theirs.name}", left), ("Not marked to the end, and without a grade", unmarked))
    told = [f"{what}: {', '.join(ids)[:1_000]}" for what, ids in lists if ids]
    told += [
        f"{theirs.name} has {each[:20]} points, and the rubric {points:g}: change one of them before you upload."
        for each in sorted(limits)
        if points and _number(each) not in (None, points)
    ]
    return text.getvalue().encode("utf-8-sig"), len(written), told


def _with_columns(
    header: list[str], rows: list[list[str]], column: str
) -> tuple[list[str], list[list[str]], int, int | None]:
    """The header and rows that go back, each row as long as the header, and the places of grade and feedback."""
    names = [cell.strip() for cell in header]
    canvas = "Section" in names and "Student" in names
    grade = next((name for name in names if name == "Grade" or _is_title(name, column)), column)
    comments = next((name for name in names if name == "Feedback comments"), "Feedback")
    wanted = [name for name in names if name in CANVAS or name == grade] if canvas else list(names)
    wanted += [name for name in (grade, *([] if canvas else [comments])) if name not in wanted]
    places = [names.index(name) if name in names else None for name in wanted]
    cut = [[row[i] if i is not None and i < len(row) else "" for i in places] for row in rows if any(row)]
    return wanted, cut, wanted.index(grade), None if canvas else wanted.index(comments)


def _is_title(name: str, column: str) -> bool:
    """Whether a heading of Canvas is this assignment's: its title and, in brackets, its number."""
    return re.sub(r" \([0-9]+\)$", "", name) == column


def _read_marks(path: Path) -> Given:
    if path.is_dir():
        return _read_folder(path)
    header, *rows = list(read_sheet(path).rows.values()) or [[]]
    missing = [name for name in ("student_id", "total") if name not in header]
    if missing:
        raise LabError(f"{path.name} has no column {', '.join(missing)}.", "student_id, total, remark", "Add it.")
    totals: dict[str, tuple[str, float]] = {}
    remarks = {}
    for row in rows:
        cells = dict(zip(header, row + [""] * len(header), strict=False))
        id, total = cells["student_id"], cells["total"]
        if not total:
            continue
        value = _number(total)
        if identity_key(id) in totals or not id or value is None or not 0 <= value < math.inf:
            what = f"{path.name}: {id[:60]!r} has the total {total[:60]!r}"
            raise LabError(what, "each ID once, with a number of at least 0", "Correct it.")
        totals[identity_key(id)], remarks[identity_key(id)] = (id, value), cells.get("remark", "")
    return totals, remarks, 0, []


def _read_folder(folder: Path) -> Given:
    """The same from ``marks.json``: the remark, and the comments below it."""
    collection = read_collected(folder)
    marks = open_marks(folder, collection)
    totals = {id: total for id in collection.students if (total := marks.total(id)) is not None}
    told = {id: evaluation(marks, id) for id in totals}
    remarks = {
        identity_key(id): "\n".join(
            filter(None, [each.remark, *(f"{i} ({m}): {text}" for i, m, text in each.comments)])
        )
        for id, each in told.items()
    }
    points = math.fsum(marks.rubric.values())
    unmarked = [id for id, row in collection.students.items() if row.asked and id not in totals]
    return {identity_key(id): (id, total) for id, total in totals.items()}, remarks, points, unmarked


def _safe(cell: str) -> str:
    return cell if NUMBER.fullmatch(cell) else spreadsheet_text(cell)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
