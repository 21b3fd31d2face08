"""``make bench``, or ``python -m bench`` in the folder ``tests``."""

from pathlib import Path

import click

from bench import main as measure


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--smoke", is_flag=True, help="A few steps of everything in under 2 minutes; the numbers mean nothing.")
@click.option("--out", type=click.Path(path_type=Path), default="reports/bench", show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True, help="Of the manual's program.")
@click.option("--repeats", type=click.IntRange(1), default=1, show_default=True, help="Medians over so many rounds.")
@click.option("--series/--no-series", default=True, help="Also make the lab report twice: trained, and from the cache.")
def bench(smoke: bool, out: Path, epochs: int, repeats: int, series: bool) -> None:
    """Measure the manual's program and the lab's models side by side (about 25 minutes on two cores).

    \b
    python -m bench --smoke
    python -m bench --repeats 3 --no-series
    """
    measure(smoke, out, epochs=epochs, repeats=repeats, series=series and not smoke)
    click.echo(f"\n{out / 'bench.json'}\n{out / 'bench.png'}")


if __name__ == "__main__":
    bench()
