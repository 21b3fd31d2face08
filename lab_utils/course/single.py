"""One notebook, or one report, for one person: the same runs as those of a class."""

from collections.abc import Callable
from pathlib import Path

from lab_utils.course.batch import find_notebooks
from lab_utils.course.student import Job, Result, run_job
from lab_utils.errors import LabError
from lab_utils.running.limits import PROFILE_MINUTES, shared_limits
from lab_utils.running.parameters import checked, for_series
from lab_utils.running.runner import Outcome, run_notebook
from lab_utils.text import refuse_uncovered

Progress = Callable[[str, int, int], None]


def run_one(
    source: Path,
    output: Path,
    parameters: dict[str, str],
    minutes: float | None = None,
    on_progress: Progress | None = None,
) -> Outcome:
    """Run one of the lab's notebooks with all of this machine.

    Parameters
    ----------
    source, output : Path
    parameters : dict
        As text.
    minutes : float, optional
        Wall-clock limit; by default its profile's.
    on_progress : callable, optional
        Called with (notebook, running cell, number of cells).

    Raises
    ------
    LabError
        Before anything runs: no such notebook, an unknown parameter, a bad value.
    """
    if not source.is_file():
        raise LabError(f"There is no notebook {source}.", "a notebook of the lab", "Check the name.")
    values = checked(source.stem, parameters)
    limits = shared_limits(1, None, minutes)
    return run_notebook(
        source,
        output,
        values,
        seconds_limit=60 * (minutes or PROFILE_MINUTES[values.get("profile", "quick")]),
        threads=limits.threads,
        memory_limit=limits.memory,
        on_progress=(lambda cell, cells: on_progress(source.stem, cell, cells)) if on_progress else None,
    )


def make_report(
    out: Path,
    notebooks: Path,
    parameters: dict[str, str],
    *,
    minutes: float | None = None,
    fresh: bool = True,
    code_appendix: bool = True,
    on_progress: Progress | None = None,
) -> Result:
    """Run the three notebooks and make the report in ``out``.

    Parameters
    ----------
    out : Path
        Only the lab's own files in it are replaced.
    notebooks : Path
        Folder of the three notebooks.
    parameters : dict
        As text; each goes to every notebook that has it.
    minutes : float, optional
        Wall-clock limit of one notebook; by default its profile's.
    fresh : bool
        Run all of them, even those whose inputs have not changed.
    code_appendix : bool
        Show the code at the end of the report.
    on_progress : callable, optional
        Called with (notebook, running cell, number of cells).

    Raises
    ------
    LabError
        Before anything runs: a notebook that is not there, an unknown parameter, a bad value, a character that
        the report cannot print.
    """
    sources = find_notebooks(notebooks)
    series = for_series(list(sources), parameters)
    refuse_uncovered((f"parameter {name}", text) for name, text in parameters.items())
    identity = [parameters.get(name, "") for name in ("student_id", "student_name")]
    job = Job(*identity, out.resolve(), sources, series, shared_limits(1, None, minutes), fresh, code_appendix)
    return run_job(job, on_progress)
