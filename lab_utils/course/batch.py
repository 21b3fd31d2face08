"""A whole class: roster in; notebooks, reports, ``summary.csv`` and ``index.html`` out."""

import logging
from pathlib import Path

import nbformat

from lab_utils import files, mapping
from lab_utils.course.names import folder_name
from lab_utils.course.roster import read_roster
from lab_utils.course.student import Job, Result, lost, run_student
from lab_utils.course.summary import write_summary
from lab_utils.errors import explained
from lab_utils.progress import progress
from lab_utils.running.limits import Limits, shared_limits
from lab_utils.running.source import find_notebooks, read_notebook, without_answers

logger = logging.getLogger(__name__)


def run_class(
    roster: str | Path,
    out: str | Path,
    notebooks: str | Path = "notebooks",
    *,
    workers: int = 1,
    scheduler: str | None = None,
    parameters: dict[str, str] | None = None,
    minutes: float | None = None,
    fresh: bool = False,
) -> list[Result]:
    """Make the reports of a class; what is already done is not done again.

    Every student gets the notebooks without the answers, names and IDs that somebody may have written into them.

    Parameters
    ----------
    roster : str or Path
        CSV or XLSX, see ``roster.read_roster``.
    out : str or Path
        One folder per student is made in it, beside ``summary.csv`` and ``index.html``.
    notebooks : str or Path
        Folder of the lab's three notebooks.
    workers : int
        Students at a time on this machine; the cores are shared among them.
    scheduler : str, optional
        Address of a Dask scheduler to run on instead. ``out`` must be on a disk that all share.
    parameters : dict, optional
        Parameters of the whole class, as text; the roster's own columns take precedence.
    minutes : float, optional
        Wall-clock limit of one notebook; by default its profile's.
    fresh : bool
        Do everything again.

    Returns
    -------
    list of Result
        In the roster's order. One student's failure stops nobody.

    Raises
    ------
    LabError
        Before anything runs: a roster with problems, notebooks that cannot be read, no scheduler.
    """
    out = Path(out).expanduser().resolve()
    jobs = plan_class(roster, out, notebooks, parameters, shared_limits(workers, scheduler, minutes), fresh)
    out.mkdir(parents=True, exist_ok=True)
    results = {job.folder: Result(job.student_id, job.name, job.folder, "waiting") for job in jobs}
    done: set[Path] = set()
    bar = progress(len(jobs), "student", show=True)
    with bar, mapping.Map(workers=workers, scheduler=scheduler, on_lost=lost) as run_all:
        for job, result in run_all(run_student, jobs):
            results[job.folder] = result
            done.add(job.folder)
            bar.update()
            files.say_set_aside(result.set_aside)
            _note(list(results.values()), out, last=len(done) == len(jobs))
    return list(results.values())


def plan_class(
    roster: str | Path,
    out: Path,
    notebooks: str | Path,
    parameters: dict[str, str] | None,
    limits: Limits,
    fresh: bool = False,
) -> list[Job]:
    """The jobs of a class, in the roster's order, without running any of them; see `run_class`."""
    sources, answered = {}, 0
    for name, path in find_notebooks(notebooks).items():
        blank, found = without_answers(read_notebook(path))
        sources[name] = nbformat.writes(blank)
        answered += found
    if answered:
        logger.warning(
            "%d answers, names or IDs in '%s' are left out: every student starts from empty ones.", answered, notebooks
        )
    students = read_roster(roster, list(sources), parameters)
    for warning in students.warnings:
        logger.warning("%s", warning)
    folders = [out / folder_name(student.student_id) for student in students]
    return [
        Job(student.student_id, student.name, folder, sources, student.parameters, limits, fresh)
        for student, folder in zip(students, folders, strict=True)
    ]


def _note(results: list[Result], out: Path, last: bool) -> None:
    """Write the summary; a full disk in the middle of a batch stops nobody, at its end it is told."""
    try:
        files.say_set_aside(write_summary(results, out))
    except OSError as error:
        if last:
            raise explained(error) from error
        logger.warning("The summary could not be written: %s", error.strerror)
