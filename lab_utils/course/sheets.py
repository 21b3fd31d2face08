"""A CSV or XLSX file as rows of text, read in bounded time and memory.

What is large is refused before it is unpacked or parsed. Of a workbook only the cells that hold a value count: one
formatted cell in the last row of a sheet is nothing to read.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import defusedxml  # noqa: F401  (openpyxl parses with it where it is installed: no entities, no bombs of them)
from openpyxl import load_workbook
from openpyxl.cell.read_only import ReadOnlyCell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet._reader import WorkSheetParser

from lab_utils.errors import LabError
from lab_utils.places import existing_path

LARGEST_BYTES = 3_000_000
"""Bytes of the file, and of a workbook's parts unpacked: the worst XML of this size takes some 10 s to parse."""
MOST_ROWS = 5_000
MOST_COLUMNS = 1_000
LONGEST_CELL = 2_000
ALLOWED = f"a class list: at most {MOST_ROWS:,} rows, {MOST_COLUMNS:,} columns and {LONGEST_CELL:,} characters a cell"


@dataclass
class Sheet:
    """The rows that hold a value, by their number in the spreadsheet (the first is row 1).

    Attributes
    ----------
    rows : dict of int to list of str
        Cells without outer spaces; a row ends with its last value.
    dates, rounded : set of (row, column index)
        Cells whose number the spreadsheet shows as a date, or has rounded: not what was typed.
    """

    rows: dict[int, list[str]] = field(default_factory=dict)
    dates: set[tuple[int, int]] = field(default_factory=set)
    rounded: set[tuple[int, int]] = field(default_factory=set)


def read_sheet(path: Path) -> Sheet:
    """Read ``.csv`` (UTF-8 or UTF-16; comma, semicolon or tab) or the first sheet of ``.xlsx``.

    Raises
    ------
    LabError
        For a file that is not there, cannot be read, is of another kind or larger than any class list.
    """
    try:
        path = existing_path(path)
        raw = _content(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise LabError(
            f"The roster {_short(path)} cannot be read: {reason}.",
            "a .csv or .xlsx file",
            "Check the name and its permissions.",
        ) from error
    if path.suffix.lower() == ".xlsx":
        return _read_xlsx(path, raw)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, raw)
    raise LabError(f"{path.name} is neither .csv nor .xlsx.", "a .csv or .xlsx file", "Save it as one of these.")


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        raw = file.read(LARGEST_BYTES + 1)
    if len(raw) > LARGEST_BYTES:
        raise _too_large(path, f"is larger than {LARGEST_BYTES:,} bytes")
    return raw


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:60]}… ({len(text):,} characters)"


def _too_large(path: Path, what: str) -> LabError:
    return LabError(f"{path.name} {what}.", ALLOWED, "Keep the class list alone in the file, and save it again.")


def _kept(path: Path, number: int, cells: Iterable[tuple[int, str]]) -> list[str]:
    """Return a row from its values by column index, refusing what no class list has."""
    filled = [(index, text) for index, text in cells if text]
    width = max((index + 1 for index, _ in filled), default=0)
    if width and (number > MOST_ROWS or width > MOST_COLUMNS):
        raise _too_large(path, f"holds a value in cell {get_column_letter(min(width, 16_384))}{number}")
    row = [""] * width
    for index, text in filled:
        if len(text) > LONGEST_CELL:
            raise _too_large(path, f"holds {len(text):,} characters in cell {get_column_letter(index + 1)}{number}")
        row[index] = text
    return row


# CSV -------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, raw: bytes) -> Sheet:
    text = _decode(path, raw)
    first_line, _, rest = text.partition("\n")
    if named := re.fullmatch(r'"?sep=(.)"?\s*', first_line, re.IGNORECASE):  # Excel's own line: it is no row
        delimiter, text = named[1], rest
    else:
        delimiter = max(",;\t", key=first_line.count)
    sheet = Sheet()
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            if cells and (row := _kept(path, number, ((index, cell.strip()) for index, cell in enumerate(cells)))):
                sheet.rows[number] = row
    except csv.Error as error:
        raise LabError(
            f"{path.name} is not a well-formed CSV file: {error}.",
            'cells with commas, quotes or line breaks stand in "double quotes"',
            "Save it again from a spreadsheet, as CSV UTF-8 or as XLSX.",
        ) from error
    return sheet


def _decode(path: Path, raw: bytes) -> str:
    """Return a text file's content; UTF-16 without a mark shows by its zero bytes."""
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


# XLSX ------------------------------------------------------------------------------------------------------


def _read_xlsx(path: Path, raw: bytes) -> Sheet:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > LARGEST_BYTES:
            raise _too_large(path, f"unpacks to {unpacked:,} bytes")
        cells = _cells(path, raw, data_only=False)
        if any(cell.data_type == "f" for row in cells.values() for cell in row.values()):
            for number, computed in _cells(path, raw, data_only=True).items():
                cells[number] |= computed  # a formula that was never computed stands literally
        return _sheet(path, cells)
    except LabError:
        raise
    except Exception as error:  # openpyxl lets through whatever zipfile, XML and its own parsers raise
        raise LabError(
            f"{path.name} cannot be read as a workbook: {str(error)[:200] or type(error).__name__}.",
            "an .xlsx workbook",
            "Save it again.",
        ) from error


def _cells(path: Path, raw: bytes, data_only: bool) -> dict[int, dict[int, ReadOnlyCell]]:
    """Return the cells that hold a value (with `data_only`, a computed one) by row and column index.

    openpyxl's ``iter_rows`` makes a cell of every place up to the last formatted one, a million rows of them; its
    parser, which this calls as openpyxl does, yields the cells that stand in the file.
    """
    book = load_workbook(io.BytesIO(raw), read_only=True, data_only=data_only, keep_links=False)
    sheet = next(sheet for sheet in book.worksheets if isinstance(sheet, ReadOnlyWorksheet))
    rows: dict[int, dict[int, ReadOnlyCell]] = {}
    with sheet._get_source() as source:
        parser = WorkSheetParser(
            source,
            sheet._shared_strings,
            data_only=data_only,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for number, cells in parser.parse():
            filled = {cell["column"] - 1: ReadOnlyCell(sheet, **cell) for cell in cells if cell["value"] is not None}
            if _kept(path, number, ((index, "x") for index in filled)):
                rows.setdefault(number, {}).update(filled)
    return rows


def _sheet(path: Path, cells: dict[int, dict[int, ReadOnlyCell]]) -> Sheet:
    sheet = Sheet()
    for number in sorted(cells):
        if row := _kept(path, number, ((index, _text(cell)) for index, cell in cells[number].items())):
            sheet.rows[number] = row
        sheet.dates |= {(number, index) for index, cell in cells[number].items() if cell.is_date}
        sheet.rounded |= {(number, index) for index, cell in cells[number].items() if _is_rounded(cell)}
    return sheet


def _text(cell: ReadOnlyCell) -> str:
    """Return what a cell says: no whole number with an exponent or ".0", and the zeros that a format "0000" shows."""
    value: Any = cell.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and set(cell.number_format) == {"0"}:
        return str(value).zfill(min(len(cell.number_format), LONGEST_CELL))
    return str(getattr(value, "text", value)).strip()  # an array formula has a text


def _is_rounded(cell: ReadOnlyCell) -> bool:
    return isinstance(cell.value, int | float) and ("E" in cell.number_format or abs(cell.value) >= 1e15)
