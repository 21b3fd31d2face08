"""One student's job: three notebooks, then the report; resumable, and in its place only when all of it is done.

Work happens in ``<out>/.work/<folder>``. Each finished notebook is noted there, so that a job that was killed goes on
where it was; the finished set is then moved, file by file, to ``<out>/<folder>`` with ``done.json`` last.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from lab_utils import report
from lab_utils.course.finished import (
    DONE,
    file_hash,
    files_are_proven,
    notebook_is_proven,
    notebook_key,
    package_hash,
    read_done,
    write_done,
)
from lab_utils.errors import LabError
from lab_utils.running import check
from lab_utils.running.limits import PROFILE_MINUTES, Limits
from lab_utils.running.processes import usable_memory
from lab_utils.running.runner import Outcome, run_notebook


@dataclass(frozen=True)
class Job:
    """One student.

    Attributes
    ----------
    student_id, name : str
    folder : Path
        Where the results go; absolute, and on a cluster the same for all workers.
    sources : dict
        Notebook name to the notebook to run, in order.
    parameters : dict
        Notebook name to its parameters.
    limits : Limits
    fresh : bool
        Run everything again, even what is proven to be done.
    code_appendix : bool
        Show the code at the end of the reports.
    """

    student_id: str
    name: str
    folder: Path
    sources: dict[str, Path]
    parameters: dict[str, dict[str, Any]]
    limits: Limits
    fresh: bool = False
    code_appendix: bool = True


@dataclass(frozen=True)
class Result:
    """What became of a job: one row of the summary.

    Attributes
    ----------
    status : str
        "complete", or what the first notebook that failed ended as (see ``Outcome``), or "no report", or "error".
    message : str
        Empty when complete.
    seconds : dict
        Notebook name to seconds of the run that made it.
    reused : bool
        Everything was proven to be done already.
    records : dict
        Notebook name to its record, as far as there are any.
    pages : int
        Of the PDF; 0 without one.
    unanswered : tuple of str
        Ids of questions without an answer.
    """

    student_id: str
    name: str
    folder: Path
    status: str
    message: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    reused: bool = False
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: int = 0
    unanswered: tuple[str, ...] = ()


def run_job(job: Job, on_progress: Callable[[str, int, int], None] | None = None) -> Result:
    """Bring one student's folder to completion.

    Parameters
    ----------
    job : Job
    on_progress : callable, optional
        Called with (notebook, running cell, number of cells).
    """
    work = job.folder.parent / ".work" / job.folder.name
    work.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{work}.lock"):
        _place(work, job.folder)
        package = package_hash()
        keys = {name: notebook_key(path, job.parameters[name], package) for name, path in job.sources.items()}
        if not job.fresh and _is_finished(job, keys):
            shutil.rmtree(work, ignore_errors=True)
            return _complete(job, reused=True)
        return _run(job, work, keys, on_progress)


def _run(job: Job, work: Path, keys: dict[str, str], on_progress: Callable[[str, int, int], None] | None) -> Result:
    if job.fresh:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
    for leftover in work.glob(".run-*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    for name in job.sources:
        told = (lambda cell, cells, name=name: on_progress(name, cell, cells)) if on_progress else None
        outcome = obtain(work, name, job, keys[name], told)
        if outcome.status != "complete":
            _show_failed(work, job.folder, name)
            return _result(job, outcome.status, f"{name}: {outcome.message}")
    try:
        made = report.build(work, code_appendix=job.code_appendix)
    except LabError as error:
        return _result(job, "no report", str(error))
    names = [*(f"{name}.ipynb" for name in job.sources), made.html.name, made.pdf.name]
    done = read_done(work)
    done["files"] = {name: file_hash(work / name) for name in names}
    done |= {"pages": made.pages, "unanswered": list(made.unanswered), "code_appendix": job.code_appendix}
    write_done(work, done)
    _place(work, job.folder)
    for name in job.sources:
        (job.folder / f"{name}.failed.ipynb").unlink(missing_ok=True)
    return _complete(job, reused=False)


def obtain(work: Path, name: str, job: Job, key: str, on_progress: Callable[[int, int], None] | None = None) -> Outcome:
    """Leave a proven ``<name>.ipynb`` in ``work``: the one there, the one in the final folder, or a new run's.

    Parameters
    ----------
    work : Path
        Folder that this process has to itself.
    name : str
        The notebook.
    job : Job
    key : str
        From ``notebook_key``.
    on_progress : callable, optional
        As in ``run_notebook``.
    """
    parameters = job.parameters[name]
    if notebook_is_proven(work, name, key, parameters):
        return Outcome("complete", 0.0)
    if not job.fresh and notebook_is_proven(job.folder, name, key, parameters):
        shutil.copyfile(job.folder / f"{name}.ipynb", work / f"{name}.ipynb")
        seconds = read_done(job.folder)["notebooks"][name]["seconds"]
        outcome = Outcome("complete", seconds)
    else:
        minutes = job.limits.minutes or PROFILE_MINUTES[parameters.get("profile", "quick")]
        outcome = run_notebook(
            job.sources[name],
            work / f"{name}.ipynb",
            parameters,
            notebook=name,
            seconds_limit=60 * minutes,
            threads=job.limits.threads,
            memory_limit=job.limits.memory or usable_memory(),
            on_progress=on_progress,
        )
    if outcome.status == "complete":
        done = read_done(work)
        digest = file_hash(work / f"{name}.ipynb")
        done["notebooks"][name] = {"key": key, "sha256": digest, "seconds": round(outcome.seconds, 1)}
        write_done(work, done)
    return outcome


def _place(work: Path, folder: Path) -> None:
    """Move a finished set to its final folder; does nothing for an unfinished one, and can be repeated."""
    files = read_done(work).get("files", {})
    if not files:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if (work / name).exists():
            os.replace(work / name, folder / name)
    os.replace(work / DONE, folder / DONE)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(exist_ok=True)


def _is_finished(job: Job, keys: dict[str, str]) -> bool:
    done = read_done(job.folder)
    if done.get("code_appendix") != job.code_appendix or not files_are_proven(job.folder, done["files"]):
        return False
    return all(notebook_is_proven(job.folder, name, keys[name], job.parameters[name]) for name in job.sources)


def _show_failed(work: Path, folder: Path, name: str) -> None:
    """Leave the notebook that failed, as far as it came, where a person finds it."""
    failed = f"{name}.failed.ipynb"
    if (work / failed).exists():
        folder.mkdir(parents=True, exist_ok=True)
        os.replace(work / failed, folder / failed)


def _complete(job: Job, *, reused: bool) -> Result:
    done = read_done(job.folder)
    return Result(
        job.student_id,
        job.name,
        job.folder,
        "complete",
        seconds={name: entry["seconds"] for name, entry in done["notebooks"].items()},
        reused=reused,
        records={name: read_record(job.folder / f"{name}.ipynb") for name in job.sources},
        pages=done["pages"],
        unanswered=tuple(done["unanswered"]),
    )


def read_record(path: Path) -> dict[str, Any]:
    """Return the record of a complete notebook as plain values."""
    return check.read_record(check.read(path)).model_dump(by_alias=True)


def _result(job: Job, status: str, message: str) -> Result:
    return Result(job.student_id, job.name, job.folder, status, message)
