"""A class list (CSV or XLSX) read as text, with every problem reported at once before anything runs."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils import settings
from lab_utils.course.headings import Layout, layout
from lab_utils.course.names import folder_name, identity_key, lookalike_keys, unprintable_marks
from lab_utils.course.sheets import Sheet, read_sheet
from lab_utils.errors import LabError
from lab_utils.running.parameters import for_series, from_text, student_seed
from lab_utils.text import SCRIPTS, lacking

REQUIRED = ("student_id", "name")
NOT_COLUMNS = {"student_id", "student_name", "storage"}
"""The first two have their own columns; ``storage`` names a file to write, which a roster must not choose."""
PARAMETERS = {name for model in settings.SERIES.values() for name in model.model_fields} - NOT_COLUMNS
COLUMNS = (*REQUIRED, *sorted(PARAMETERS))
HALVES = ("first_name", "last_name")
SHOWN = 20
"""Problems and warnings that are shown one by one; the others are counted."""
AS_TEXT = "format the column as Text and type it again"
MADE_ROUNDED = f"the spreadsheet has made a rounded number of it; {AS_TEXT}"
ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE][+-][0-9]{1,3}")
"""How spreadsheets write a number of which they have kept a few digits; an ID such as 1e5 has no sign."""


@dataclass(frozen=True)
class Student:
    """One row of the roster.

    Attributes
    ----------
    student_id, name : str
        As they stand in the roster, without outer spaces.
    parameters : dict
        For each notebook, its parameters as values; the student's identity and seed are among them.
    """

    student_id: str
    name: str
    parameters: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Problem:
    """What is wrong in one place of a roster; rows are counted as a spreadsheet does, the header being row 1."""

    row: int
    column: str
    what: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: {self.what}"


class RosterError(LabError):
    """A roster that cannot be used; ``problems`` holds all there are, in the order of the rows."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        listed = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
        more = f"\n  … and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__(
            f"{path.name} has {len(problems):,} {noun}; nothing was run.{listed}{more}",
            "one row per student; columns " + ", ".join(REQUIRED) + " and any parameter: " + ", ".join(COLUMNS[2:]),
            "Correct these cells and start the batch again.",
        )
        self.problems = problems


class Roster(list[Student]):
    """The students of a class; ``warnings`` holds sentences about what is allowed but may be a mistake."""

    def __init__(self, students: Iterable[Student], warnings: list[str]) -> None:
        super().__init__(students)
        self.warnings = warnings


def read_roster(path: str | Path, notebooks: list[str] | None = None, common: dict[str, str] | None = None) -> Roster:
    """Read and validate a roster.

    Parameters
    ----------
    path : str or Path
        ``.csv`` (UTF-8 or UTF-16, with or without byte order mark; comma, semicolon or tab) or ``.xlsx`` (its
        first sheet). Columns ``student_id`` and ``name``, and any parameter; or an export of Moodle or Canvas.
    notebooks : list of str, optional
        The notebooks that will run; all of the lab's by default.
    common : dict, optional
        Parameters of the whole class, as text; a filled cell of the roster beats them.

    Returns
    -------
    Roster
        The students, in the order of the rows, and ``warnings``: IDs that look alike, columns without use.

    Raises
    ------
    RosterError
        Naming every duplicate, blank, unknown column and bad value by row and column.
    LabError
        For a file that is no roster at all.
    """
    path = Path(path)
    notebooks = notebooks or list(settings.SERIES)
    common = common or {}
    for_series(notebooks, common)
    sheet = read_sheet(path)
    if not sheet.rows:
        raise LabError(f"{path.name} is empty.", "a header row and one row per student", "Fill it in.")
    first, *numbers = sheet.rows
    header = sheet.rows[first]
    found = layout(header, [sheet.rows[number] for number in numbers])
    if problems := _header_problems(found, header, first):
        raise RosterError(path, problems)
    students = {number: row for number in numbers if found.is_student(row := sheet.rows[number])}
    if not students:
        raise LabError(f"{path.name} names no student.", "one row per student", "Fill it in.")
    cells = {
        number: {name: text for name, text in found.cells(row).items() if name in COLUMNS}
        for number, row in students.items()
    }
    problems = [problem for number in cells for problem in _row_problems(number, cells[number], notebooks, common)]
    problems += _beyond(students, header) + _changed(sheet, found, students) + _duplicates(cells)
    if problems:
        raise RosterError(path, sorted(problems, key=lambda problem: problem.row))
    warnings = _lookalikes(cells) + _not_used(found, header, len(numbers) - len(students))
    return Roster([_student(row, notebooks, common) for row in cells.values()], warnings)


def _student(cells: dict[str, str], notebooks: list[str], common: dict[str, str]) -> Student:
    texts = common | {name: text for name, text in cells.items() if text}
    texts["student_name"] = texts.pop("name")
    parameters = for_series(notebooks, texts)
    if "seed" not in texts:
        shared = settings.check(notebooks[0], parameters[notebooks[0]])
        seed = student_seed(shared.course_code, shared.academic_year, shared.experiment_number, texts["student_id"])
        for values in parameters.values():
            values["seed"] = seed
    return Student(texts["student_id"], texts["student_name"], parameters)


