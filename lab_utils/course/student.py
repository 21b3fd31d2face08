"""One student: three notebooks, then the report. What is done is not done again."""

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from filelock import FileLock, Timeout

from lab_utils import cache, files, report
from lab_utils.course.names import folder_name
from lab_utils.errors import LabError, explained
from lab_utils.running import check
from lab_utils.running.limits import Limits
from lab_utils.running.runner import Outcome, run_notebook
from lab_utils.settings import SERIES

LOCK = ".dae-lab.lock"
LOCK_SECONDS = 10.0

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """One student.

    Attributes
    ----------
    student_id, name : str
    folder : Path
        Where the results go; absolute, and on a cluster the same for all workers.
    sources : dict
        Notebook name to the notebook to run (its JSON), in order.
    parameters : dict
        Notebook name to its parameters.
    limits : Limits
    fresh : bool
        Do everything again.
    options : dict
        Of ``report.build``: its ``length``, ``code_appendix``, ``docx``.
    pictures : Path, optional
        Where the pictures lie that an answer names: the folder of the notebooks.
    at_once : int
        Notebooks that run side by side, each within ``limits``.
    """

    student_id: str
    name: str
    folder: Path
    sources: dict[str, str]
    parameters: dict[str, dict[str, Any]]
    limits: Limits
    fresh: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    pictures: Path | None = None
    at_once: int = 1


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
        Everything was done already.
    records : dict
        Notebook name to its record, as far as there are any.
    pages : int
        Of the PDF; 0 without one.
    unanswered : tuple of str
        Ids of questions without an answer.
    notes : tuple of str
        What of the notebooks the report does not print, or prints as it was typed.
    files : tuple of str
        Names of the report's files.
    set_aside : tuple of Path
        Where files are now found that a person had put or changed in the folder of results.
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
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    set_aside: tuple[Path, ...] = ()


def run_student(job: Job, _: Any = None, on_progress: Progress | None = None) -> Result:
    """Bring one student's folder to completion; whatever goes wrong is the result's, and stops nobody else.

    Parameters
    ----------
    job : Job
    on_progress : callable, optional
        Called with (notebook, running cell, number of cells).
    """
    try:
        with held(job.folder):
            return _run(job, on_progress)
    except LabError as error:
        return Result(job.student_id, job.name, job.folder, "error", str(error))
    except OSError as error:
        return Result(job.student_id, job.name, job.folder, "error", str(explained(error)))


def lost(job: Job, why: str) -> Result:
    """The result of a job whose process was killed."""
    return Result(job.student_id, job.name, job.folder, "died", why)


