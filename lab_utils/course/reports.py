"""The reports of what a class has handed in: as HTML for who marks, and with the marks for the students."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils import files, mapping
from lab_utils.course.collected import Collected
from lab_utils.course.names import folder_name
from lab_utils.errors import LabError, explained
from lab_utils.progress import progress
from lab_utils.report import build, page
from lab_utils.report.model import PARTS, Evaluation

PAGE = "report.html"


@dataclass(frozen=True)
class Wanted:
    """A student's report that is to be made: of which folder and, with marks, into which other one, under a name."""

    student_id: str
    folder: Path
    evaluation: Evaluation | None = None
    out: Path | None = None
    name: str = ""


@dataclass(frozen=True)
class Made:
    """What came of it: names of files, why there are none, and where changed files are now found."""

    files: tuple[str, ...] = ()
    problem: str = ""
    set_aside: tuple[Path, ...] = ()


def make_reports(rows: Iterable[Collected], out: Path, *, workers: int) -> dict[str, Made]:
    """Write ``report.html`` into each student's folder, unless it is no older than the notebooks there."""
    places = [(row.student_id, out / folder_name(row.student_id)) for row in rows]
    return make_all([Wanted(id, place) for id, place in places if _is_due(place)], workers=workers)


def make_all(jobs: list[Wanted], *, workers: int) -> dict[str, Made]:
    """Make reports in processes of this machine, which has their files; by student ID, in any order."""
    made: dict[str, Made] = {}
    if not jobs:
        return made
    bar = progress(len(jobs), "report", show=len(jobs) > 1)
    with bar, mapping.Map(workers=min(workers, len(jobs)), on_lost=_lost) as run_all:
        for job, result in run_all(_make, jobs):
            made[job.student_id] = result
            files.say_set_aside(result.set_aside)
            bar.update()
    return made


def notebooks_in(folder: Path) -> list[str]:
    """Names of the lab's notebooks that are in a student's folder."""
    return [name for name in PARTS if (folder / f"{name}.ipynb").is_file()]


def _is_due(folder: Path) -> bool:
    changed = [(folder / f"{name}.ipynb").stat().st_mtime_ns for name in notebooks_in(folder)]
    made = folder / PAGE
    return bool(changed) and not (made.exists() and made.stat().st_mtime_ns >= max(changed))


def _make(job: Wanted, _: Any = None) -> Made:
    try:
        content = _printed(job) if job.evaluation else {PAGE: page(job.folder, parts=notebooks_in(job.folder)).encode()}
        aside = [files.put((job.out or job.folder) / name, text) for name, text in content.items()]
    except LabError as error:
        return Made(problem=str(error))
    except OSError as error:
        return Made(problem=str(explained(error)))
    return Made(tuple(content), set_aside=tuple(filter(None, aside)))


def _printed(job: Wanted) -> dict[str, bytes]:
    """HTML and PDF with the marks; of a report that cannot be printed, the HTML."""
    names = notebooks_in(job.folder)
    with files.scratch() as scratch:
        for name in names:
            (scratch / f"{name}.ipynb").write_bytes((job.folder / f"{name}.ipynb").read_bytes())
        build(scratch, name=job.name, parts=names, evaluation=job.evaluation)
        return {f"{job.name}.{kind}": (scratch / f"{job.name}.{kind}").read_bytes() for kind in ("html", "pdf")}


def _lost(job: Wanted, why: str) -> Made:
    return Made(problem=why)
