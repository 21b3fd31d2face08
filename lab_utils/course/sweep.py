"""One notebook over a grid of parameters; the facts of all runs in one tidy table."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

from filelock import FileLock

from lab_utils.course.executors import open_executor, run_all
from lab_utils.course.finished import notebook_is_proven, notebook_key, package_hash, read_done
from lab_utils.course.names import folder_name
from lab_utils.course.student import Job, Result, obtain, read_record
from lab_utils.course.summary import write_csv
from lab_utils.errors import LabError
from lab_utils.running.limits import shared_limits
from lab_utils.running.parameters import checked


def run_sweep(
    notebook: str | Path,
    grid: dict[str, list[str]],
    out: str | Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    parameters: dict[str, str] | None = None,
    minutes: float | None = None,
) -> list[Result]:
    """Run a notebook at every point of a grid and write ``facts.csv``: one row per point and fact.

    Parameters
    ----------
    notebook : str or Path
        One of the lab's notebooks.
    grid : dict
        Parameter name to its values, as text: ``{"noise_level": ["0.1", "0.3"], "seed": ["1", "2"]}``.
    out : str or Path
        Each point's notebook goes to a folder in it; a point that is there and proven is not run again.
    workers, scheduler, minutes
        As in ``run_class``.
    parameters : dict, optional
        Values, as text, that all points share.

    Returns
    -------
    list of Result
        In the order of the grid, the last name varying fastest.

    Raises
    ------
    LabError
        Before anything runs: an unknown notebook or parameter, a bad value.
    """
    source, out = Path(notebook).resolve(), Path(out).resolve()
    if not source.is_file():
        raise LabError(f"There is no notebook {source}.", "a notebook of the lab", "Check the name.")
    limits = shared_limits(workers, scheduler, minutes)
    jobs = {}
    for texts in product(*grid.values()):
        varied = dict(zip(grid, texts, strict=True))
        values = checked(source.stem, (parameters or {}) | varied)
        label = " ".join(f"{name} {text}" for name, text in varied.items())
        folder = out / folder_name(label)
        jobs[folder] = Job("", label, folder, {source.stem: source}, {source.stem: values}, limits)
    out.mkdir(parents=True, exist_ok=True)
    results = {}
    with open_executor(workers, scheduler) as executor:
        for job, result in run_all(executor, run_point, list(jobs.values()), "run"):
            results[job.folder] = result
    rows = [row for folder, job in jobs.items() for row in _rows(job, list(grid), results[folder])]
    write_csv(out / "facts.csv", rows)
    return [results[folder] for folder in jobs]


def parse_grid(texts: Iterable[str]) -> dict[str, list[str]]:
    """Read ``NAME=V1,V2`` of a command line.

    Raises
    ------
    LabError
        For a text of another form, or a name given twice.
    """
    grid: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name or not values or name in grid:
            raise LabError(f"-g {text!r} is no line of a grid.", "NAME=V1,V2,V3, each name once", "Correct it.")
        grid[name] = values.split(",")
    return grid


def run_point(job: Job) -> Result:
    """Run the one notebook of a job in the job's folder."""
    (notebook,) = job.sources
    parameters = job.parameters[notebook]
    job.folder.mkdir(exist_ok=True)
    with FileLock(job.folder.with_name(f".{job.folder.name}.lock")):
        key = notebook_key(job.sources[notebook], parameters, package_hash())
        reused = notebook_is_proven(job.folder, notebook, key, parameters)
        outcome = obtain(job.folder, notebook, job, key)
        if outcome.status != "complete":
            return Result("", job.name, job.folder, outcome.status, outcome.message)
        seconds = {notebook: read_done(job.folder)["notebooks"][notebook]["seconds"]}
        record = read_record(job.folder / f"{notebook}.ipynb")
    return Result("", job.name, job.folder, "complete", "", seconds, reused, {notebook: record})


def _rows(job: Job, varied: list[str], result: Result) -> list[dict[str, object]]:
    """Rows of ``facts.csv``; a run that failed has one row, without a fact."""
    (notebook,) = job.sources
    point = {name: job.parameters[notebook][name] for name in varied}
    point |= {"status": result.status, "message": result.message, "folder": job.folder.name}
    facts = result.records[notebook]["facts"] if result.records else [{}]
    return [point | fact for fact in facts]
