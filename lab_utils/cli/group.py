"""The command itself, and what its verbs share: options, and how they end."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from lab_utils import __version__
from lab_utils.errors import LabError, explained
from lab_utils.lean import skip_format_checkers

skip_format_checkers()


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


def default_notebooks() -> Path:
    """The current folder or its ``notebooks``, if they hold the notebooks, else those of this package's repository."""
    return notebooks_here() or Path(__file__).resolve().parents[2] / "notebooks"


def notebooks_here() -> Path | None:
    """The current folder or its ``notebooks``, if they hold the notebooks."""
    from lab_utils.settings import SERIES

    folders = (Path(), Path("notebooks"))
    return next((here for here in folders if all((here / f"{name}.ipynb").is_file() for name in SERIES)), None)


def finish(results: list[tuple[str, Any]], files: list[Path]) -> None:
    """Say what became of each job; the exit code says whether all are complete."""
    failed = [(label, result) for label, result in results if result.status != "complete"]
    reused = sum(result.reused for _, result in results)
    click.echo(f"{len(results) - len(failed)} of {len(results)} complete ({reused} of them were done before).")
    for label, result in failed:
        click.echo(f"  {label!r}: {result.status}: {result.message}", err=True)
    for file in files:
        click.echo(file)
    raise SystemExit(1 if failed else 0)


def fail(message: str) -> None:
    """Say why a run did not complete and end with exit code 1."""
    click.echo(f"Error: {message}", err=True)
    raise SystemExit(1)


def duration(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:2d} s"