def _header_problems(found: Layout, header: list[str], row: int) -> list[Problem]:
    problems = []
    for index, name in enumerate(found.columns):
        if name in found.columns[:index] and name in {*COLUMNS, *HALVES}:
            problems.append(Problem(row, name, "this column stands here twice"))
        elif name not in {*COLUMNS, *HALVES, ""} and not found.exported:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(Problem(row, repr(header[index][:60]), "unknown column" + hint))
    missing = {"student_id", "name"} - set(found.columns)
    if set(HALVES) <= set(found.columns):
        missing -= {"name"}
    return problems + [Problem(row, name, "this column is missing") for name in sorted(missing, reverse=True)]


def _row_problems(
    number: int, cells: dict[str, str], notebooks: list[str], common: dict[str, str]
) -> Iterator[Problem]:
    """Find what is wrong in one row; a parameter is judged beside the others that hold for this student."""
    yield from (Problem(number, name, "blank") for name in REQUIRED if not identity_key(cells[name]))
    if ROUNDED.fullmatch(cells["student_id"]):
        yield Problem(number, "student_id", MADE_ROUNDED)
    for column, text in cells.items():
        if missing := lacking(text):
            shown = ", ".join(f"{character} (U+{ord(character):04X})" for character in missing[:5])
            yield Problem(number, column, f"the report's fonts lack {shown}; allowed: {SCRIPTS}")
        elif marked := unprintable_marks(text):
            shown = ", ".join(cluster[:8] for cluster in marked[:5])
            yield Problem(number, column, f"the report cannot set {shown}: a letter with marks that no font has")
    filled = {name: text for name, text in cells.items() if text}
    texts = common | {"student_name" if name == "name" else name: text for name, text in filled.items()}
    told: dict[str, Problem] = {}
    for notebook in notebooks:
        own = {name: text for name, text in texts.items() if name in settings.NOTEBOOKS[notebook].model_fields}
        for name, wrong in settings.problems(notebook, from_text(notebook, own)).items():
            column = "name" if name == "student_name" else name
            what = f"{filled[column][:60]!r} is not allowed" if column in filled else wrong.what
            told.setdefault(column, Problem(number, column, f"{what}; {wrong.allowed}"))
    yield from told.values()


def _beyond(students: dict[int, list[str]], header: list[str]) -> list[Problem]:
    """Find values in columns that have no heading."""
    problems = []
    for number, row in students.items():
        extra = [index for index, text in enumerate(row) if text and not "".join(header[index : index + 1])]
        problems += [Problem(number, str(index + 1), "a cell in a column without a heading") for index in extra[:1]]
    return problems


def _changed(sheet: Sheet, found: Layout, students: dict[int, list[str]]) -> list[Problem]:
    """Find cells that are no longer what was typed; a parameter that is a number is exact however it is shown."""
    problems = []
    for places, columns, what in (
        (sheet.dates, {*COLUMNS, *HALVES}, f"the spreadsheet has made a date of it; {AS_TEXT}"),
        (sheet.rounded, {*REQUIRED, *HALVES}, MADE_ROUNDED),
    ):
        named = [(row, found.columns[index]) for row, index in places if index < len(found.columns) and row in students]
        problems += [Problem(row, column, what) for row, column in named if column in columns]
    return problems


def _duplicates(cells: dict[int, dict[str, str]]) -> list[Problem]:
    """Find IDs that are the same to a person or whose folders are the same to some file system."""
    problems = []
    first: dict[str, int] = {}
    for number, row in cells.items():
        student_id = row["student_id"]
        if not identity_key(student_id):
            continue
        keys = {"id " + identity_key(student_id), "folder " + folder_name(student_id).casefold()}
        earlier = [first[key] for key in keys if key in first]
        if earlier:
            problems.append(Problem(number, "student_id", f"{student_id[:60]!r} is the same as in row {min(earlier)}"))
        for key in keys:
            first.setdefault(key, number)
    return problems


def _lookalikes(cells: dict[int, dict[str, str]]) -> list[str]:
    """Warn of IDs that differ but are easily taken for each other."""
    alike: dict[str, list[int]] = {}
    for number, row in cells.items():
        for key in lookalike_keys(row["student_id"]):
            alike.setdefault(key, []).append(number)
    pairs = list(dict.fromkeys(tuple(numbers) for numbers in alike.values() if len(numbers) > 1))
    told = [
        "These IDs look alike: "
        + ", ".join(f"{cells[number]['student_id'][:60]!r} (row {number})" for number in numbers[:5])
        + (f" and {len(numbers) - 5} more." if len(numbers) > 5 else ".")
        for numbers in pairs[:SHOWN]
    ]
    return [*told, f"{len(pairs) - SHOWN:,} more groups of IDs look alike."] if len(pairs) > SHOWN else told


def _not_used(found: Layout, header: list[str], dropped: int) -> list[str]:
    unused = [
        cell for cell, name in zip(header, found.columns, strict=True) if cell and name not in (*COLUMNS, *HALVES)
    ]
    warnings = []
    if unused:
        more = f" and {len(unused) - SHOWN} more" if len(unused) > SHOWN else ""
        warnings.append("Columns without use: " + ", ".join(cell[:40] for cell in unused[:SHOWN]) + more + ".")
    if dropped:
        warnings.append(f"Rows that are no student's (Points Possible, Test Student and the like): {dropped}.")
    return warnings
