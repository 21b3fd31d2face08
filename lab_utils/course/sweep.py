"""One notebook over a grid of parameters; the facts of all runs in one tidy table."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import nbformat

from lab_utils import files, mapping
from lab_utils.course.names import folder_name
from lab_utils.course.student import Job, Result, held, lost, obtain, record_of
from lab_utils.course.summary import csv_of
from lab_utils.errors import LabError, explained
from lab_utils.progress import progress
from lab_utils.running.limits import shared_limits
from lab_utils.running.parameters import checked
from lab_utils.running.source import read_notebook


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
    source, out = Path(notebook).expanduser().resolve(), Path(out).expanduser().resolve()
    told = nbformat.writes(read_notebook(source))
    limits = shared_limits(workers, scheduler, minutes)
    jobs = []
    for texts in product(*grid.values()):
        varied = dict(zip(grid, texts, strict=True))
        values = checked(source.stem, (parameters or {}) | varied)
        label = " ".join(f"{name} {text}" for name, text in varied.items())
        jobs.append(Job("", label, out / folder_name(label), {source.stem: told}, {source.stem: values}, limits))
    out.mkdir(parents=True, exist_ok=True)
    results = {}
    bar = progress(len(jobs), "run", show=True)
    with bar, mapping.Map(workers=workers, scheduler=scheduler, on_lost=lost) as run_all:
        for job, result in run_all(run_point, jobs):
            results[job.folder] = result
            bar.update()
            files.say_set_aside(result.set_aside)
    rows = [row for job in jobs for row in _rows(job, list(grid), results[job.folder])]
    files.say_set_aside([files.put(out / "facts.csv", csv_of(rows))])
    return [results[job.folder] for job in jobs]


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


def run_point(job: Job, _: Any = None) -> Result:
    """Run the one notebook of a job in the job's folder."""
    (notebook,) = job.sources
    try:
        with held(job.folder):
            outcome, aside = obtain(job, notebook)
    except LabError as error:
        return Result("", job.name, job.folder, "error", str(error))
    except OSError as error:
        return Result("", job.name, job.folder, "error", str(explained(error)))
    set_aside = (aside,) if aside else ()
    if outcome.status != "complete":
        return Result("", job.name, job.folder, outcome.status, outcome.message, set_aside=set_aside)
    records, seconds = {notebook: record_of(outcome.notebook)}, {notebook: outcome.seconds}
    return Result("", job.name, job.folder, "complete", "", seconds, outcome.reused, records, set_aside=set_aside)


def _rows(job: Job, varied: list[str], result: Result) -> list[dict[str, object]]:
    """Rows of ``facts.csv``; a run that failed has one row, without a fact."""
    (notebook,) = job.sources
    point = {name: job.parameters[notebook][name] for name in varied}
    point |= {"status": result.status, "message": result.message, "folder": job.folder.name}
    facts = result.records[notebook]["facts"] if result.records else [{}]
    return [point | fact for fact in facts]