@contextmanager
def held(folder: Path):
    """Keep other processes out of a folder of results for so long.

    Raises
    ------
    LabError
        Another process is at work in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files.sweep(folder)
    lock = FileLock(folder / LOCK, timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise LabError(
            f"Another process is at work in '{folder}'.", "one command at a time in a folder", "Wait for it, or end it."
        ) from None
    except NotImplementedError:  # a file system without locks
        pass
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def _run(job: Job, on_progress: Progress | None) -> Result:
    aside: list[Path | None] = []
    outcomes = _outcomes(job, on_progress, aside)
    for name, outcome in outcomes.items():
        if outcome.status != "complete":
            message = f"{name}: {outcome.message}"
            return Result(job.student_id, job.name, job.folder, outcome.status, message, set_aside=_kept(aside))
    try:
        told, made, built = _report(job, outcomes)
    except LabError as error:
        return Result(job.student_id, job.name, job.folder, "no report", str(error), set_aside=_kept(aside))
    aside += [files.put(job.folder / name, content) for name, content in made.items()]
    return Result(
        job.student_id,
        job.name,
        job.folder,
        "complete",
        seconds={name: outcome.seconds for name, outcome in outcomes.items()},
        reused=not built and all(outcome.reused for outcome in outcomes.values()),
        records={name: record_of(outcome.notebook) for name, outcome in outcomes.items()},
        pages=told["pages"],
        unanswered=tuple(told["unanswered"]),
        notes=tuple(told["notes"]),
        files=tuple(told["files"]),
        set_aside=_kept(aside),
    )


def _kept(aside: list[Path | None]) -> tuple[Path, ...]:
    return tuple(path for path in aside if path)


class _Stopped(Exception):
    """Another notebook has failed, or the person who waits has had enough."""


def _outcomes(job: Job, on_progress: Progress | None, aside: list[Path | None]) -> dict[str, Outcome]:
    """Execute the notebooks of a job; one that does not complete, or Ctrl-C, ends the others within a moment."""
    stop = threading.Event()

    def execute(name: str) -> Outcome:
        def told(cell: int, cells: int) -> None:
            if stop.is_set():
                raise _Stopped
            if on_progress:
                on_progress(name, cell, cells)

        if stop.is_set():
            raise _Stopped
        return _executed(job, name, told)

    longest_first = sorted(job.sources, reverse=job.at_once > 1)
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(job.at_once) as threads:
        waiting = {threads.submit(execute, name): name for name in longest_first}
        try:
            for ended in as_completed(waiting):
                name = waiting[ended]
                outcomes[name] = ended.result()
                aside.append(_put(job, name, outcomes[name]))
                if outcomes[name].status != "complete":
                    break
        finally:
            stop.set()
    return {name: outcomes[name] for name in job.sources if name in outcomes}


def obtain(job: Job, name: str) -> tuple[Outcome, Path | None]:
    """Execute one notebook of a job, unless that was done, and put it into the job's folder.

    Returns
    -------
    Outcome, Path or None
        And where a file is now found that a person had changed, and that was set aside.
    """
    outcome = _executed(job, name)
    return outcome, _put(job, name, outcome)


def _executed(job: Job, name: str, on_progress: Callable[[int, int], None] | None = None) -> Outcome:
    source, earlier = nbformat.reads(job.sources[name], as_version=4), job.folder / f"{name}.ipynb"
    how = {"earlier": earlier, "fresh": job.fresh, "on_progress": on_progress}
    return run_notebook(source, name, job.parameters[name], job.limits, **how)


def _put(job: Job, name: str, outcome: Outcome) -> Path | None:
    """Put an executed notebook into the job's folder; where a file is now found that a person had changed."""
    place, failed = job.folder / f"{name}.ipynb", job.folder / f"{name}.failed.ipynb"
    complete, aside = outcome.status == "complete", None
    if outcome.notebook is not None:
        aside = files.put(place if complete else failed, nbformat.writes(outcome.notebook).encode())
    if complete and failed.exists() and files.is_ours(failed):
        failed.unlink()
    return aside


def _report(job: Job, outcomes: dict[str, Outcome]) -> tuple[dict[str, Any], dict[str, bytes], bool]:
    """What is told of the report, its files by name, and whether it was built now: then there are files."""
    told = [nbformat.writes(outcome.notebook) for outcome in outcomes.values()]
    name = report_name(job, outcomes)
    key = cache.key("lab_utils.report", [told, name, job.options, str(job.pictures), report.templates()])
    kept = cache.get(key) if cache.enabled() and not job.fresh else None
    if kept and all(_holds(job.folder / name, digest) for name, digest in kept["files"].items()):
        return kept, {}, False
    with files.scratch() as scratch:
        for notebook, content in zip(outcomes, told, strict=True):
            (scratch / f"{notebook}.ipynb").write_text(content, encoding="utf-8")
        try:
            built = report.build(scratch, name=name, parts=outcomes, sources=job.pictures, **job.options)
        except LabError:
            for page in scratch.glob("*.html"):  # the PDF failed; the page is there to be handed in
                files.put(job.folder / page.name, page.read_bytes())
            raise
        made = {path.name: path.read_bytes() for path in (built.html, built.pdf, built.docx) if path}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    kept = {"pages": built.pages, "unanswered": built.unanswered, "notes": built.notes, "files": digests}
    if cache.enabled():
        cache.put(key, kept)
    return kept, made, True


def report_name(job: Job, outcomes: dict[str, Outcome]) -> str:
    """Name of a report's files: ID, experiment and, if it is of one part, that part; "lab_report" without an ID."""
    settings = next(check.read_record(outcome.notebook).settings for outcome in outcomes.values())
    part = "" if len(outcomes) == len(SERIES) else next(iter(outcomes))[3:].replace("_", "-")
    student = str(settings.get("student_id") or job.student_id)
    if not student:
        return f"{part}_report" if part else "lab_report"
    number = settings.get("experiment_number")
    experiment = f"exp{number:02d}" if isinstance(number, int) else "exp"
    return "_".join(filter(None, [folder_name(student), experiment, part, "report"]))


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and files.digest(path) == digest


def record_of(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """The record of a complete notebook as plain values."""
    return json.loads(check.read_record(notebook).model_dump_json(by_alias=True))
