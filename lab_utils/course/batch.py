"""A whole class: roster in; notebooks, reports, ``summary.csv`` and ``index.html`` out."""

from pathlib import Path

from lab_utils.course.executors import open_executor, run_all
from lab_utils.course.names import folder_name
from lab_utils.course.roster import read_roster
from lab_utils.course.student import Job, Result, run_job
from lab_utils.course.summary import write_summary
from lab_utils.errors import LabError
from lab_utils.running.limits import shared_limits
from lab_utils.settings import NOTEBOOKS


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
    """Make the reports of a class; what is already done and proven is not done again.

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
        Address of a Dask scheduler to run on instead. ``out`` and ``notebooks`` must be on a disk that all share.
    parameters : dict, optional
        Parameters of the whole class, as text; the roster's own columns beat them.
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
        Before anything runs: a roster with problems, notebooks that are not there, no scheduler.
    """
    out, sources = Path(out).resolve(), find_notebooks(notebooks)
    students = read_roster(roster, list(sources), parameters)
    limits = shared_limits(workers, scheduler, minutes)
    out.mkdir(parents=True, exist_ok=True)
    jobs = [
        Job(
            student.student_id,
            student.name,
            out / folder_name(student.student_id),
            sources,
            student.parameters,
            limits,
            fresh,
        )
        for student in students
    ]
    results = {job.folder: Result(job.student_id, job.name, job.folder, "waiting") for job in jobs}
    with open_executor(workers, scheduler) as executor:
        for job, result in run_all(executor, run_job, jobs, "student"):
            results[job.folder] = result
            write_summary(list(results.values()), out)
    return list(results.values())


def find_notebooks(folder: str | Path) -> dict[str, Path]:
    """Return the lab's notebooks in a folder by name, in their order.

    Raises
    ------
    LabError
        When one is not there.
    """
    sources = {name: Path(folder).resolve() / f"{name}.ipynb" for name in NOTEBOOKS}
    missing = [path.name for path in sources.values() if not path.is_file()]
    if missing:
        raise LabError(
            f"{', '.join(missing)} not found in {Path(folder).resolve()}.",
            "a folder with " + ", ".join(path.name for path in sources.values()),
            "Give it with --notebooks, or start from the repository's own folder.",
        )
    return sources
