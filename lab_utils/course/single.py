"""One notebook, or one report, for one person: the same runs as those of a class."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from lab_utils import files, machine
from lab_utils.course.student import Job, Progress, Result, run_student
from lab_utils.errors import LabError
from lab_utils.running.limits import shared_limits
from lab_utils.running.parameters import checked, for_series
from lab_utils.running.runner import Outcome, run_notebook
from lab_utils.running.source import find_notebooks, read_notebook
from lab_utils.text import refuse_uncovered


def run_one(
    source: Path,
    output: Path,
    parameters: dict[str, str],
    minutes: float | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Outcome, Path | None]:
    """Run one of the lab's notebooks with all of this machine, every cell of it.

    Parameters
    ----------
    source, output : Path
        A notebook that does not complete is left beside ``output`` as ``<name>.failed.ipynb``.
    parameters : dict
        As text.
    minutes : float, optional
        Wall-clock limit; by default its profile's.
    on_progress : callable, optional
        Called with (notebook, running cell, number of cells).

    Returns
    -------
    Outcome, Path or None
        And where a file is now found that somebody else had put there.

    Raises
    ------
    LabError
        Before anything runs: no such notebook, an unknown parameter, a bad value, an output that is a folder.
    OSError
        Before anything runs: a place that cannot be written.
    """
    notebook = read_notebook(source)
    told = (lambda cell, cells: on_progress(source.stem, cell, cells)) if on_progress else None
    values = checked(source.stem, parameters)
    _try_to_write(output)
    outcome = run_notebook(notebook, source.stem, values, shared_limits(1, None, minutes), on_progress=told)
    aside = None
    if outcome.notebook is not None:
        place = output if outcome.status == "complete" else output.with_name(f"{output.stem}.failed.ipynb")
        aside = files.put(place, nbformat.writes(outcome.notebook).encode())
    return outcome, aside


def _try_to_write(output: Path) -> None:
    """Refuse, before anything runs, a place where nothing can be written."""
    if output.is_dir():
        raise LabError(f"{output} is a folder.", "the name of a notebook's file", "Add a name, such as result.ipynb.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output.parent):
        pass


def make_report(
    out: Path,
    notebooks: Path,
    parameters: dict[str, str],
    *,
    minutes: float | None = None,
    fresh: bool = False,
    part: str | None = None,
    options: dict[str, Any] | None = None,
    on_progress: Progress | None = None,
) -> Result:
    """Run the notebooks, side by side, and make the report in ``out``; what has not changed is not run again.

    Parameters
    ----------
    out : Path
        A file in it that a person has changed is set aside, never replaced.
    notebooks : Path
        Folder of the three notebooks.
    parameters : dict
        As text; each goes to every notebook that has it.
    minutes : float, optional
        Wall-clock limit of one notebook; by default its profile's.
    fresh : bool
        Run all of them, and train everything, again.
    part : str, optional
        "pre-lab", "in-lab" or "post-lab": run and report this one alone.
    options : dict, optional
        Of ``report.build``: its ``length``, ``code_appendix``, ``docx``.
    on_progress : callable, optional
        Called with (notebook, running cell, number of cells).

    Raises
    ------
    LabError
        Before anything runs: a notebook that cannot be read, an unknown parameter, a bad value, a character that
        the report cannot print.
    """
    wanted = {
        name: path for name, path in find_notebooks(notebooks).items() if part in (None, name[3:].replace("_", "-"))
    }
    sources = {name: nbformat.writes(read_notebook(path)) for name, path in wanted.items()}
    series = for_series(list(sources), parameters)
    refuse_uncovered((f"parameter {name}", text) for name, text in parameters.items())
    identity = [parameters.get(name, "") for name in ("student_id", "student_name")]
    at_once = min(len(sources), machine.cores())
    limits = replace(shared_limits(1, None, minutes), threads=max(1, machine.cores() // at_once))
    place, pictures = out.expanduser().resolve(), Path(notebooks).resolve()
    job = Job(*identity, place, sources, series, limits, fresh, options or {}, pictures, at_once)
    return run_student(job, on_progress=on_progress)
