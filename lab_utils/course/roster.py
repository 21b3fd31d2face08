"""A class list (CSV or XLSX) read as text, with every problem reported at once before anything runs."""

import csv
import difflib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.cell import Cell

from lab_utils import settings
from lab_utils.course.names import folder_name, identity_key
from lab_utils.errors import LabError
from lab_utils.running.parameters import for_series, from_text, student_seed
from lab_utils.text import SCRIPTS, lacking

LARGEST_BYTES = 20_000_000
REQUIRED = ("student_id", "name")
NOT_COLUMNS = {"student_id", "student_name", "storage"}
"""The first two have their own columns; ``storage`` names a file to write, which a roster must not choose."""
PARAMETERS = {name for model in settings.NOTEBOOKS.values() for name in model.model_fields} - NOT_COLUMNS
COLUMNS = (*REQUIRED, *sorted(PARAMETERS))


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
        listed = "\n".join(f"  {problem}" for problem in problems)
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__(
            f"{path.name} has {len(problems)} {noun}; nothing was run.\n{listed}",
            "one row per student; columns " + ", ".join(REQUIRED) + " and any parameter: " + ", ".join(COLUMNS[2:]),
            "Correct these cells and start the batch again.",
        )
        self.problems = problems


def read_roster(
    path: str | Path, notebooks: list[str] | None = None, common: dict[str, str] | None = None
) -> list[Student]:
    """Read and validate a roster.

    Parameters
    ----------
    path : str or Path
        ``.csv`` (UTF-8 or UTF-16, with or without byte order mark; comma, semicolon or tab) or ``.xlsx`` (its
        first sheet).
    notebooks : list of str, optional
        The notebooks that will run; all of the lab's by default.
    common : dict, optional
        Parameters of the whole class, as text; a filled cell of the roster beats them.

    Raises
    ------
    RosterError
        Naming every duplicate, blank, unknown column and bad value by row and column.
    LabError
        For a file that is no roster at all.
    """
    path = Path(path)
    notebooks = notebooks or list(settings.NOTEBOOKS)
    common = common or {}
    for_series(notebooks, common)
    rows, doubts = _read_rows(path)
    if not rows:
        raise LabError(f"{path.name} is empty.", "a header row and one row per student", "Fill it in.")
    header, *body = rows
    columns = [_column_name(cell) for cell in header]
    body = [(number, row) for number, row in enumerate(body, start=2) if any(row)]
    problems = _header_problems(columns, header)
    if problems:
        raise RosterError(path, problems)
    if not body:
        raise LabError(f"{path.name} names no student.", "one row per student", "Fill it in.")
    problems = [Problem(row, columns[column], what) for (row, column), what in doubts.items() if column < len(columns)]
    problems += [problem for number, row in body for problem in _row_problems(number, row, columns, notebooks)]
    problems += _duplicates([(number, _cells(row, columns)["student_id"]) for number, row in body])
    if problems:
        raise RosterError(path, sorted(problems, key=lambda problem: problem.row))
    return [_student(_cells(row, columns), notebooks, common) for _, row in body]


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


def _cells(row: list[str], columns: list[str]) -> dict[str, str]:
    """Return the cells by column; a row that ends early has blanks."""
    return dict(zip(columns, row + [""] * len(columns), strict=False))


def _column_name(cell: str) -> str:
    name = "_".join(cell.lower().replace("-", " ").replace("_", " ").split())
    return "name" if name == "student_name" else name


def _header_problems(columns: list[str], header: list[str]) -> list[Problem]:
    problems = []
    for index, name in enumerate(columns):
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(Problem(1, repr(header[index]), "unknown column" + hint))
        elif name in columns[:index]:
            problems.append(Problem(1, name, "this column stands here twice"))
    return problems + [Problem(1, name, "this column is missing") for name in REQUIRED if name not in columns]


def _row_problems(number: int, row: list[str], columns: list[str], notebooks: list[str]) -> list[Problem]:
    cells = _cells(row, columns)
    problems = [Problem(number, name, "blank") for name in REQUIRED if not identity_key(cells[name])]
    if len(row) > len(columns):
        problems.append(Problem(number, str(len(columns) + 1), "a cell beyond the last column"))
    for column, text in cells.items():
        if missing := lacking(text):
            shown = ", ".join(f"{character} (U+{ord(character):04X})" for character in missing[:5])
            problems.append(Problem(number, column, f"the report's fonts lack {shown}; allowed: {SCRIPTS}"))
        name = "student_name" if column == "name" else column
        with_it = [notebook for notebook in notebooks if name in settings.NOTEBOOKS[notebook].model_fields]
        for notebook in with_it if text else []:
            try:
                settings.check(notebook, from_text(notebook, {name: text}))
            except LabError as error:
                problems.append(Problem(number, column, f"{text[:60]!r} is not allowed; {error.allowed}"))
                break
    return problems


