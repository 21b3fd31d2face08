"""A student's notebooks run again: on whose cells, with which parameters, and whether the same numbers come out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import nbformat

from lab_utils import settings
from lab_utils.course.work import Work
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.running import isolation
from lab_utils.running.check import FactRow, Record, read_record
from lab_utils.running.execution import declared
from lab_utils.running.limits import Limits
from lab_utils.running.runner import run_notebook
from lab_utils.running.source import without_answers

TOLERANCE = 0.05
"""How far, relative to the larger of the two, a fact may be from the same fact run again."""
SLACK = {"points": 3.0, "%": 3.0, "dB": 0.1}
"""What a fact may be off in any case, by its unit. Measured between float32 and bfloat16 on one machine, the largest
difference that a CPU makes: pre-lab none; in-lab up to 0.02 dB and 0.8 points (8 % of 10.6); post-lab up to 0.5 %."""
NOT_FROM_STUDENTS = {"student_id", "student_name", "storage", "workers", "data_source"}
"""Parameters that the roster knows, or that name files or the load of this machine."""


@dataclass(frozen=True)
class Rerun:
    """What is to be run again for one student: notebooks (JSON) and parameters by name."""

    student_id: str
    notebooks: dict[str, str]
    parameters: dict[str, dict[str, Any]]
    limits: Limits


@dataclass(frozen=True)
class Ran:
    """What came of it: statuses, messages, facts, digits, executed notebooks (JSON) by name; effects by id."""

    statuses: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, FactRow]] = field(default_factory=dict)
    digits: dict[str, Any] = field(default_factory=dict)
    notebooks: dict[str, str] = field(default_factory=dict)
    effects: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    offline: bool = False
    reused: bool = False


def to_run(lab: nbformat.NotebookNode, work: Work, own_cells: bool) -> str:
    """The student's notebook, or the lab's with the student's answers in it; without outputs."""
    made = work.notebook if own_cells else without_answers(lab)[0]
    made = nbformat.reads(nbformat.writes(made), as_version=4)
    made.cells = [cell for cell in made.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        elif not own_cells and "answer" in cell.metadata.get("tags", []):
            id = cell.metadata["answer"]
            cell.source = work.answers.get(id) or ANSWER_PROMPT
            cell |= {"attachments": work.attachments[id]} if id in work.attachments else {}
    return nbformat.writes(made)


def parameters_of(lab: nbformat.NotebookNode, work: Work, id: str, name: str) -> dict[str, Any]:
    """The student's parameters, as far as the lab's notebook has them, with the roster's name and ID.

    A notebook that did not run says None where the profile decides.
    """
    known, own = declared(lab), {key: value for key, value in work.values.items() if value is not None}
    own = {key: value for key, value in own.items() if key in known and key not in NOT_FROM_STUDENTS}
    who = {key: value for key, value in (("student_id", id), ("student_name", name)) if key in known}
    digits = (
        {"data_source": "embedded"} if work.record and work.record.data.get("subset") and "data_source" in known else {}
    )
    return own | who | digits


def without_bad(given: dict[str, dict[str, Any]]) -> list[str]:
    """Sentences on parameters that are not allowed; those are left out, so that the notebook runs with the lab's."""
    told = []
    for notebook, values in given.items():
        for name, wrong in settings.problems(notebook, values).items():
            if values.pop(name, None) is not None:
                told.append(f"{notebook}: {name} is not allowed ({wrong.what[:200]}); run again with the lab's")
    return told


def run_again(job: Rerun, _: Any = None) -> Ran:
    """Run one student's notebooks, each in a process of its own; the first that does not complete ends it."""
    limits = replace(job.limits, offline=isolation.possible())
    ran, reused = Ran(offline=limits.offline), True
    for name, text in job.notebooks.items():
        outcome = run_notebook(nbformat.reads(text, as_version=4), name, job.parameters[name], limits)
        ran.statuses[name], ran.messages[name] = outcome.status, outcome.message
        reused = reused and outcome.reused
        if outcome.status == "complete":
            record = read_record(outcome.notebook)
            ran.facts[name] = {fact.id: fact for fact in record.facts}
            ran.digits[name] = record.data.get("checksum")
            ran.effects.update(effects_of(record))
            ran.notebooks[name] = nbformat.writes(outcome.notebook)
    return replace(ran, reused=reused)


def effects_of(record: Record) -> dict[str, tuple[float, float, float]]:
    """Effects of a record's hypotheses with their intervals, by id; those without a number are left out."""
    found = {row.id: (row.effect, row.low, row.high) for row in record.hypotheses}
    return {id: numbers for id, numbers in found.items() if all(n is not None and math.isfinite(n) for n in numbers)}


def differences(claimed: Mapping[str, FactRow], again: Mapping[str, FactRow]) -> list[str]:
    """Facts that are not the same, within `TOLERANCE` and `SLACK`, as when they were measured again."""
    told = []
    for id in dict.fromkeys([*claimed, *again]):
        before, now = (facts[id].measured if id in facts else None for facts in (claimed, again))
        if not _agree(before, now, SLACK.get(again[id].unit, 0) if id in again else 0):
            told.append(f"{id}: handed in {_number(before)}, run again {_number(now)}")
    return told


def _agree(a: float | None, b: float | None, slack: float) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=slack) or (math.isnan(a) and math.isnan(b))


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


def lost(job: Rerun, why: str) -> Ran:
    """What came of a job whose process was killed."""
    return Ran(dict.fromkeys(job.notebooks, "died"), dict.fromkeys(job.notebooks, why))
