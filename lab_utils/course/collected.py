"""What was collected: ``collected.csv`` for a spreadsheet, ``collected.json`` for marking, feedback and the page."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lab_utils.course.summary import csv_of
from lab_utils.errors import LabError
from lab_utils.files import put

NAME = "collected.json"


@dataclass(frozen=True)
class Measured:
    """A fact of a student's run, as it is told."""

    claim: str
    measured: float | None
    unit: str
    verdict: str


Effect = tuple[float, float, float]
"""Effect of a hypothesis, and its 95 % interval, in the unit of its threshold."""


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
    answers : dict
        Text by the answer's id.
    facts : dict
        What the student's run measured, by "notebook/fact": as handed in, else as run again.
    effects : dict
        By the hypothesis' id: as run again, else as handed in. Those without a number are left out.
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
    answers: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Measured] = field(default_factory=dict)
    effects: dict[str, Effect] = field(default_factory=dict)

    @property
    def listed(self) -> bool:
        """Whether it is a student of the roster."""
        return self.status not in ("foreign", "refused")

    @property
    def look_at(self) -> bool:
        """Whether there is anything that a person should see before marking."""
        return bool(self.changes or self.numbers or self.alike or self.notes or self.status != "complete")


@dataclass(frozen=True)
class Collection:
    """What a class has handed in.

    Attributes
    ----------
    questions : dict
        Text by the answer's id, in the notebooks' order: what is to be marked.
    models : dict
        Model answers, as far as there are any.
    rows : list of Collected
    """

    questions: dict[str, str]
    models: dict[str, str]
    rows: list[Collected]

    @property
    def students(self) -> dict[str, Collected]:
        """The roster's students by ID, in its order."""
        return {row.student_id: row for row in self.rows if row.listed}


FORMAT = TypeAdapter(Collection)


def write_collected(collection: Collection, out: Path) -> list[Path | None]:
    """Write ``collected.csv`` and ``collected.json``; where files are found that a person had changed."""
    table = csv_of([_csv_row(row) for row in collection.rows])
    return [put(out / "collected.csv", table), put(out / NAME, FORMAT.dump_json(collection))]


def read_collected(folder: Path) -> Collection:
    """What ``dae-lab collect`` has written into a folder.

    Raises
    ------
    LabError
        It has not, or somebody has changed it so that it cannot be read.
    """
    path = folder / NAME
    try:
        return FORMAT.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise LabError(
            f"'{str(path)[:200]}' cannot be read: {why}.",
            "the folder into which `dae-lab collect` has written",
            "Collect the submissions first, and name its --out.",
        ) from error


def code_of(row: Collected) -> str:
    """In words, whether the code is the lab's."""
    if not row.handed_in or not row.listed:
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
