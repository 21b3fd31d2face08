"""What was collected, for people: ``collected.csv`` and a page."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

from lab_utils.course.names import folder_name
from lab_utils.course.summary import Cell, csv_of, page_of
from lab_utils.files import put

HEADS = ("Student ID", "Name", "Status", "Answers", "Code", "Numbers", "Alike", "Look at", "Handed in", "Notebooks")
LONGEST = 20_000  # characters of a difference on the page


@dataclass
class Collected:
    """One line of ``collected.csv``.

    Attributes
    ----------
    status : str
        "complete"; "missing"; "foreign" or "refused" (a package of nobody in the roster, or that cannot be used); or
        how the first notebook ended that did not run again, such as "timeout".
    handed_in : str
        Where it was found, and when.
    answered, asked : int
    unanswered : list of str
    changes : dict
        Lines of a difference by "notebook/cell".
    numbers : list of str
        Facts that differ from those run again.
    alike : list of str
    notes : list of str
        Whatever else somebody should look at.
    compared : int
        Facts that were compared.
    """

    student_id: str
    name: str
    status: str
    handed_in: str = ""
    answered: int = 0
    asked: int = 0
    unanswered: list[str] = field(default_factory=list)
    changes: dict[str, list[str]] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    compared: int = 0
    offline: bool = False
    reused: bool = False

    @property
    def look_at(self) -> bool:
        """Whether there is anything that a person should see before marking."""
        return bool(self.changes or self.numbers or self.alike or self.notes or self.status != "complete")


def write_collected(rows: list[Collected], out: Path) -> list[Path | None]:
    """Write ``collected.csv`` and ``index.html`` into a folder; where files are found that a person had changed."""
    table = csv_of([_csv_row(row) for row in rows])
    students = sum(row.status not in ("foreign", "refused") for row in rows)
    missing = sum(row.status == "missing" for row in rows)
    told = f"{students} students, {missing} missing; {sum(row.look_at for row in rows)} lines to look at."
    page = page_of("Submissions", told, HEADS, [_page_row(row, out) for row in rows])
    return [put(out / "collected.csv", table), put(out / "index.html", page.encode())]


def code_of(row: Collected) -> str:
    """In words, whether the code is the lab's."""
    if not row.handed_in or row.status in ("foreign", "refused"):
        return ""
    return f"{len(row.changes)} changed" if row.changes else "unchanged"


def numbers_of(row: Collected) -> str:
    """In words, whether the facts are those of the run here."""
    if row.numbers:
        return f"{len(row.numbers)} differ"
    return f"{row.compared} agree" if row.compared else ""


def _csv_row(row: Collected) -> dict[str, object]:
    return {
        "student_id": row.student_id,
        "name": row.name,
        "status": row.status,
        "look_at": "yes" if row.look_at else "no",
        "answers": row.answered if row.asked else "",
        "answers_missing": ", ".join(row.unanswered),
        "code": code_of(row),
        "changed_cells": ", ".join(row.changes),
        "numbers": numbers_of(row),
        "different_numbers": "; ".join(row.numbers),
        "alike": "; ".join(row.alike),
        "notes": "; ".join(row.notes),
        "handed_in": row.handed_in,
        "run_without_network": ("yes" if row.offline else "no") if row.compared else "",
    }


def _page_row(row: Collected, out: Path) -> list[Cell]:
    changed = "\n".join(line for key, lines in row.changes.items() for line in [key, *lines])
    code = escape(code_of(row))
    if changed:
        code = f"<details><summary>{code}</summary><pre>{escape(changed[:LONGEST])}</pre></details>"
    folder = folder_name(row.student_id)
    made = sorted((out / folder).glob("*.ipynb")) if row.asked else []
    links = " ".join(f'<a href="{quote(folder)}/{quote(path.name)}">{escape(path.stem)}</a>' for path in made)
    missing = escape(", ".join(row.unanswered))
    return [
        ("", f"<bdi>{escape(row.student_id)}</bdi>"),
        ("", f"<bdi>{escape(row.name)}</bdi>"),
        ("" if row.status in ("complete", "missing") else 'class="failed"', escape(row.status)),
        (f'title="{missing}"', f"{row.answered} of {row.asked}" if row.asked else ""),
        ("", code),
        ('class="message"', escape("\n".join(row.numbers) or numbers_of(row))),
        ('class="message"', escape("\n".join(row.alike))),
        ('class="message"', escape("\n".join(row.notes))),
        ('class="message"', escape(row.handed_in)),
        ("", links),
    ]