def _duplicates(ids: list[tuple[int, str]]) -> list[Problem]:
    """Find IDs that are the same to a person or whose folders are the same to some file system."""
    problems = []
    first: dict[str, int] = {}
    for number, student_id in ids:
        if not identity_key(student_id):
            continue
        keys = {"id " + identity_key(student_id), "folder " + folder_name(student_id).casefold()}
        earlier = [first[key] for key in keys if key in first]
        if earlier:
            problems.append(Problem(number, "student_id", f"{student_id[:60]!r} is the same as in row {min(earlier)}"))
        for key in keys:
            first.setdefault(key, number)
    return problems


def _read_rows(path: Path) -> tuple[list[list[str]], dict[tuple[int, int], str]]:
    """Return all cells as text, and by (row, column index) the cells whose text the spreadsheet has already lost."""
    if not path.is_file():
        raise LabError(f"There is no roster {path}.", "a .csv or .xlsx file", "Check the name.")
    if path.stat().st_size > LARGEST_BYTES:
        raise LabError(f"{path.name} is larger than {LARGEST_BYTES:,} bytes.", "a class list", "Check the file.")
    if path.suffix.lower() == ".xlsx":
        return _read_xlsx(path)
    if path.suffix.lower() == ".csv":
        return _read_csv(path), {}
    raise LabError(f"{path.name} is neither .csv nor .xlsx.", "a .csv or .xlsx file", "Save it as one of these.")


def _read_csv(path: Path) -> list[list[str]]:
    text = _decode(path)
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise LabError(
            f"{path.name} is not a well-formed CSV file: {error}.",
            'cells with commas, quotes or line breaks stand in "double quotes"',
            "Save it again from a spreadsheet, as CSV UTF-8 or as XLSX.",
        ) from error
    return [[cell.strip() for cell in row] for row in rows]


def _decode(path: Path) -> str:
    """Return a text file's content; UTF-16 without a mark shows by its zero bytes."""
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in raw[:2]:
        encoding = "utf-16-be" if raw[0] == 0 else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        text = raw.decode(encoding)
        if "\0" in text:
            raise ValueError("it holds zero bytes")
    except ValueError as error:
        raise LabError(
            f"{path.name} is not text in UTF-8 or UTF-16: {error}.",
            "CSV in UTF-8 or UTF-16, or XLSX",
            "In a spreadsheet choose Save As, 'CSV UTF-8' or 'Excel Workbook'.",
        ) from error
    return text


def _read_xlsx(path: Path) -> tuple[list[list[str]], dict[tuple[int, int], str]]:
    try:
        formulas = load_workbook(path).worksheets[0]
        shown = load_workbook(path, data_only=True).worksheets[0]
    except Exception as error:  # openpyxl lets through whatever zipfile, XML and its own parsers raise
        raise LabError(
            f"{path.name} cannot be read as a workbook: {error}.", "an .xlsx workbook", "Save it again."
        ) from error
    rows, doubts = [], {}
    for formula_row, shown_row in zip(formulas.iter_rows(), shown.iter_rows(), strict=True):
        rows.append([_cell_text(*pair) for pair in zip(formula_row, shown_row, strict=True)])
        doubts |= {(cell.row, cell.column - 1): what for cell in shown_row if (what := _lost(cell))}
    width = max((index + 1 for row in rows for index, cell in enumerate(row) if cell), default=0)
    return [row[:width] for row in rows if width], doubts


def _cell_text(cell: Cell, shown: Cell) -> str:
    """Return what a cell says, as text.

    A formula counts as the value last computed; one that never was stands literally. A whole number in a format of
    zeros ("0000000") keeps the zeros it shows, and no whole number is written with an exponent or ".0".
    """
    value = cell.value if shown.value is None else shown.value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and set(cell.number_format) == {"0"}:
        return str(value).zfill(len(cell.number_format))
    return str(value).strip()


def _lost(cell: Cell) -> str:
    """Say why a cell's text is no longer what was typed; empty when it is."""
    advice = "format the column as Text and type it again"
    if cell.is_date:
        return f"the spreadsheet has made a date of it; {advice}"
    if isinstance(cell.value, int | float) and ("E" in cell.number_format or abs(cell.value) >= 1e15):
        return f"the spreadsheet has made a rounded number of it; {advice}"
    return ""
