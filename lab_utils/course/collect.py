"""What a class has handed in: matched to the roster, run again in isolation, compared, and told on one page.

What it finds is for a person to look at. It gives no marks and accuses nobody.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab_utils import __version__, files, mapping
from lab_utils.course import received, similar
from lab_utils.course.collected import Collected, Collection, Measured, write_collected
from lab_utils.course.names import folder_name
from lab_utils.course.overview import write_overview
from lab_utils.course.release import model_answers, questions
from lab_utils.course.reports import make_reports
from lab_utils.course.rerun import (
    Ran,
    Rerun,
    differences,
    effects_of,
    lost,
    parameters_of,
    run_again,
    to_run,
    without_bad,
)
from lab_utils.course.roster import Student, read_roster
from lab_utils.course.unpack import find_packages
from lab_utils.course.work import Work
from lab_utils.manual import ANSWER_PROMPT, QUESTIONS
from lab_utils.progress import progress
from lab_utils.report.answers import missing
from lab_utils.report.model import Answer, Note
from lab_utils.running.limits import shared_limits
from lab_utils.running.source import find_notebooks, read_notebook

LONGEST = 50_000  # characters of an answer that are kept for marking


def collect(
    folder: Path,
    roster: Path,
    out: Path,
    notebooks: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    minutes: float | None = None,
    own_cells: bool = False,
    part: str | None = None,
) -> list[Collected]:
    """Match, run again and compare what a class has handed in; what was run before is not run again.

    Parameters
    ----------
    folder : Path
        A folder or a ZIP archive, see ``unpack.find_packages``.
    roster : Path
    out : Path
        Gets ``collected.csv``, ``collected.json``, ``index.html``, and for each student a folder of run notebooks and
        their report (HTML).
    notebooks : Path
        Folder of the lab's notebooks.
    workers, scheduler, minutes
        As in ``batch.run_class``.
    own_cells : bool
        Run the students' own code instead of the lab's. It has no network where Linux gives that, but it runs as you.
    part : str, optional
        "pre-lab", "in-lab" or "post-lab": look at this one alone.

    Returns
    -------
    list of Collected
        The roster's students in its order, then what belongs to none of them.

    Raises
    ------
    LabError
        Before anything runs: a roster or notebooks that cannot be used, nothing to read.
    """
    labs = {name: read_notebook(path) for name, path in find_notebooks(notebooks).items()}
    listed = read_roster(roster, list(labs))
    students = {student.student_id: student.name for student in listed}
    seeds = _own_seeds(listed)
    cells = {name: lab.cells for name, lab in labs.items()}
    labs = {name: lab for name, lab in labs.items() if part in (None, name[3:].replace("_", "-"))}
    handed = (received.read_package(package, cells) for package in find_packages(folder))
    found, others = received.by_student(handed, students)
    asked = {id: text for lab in labs.values() for id, text in questions(lab).items()}
    models = {id: text for lab in labs.values() for id, text in model_answers(lab).items()}
    limits = shared_limits(workers, scheduler, minutes)
    rows, jobs, claimed = {}, [], {}
    for id, packages in found.items():
        sources, executed, notes = received.newest(packages, labs)
        row = rows[id] = _row(id, students[id], packages, sources, executed, notes, labs)
        if sources:
            claimed[id] = (sources, executed)
            wanted = {n: to_run(labs[n], work, own_cells) for n, work in sources.items()}
            given = {n: parameters_of(labs[n], executed.get(n, w), id, students[id]) for n, w in sources.items()}
            row.notes += without_bad(given) + _of_another(executed, id, seeds)
            jobs.append(Rerun(id, wanted, given, limits))
    out.mkdir(parents=True, exist_ok=True)
    bar = progress(len(jobs), "student", show=True)
    with bar, mapping.Map(workers=workers, scheduler=scheduler, on_lost=lost) as run_all:
        for job, ran in run_all(run_again, jobs):
            _compare(rows[job.student_id], ran, claimed[job.student_id][1])
            place = out / folder_name(job.student_id)
            files.say_set_aside(files.put(place / f"{n}.ipynb", told.encode()) for n, told in ran.notebooks.items())
            bar.update()
    _tell_alike(rows, {id: sources for id, (sources, _) in claimed.items()}, labs)
    extra = [Collected(each.student_id, "", status, str(each), notes=[why]) for each, status, why in others]
    for id, made in make_reports([row for row in rows.values() if row.answers], out, workers=workers).items():
        rows[id].notes += [f"no report could be made: {made.problem[:500]}"] if made.problem else []
    collection = Collection(asked, models, [*rows.values(), *extra])
    files.say_set_aside(write_collected(collection, out))
    files.say_set_aside([write_overview(collection, out)])
    return collection.rows


def _row(
    id: str,
    name: str,
    packages: list[received.Handed],
    sources: dict[str, Work],
    executed: dict[str, Work],
    notes: list[str],
    labs: Mapping[str, Any],
) -> Collected:
    """What reading alone tells of a student."""
    if not packages:
        return Collected(id, name, "missing")
    used = [p for p in packages if any(sources.get(n) is work for n, work in p.sources.items())]
    row = Collected(id, name, "complete", "; ".join(str(package) for package in used))
    written = {answer: text for work in sources.values() for answer, text in work.answers.items()}
    asked = [answer for lab in labs.values() for answer in questions(lab)]
    copied = [text for lab in labs.values() for text in (*questions(lab).values(), *model_answers(lab).values())]
    row.unanswered = [id for id in asked if missing(Answer(id, (Note(written.get(id, ""), id),)), copied)]
    row.asked, row.answered = len(asked), len(asked) - len(row.unanswered)
    row.answers = {id: written.get(id, "")[:LONGEST] for id in asked}
    row.effects = {id: numbers for work in executed.values() for id, numbers in effects_of(work.record).items()}
    row.facts = {
        f"{name}/{fact.id}": Measured(fact.claim, fact.measured, fact.unit, fact.verdict)
        for name, work in executed.items()
        for fact in work.facts.values()
    }
    both = [*executed.values(), *sources.values()]
    row.changes = {f"{work.name}/{key}": lines for work in both for key, lines in work.changes.items()}
    absent = [n for n in labs if n not in sources]
    not_run = [n for n in sources if n not in executed]
    older = [f"{w.name} ({w.record.version})" for w in executed.values() if w.record.version != __version__]
    edited = [f"{work.name} ({', '.join(work.edited)})" for work in executed.values() if work.edited]
    told = [
        (absent, "not handed in: "),
        (not_run, "handed in without having run to the end: "),
        (edited, "what it shows was changed after the run: "),
        (older, f"made by another version than this {__version__}: "),
    ]
    row.notes = notes + [text + ", ".join(what)[:300] for what, text in told if what]
    return row


def _own_seeds(students: Iterable[Student]) -> dict[str, str]:
    """Seeds, as text, that one student of the roster alone has, with their ID."""
    seeds = [(str(next(iter(student.parameters.values()))["seed"]), student.student_id) for student in students]
    count = Counter(seed for seed, _ in seeds)
    return {seed: id for seed, id in seeds if count[seed] == 1}


def _of_another(executed: Mapping[str, Work], id: str, seeds: Mapping[str, str]) -> list[str]:
    """Notebooks that ran with the seed that the roster gives to somebody else."""
    owners = {name: seeds.get(work.said("seed")) for name, work in executed.items()}
    return [f"{name} ran with the seed of {owner}" for name, owner in owners.items() if owner not in (None, id)]


def _compare(row: Collected, ran: Ran, executed: Mapping[str, Work]) -> None:
    row.offline, row.reused = ran.offline, ran.reused
    row.effects |= ran.effects
    for name, facts in ran.facts.items():
        for fact in facts.values() if name not in executed else ():
            row.facts[f"{name}/{fact.id}"] = Measured(fact.claim, fact.measured, fact.unit, fact.verdict)
    for name, status in ran.statuses.items():
        if status != "complete":
            row.status = status if row.status == "complete" else row.status
            row.notes.append(f"{name}, run again: {status}: {ran.messages[name][:300]}")
        elif name in executed and executed[name].record.data.get("checksum") != ran.digits[name]:
            row.notes.append(f"{name}: run again on other digits than the student's, so its numbers are not compared")
        elif name in executed:
            row.compared += len(executed[name].facts)
            row.numbers += [f"{name}/{line}" for line in differences(executed[name].facts, ran.facts[name])]


def _tell_alike(rows: dict[str, Collected], works: dict[str, dict[str, Work]], labs: Mapping[str, Any]) -> None:
    """Put each pair of alike answers into both students' rows."""
    written = {id: {a: text for work in own.values() for a, text in work.answers.items()} for id, own in works.items()}
    known = [text for lab in labs.values() for text in (*questions(lab).values(), *model_answers(lab).values())]
    for pair in similar.pairs(written, [*known, *QUESTIONS.values(), ANSWER_PROMPT]):
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            rows[one].alike.append(f"{pair.answer}: {pair.percent:.0f} % as {other}")
