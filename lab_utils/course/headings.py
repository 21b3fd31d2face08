"""What the columns of a class list are, in the words of the lab, of Moodle and of Canvas.

Moodle's grade export has "First name", "Last name" ("Surname" before version 3.11), "ID number" and a column per
grade. Canvas' gradebook has "Student" ("last, first"), "ID" (its own number), "SIS User ID" (the university's),
"SIS Login ID" and a column per assignment; its rows "Manual Posting" and "Points Possible" are no students, nor is
"Student, Test".
"""

from dataclasses import dataclass

IDS = ("student_id", "sis_user_id", "id_number", "sis_login_id", "id")
NAMES = ("name", "student_name", "full_name", "student")
FIRST_NAMES = ("first_name", "given_name")
LAST_NAMES = ("last_name", "surname", "family_name")
EXPORTED = {"sis_user_id", "sis_login_id", "id_number", "last_downloaded_from_this_course", "root_account"}
"""A list with such a heading was exported: it has columns, such as grades, that the lab has no use for."""


@dataclass(frozen=True)
class Layout:
    """Where things stand in a class list.

    Attributes
    ----------
    columns : list of str
        By position: "student_id", "name", "first_name", "last_name", a parameter; "" for a column without use;
        for an unknown one, its heading in small letters.
    exported : bool
        Whether a learning platform wrote the list: unknown columns are then no mistake.
    """

    columns: list[str]
    exported: bool

    def cells(self, row: list[str]) -> dict[str, str]:
        """Return a row's cells by column, blank where the row ends early; names in their usual order and spacing."""
        cells = {name: text for name, text in zip(self.columns, row + [""] * len(self.columns), strict=False) if name}
        if "first_name" in cells and "last_name" in cells:
            cells["name"] = f"{cells.pop('first_name')} {cells.pop('last_name')}"
        last, comma, first = cells.get("name", "").partition(", ")
        if self.exported and comma and "," not in first:
            cells["name"] = f"{first} {last}"
        if "name" in cells:
            cells["name"] = " ".join(cells["name"].split())
        return cells

    def is_student(self, row: list[str]) -> bool:
        """Return whether a row of the list is a student's, not one of the platform's own."""
        if not self.exported:
            return any(row)
        cells = self.cells(row)
        student_id, name = cells.get("student_id", ""), cells.get("name", "")
        return bool(student_id or name) and name not in ("Points Possible", "Test Student")


def layout(header: list[str], body: list[list[str]]) -> Layout:
    """Recognise the columns of a class list by their headings.

    Of several columns with IDs the first of ``IDS`` that holds any is taken.
    """
    columns = ["_".join(cell.lower().replace("-", " ").replace("_", " ").split()) for cell in header]
    both = any(name in columns for name in FIRST_NAMES) and any(name in columns for name in LAST_NAMES)
    exported = bool(EXPORTED.intersection(columns)) or both
    filled = {name for row in body for name, text in zip(columns, row, strict=False) if text}
    there = [name for name in IDS if name in columns]
    _take(columns, "student_id", [name for name in there if name in filled] or there)
    _take(columns, "name", [name for name in NAMES if name in columns])
    if "name" not in columns and both:
        _take(columns, "first_name", [name for name in FIRST_NAMES if name in columns])
        _take(columns, "last_name", [name for name in LAST_NAMES if name in columns])
    return Layout(columns, exported)


def _take(columns: list[str], name: str, candidates: list[str]) -> None:
    """Give the columns of the first candidate their name; the other candidates are of no use."""
    for candidate in candidates[:1]:
        columns[:] = [name if column == candidate else column for column in columns]
    columns[:] = ["" if column in candidates[1:] else column for column in columns]
