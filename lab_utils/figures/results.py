"""Pictures of measurements: curves, bars, lines and matrices."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from lab_utils.figures.described import DescribedFigure, joined, subplots
from lab_utils.figures.style import BLACK, BLUE, GREY, HEAT, LINES, heading, legend_below, plain_logarithmic

if TYPE_CHECKING:  # TensorFlow takes two seconds to import, and a figure does not need it
    from lab_utils.training import Run


def training_curves(runs: Mapping[str, "Run"], title: str) -> DescribedFigure:
    """Loss and validation PSNR against digits seen, for one or more runs by name."""
    figure, (left, right) = subplots(1, 2, figsize=(9, 3.1))
    for (name, run), look in zip(runs.items(), LINES, strict=False):
        seen, loss = np.array(run.curve).T
        epochs = len(run.history["val_loss"])
        ends = seen[-1] / epochs * np.arange(1, epochs + 1)
        left.plot(seen, loss, color=look["color"], alpha=0.45, linewidth=1, label=f"{name}, training")
        left.plot(ends, run.history["val_loss"], **look, label=f"{name}, validation")
        right.plot(ends, run.history["val_psnr"], **look)
    left.set(xlabel="digits seen", ylabel="loss per pixel", yscale="log", title="Loss")
    right.set(xlabel="digits seen", ylabel="PSNR (dB)", title="Validation PSNR")
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.xaxis.set_major_locator(MaxNLocator(4))
    plain_logarithmic(left.yaxis)
    legend_below(figure, left)
    heading(figure, title)
    psnr = {name: run.history["val_psnr"] for name, run in runs.items()}
    said = joined(f"{name} {curve[0]:.1f} to {curve[-1]:.1f} dB" for name, curve in psnr.items())
    seen = max(run.curve[-1][0] for run in runs.values())
    return figure.described(
        title,
        alt=f"loss and validation PSNR over {seen:,} digits seen; PSNR after the first and the last epoch: {said}.",
        caption=f"one mark per epoch; PSNR after the first and the last: {said}.",
    )


def bars(
    table: pd.DataFrame,
    value: str,
    label: str,
    title: str,
    *,
    reference: str,
    fmt: str = "{:.1f}",
    smaller_is_better: bool = False,
) -> DescribedFigure:
    """Horizontal bars with intervals, best on top.

    Parameters
    ----------
    table : DataFrame
        Indexed by method; columns ``value``, and ``value + "_low"``, ``value + "_high"`` where an interval is known.
    value, label, title : str
        Column to draw, text of the axis with its unit, and title.
    reference : str
        Method drawn in grey: what the others must beat.
    fmt : str
        Format of the number at the end of a bar.
    smaller_is_better : bool
        Whether the smallest value is the best.
    """
    ordered = table.sort_values(value, ascending=not smaller_is_better)
    figure, axis = subplots(figsize=(7.5, 0.6 + 0.34 * len(ordered)))
    colours = [GREY if name == reference else BLUE for name in ordered.index]
    axis.barh(ordered.index, ordered[value], color=colours)
    if f"{value}_low" in ordered:
        spread = [ordered[value] - ordered[f"{value}_low"], ordered[f"{value}_high"] - ordered[value]]
        axis.errorbar(ordered[value], ordered.index, xerr=spread, fmt="none", ecolor=BLACK, capsize=2, linewidth=1)
    high = ordered.get(f"{value}_high", ordered[value])
    for position, (number, edge) in enumerate(zip(ordered[value], high, strict=True)):
        axis.annotate(fmt.format(number), (edge, position), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axis.set(xlabel=label, title=title)
    axis.margins(x=0.1)
    axis.grid(axis="y", visible=False)
    said = {name: fmt.format(number) for name, number in ordered[value][::-1].items()}
    best = next(iter(said))
    behind = f", {reference} (grey) at {said[reference]}" if best != reference else ""
    return figure.described(
        title,
        alt=f"{label}, best first: {joined(f'{name} {number}' for name, number in said.items())}.",
        caption=f"{best} is best at {said[best]}{behind}.",
    )


def lines(
    table: pd.DataFrame,
    x: str,
    panels: dict[str, str],
    by: str,
    *,
    xlabel: str,
    title: str,
    log_x: bool = True,
    over: str = "seeds",
) -> DescribedFigure:
    """One panel per measured column against ``x``, one line per value of ``by``; the band is the range over seeds.

    Parameters
    ----------
    table : DataFrame
        Tidy: one row per measurement.
    x, by : str
        Columns of the horizontal axis and of the lines.
    panels : dict of str to str
        Measured column to the text of its axis, with the unit.
    xlabel, title : str
    log_x : bool
        Logarithmic horizontal axis with a tick at every measured value.
    over : str
        What the rows of one point are: seeds, draws.
    """
    figure, axes = subplots(1, len(panels), figsize=(4.5 * len(panels), 3.2), squeeze=False)
    for axis, (column, label) in zip(axes[0], panels.items(), strict=True):
        for (name, group), look in zip(table.groupby(by, sort=False), LINES, strict=False):
            values = group.groupby(x)[column].agg(["mean", "min", "max"])
            axis.plot(values.index, values["mean"], **look, label=name)
            axis.fill_between(values.index, values["min"], values["max"], color=look["color"], alpha=0.18, linewidth=0)
        if log_x:
            ticks = sorted(table[x].unique())
            axis.set_xscale("log")
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
        axis.set(xlabel=xlabel, ylabel=label)
    legend_below(figure, axes[0][0])
    heading(figure, title)
    last = table[x].max()
    ends = table[table[x] == last].groupby(by, sort=False)[list(panels)].mean()
    said = [
        f"{label}: {joined(f'{name} {end:.3g}' for name, end in ends[column].items())}"
        for column, label in panels.items()
    ]
    return figure.described(
        title,
        alt=f"one line per {by}, at {xlabel} {last:,}: {'; '.join(said)}.",
        caption=f"lines are means and bands the range over {over}; at the right end, {said[0]}.",
    )


def heat_table(
    table: pd.DataFrame, label: str, title: str, xlabel: str, ylabel: str, fmt: str = "{:.1f}"
) -> DescribedFigure:
    """A matrix with its numbers written in: rows and columns are the table's."""
    values = table.to_numpy(dtype=float)
    figure, axis = subplots(figsize=(2.4 + 0.72 * values.shape[1], 1.3 + 0.42 * values.shape[0]))
    image = axis.imshow(values, cmap=HEAT, aspect="auto")
    middle = (values.min() + values.max()) / 2
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < middle else "black"
        axis.text(column, row, fmt.format(value), ha="center", va="center", color=colour, fontsize=9)
    axis.set_xticks(range(values.shape[1]), table.columns)
    axis.set_yticks(range(values.shape[0]), table.index)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axis.grid(False)
    figure.colorbar(image, label=label)
    best, worst = (np.unravel_index(place, values.shape) for place in (values.argmax(), values.argmin()))

    def said(place: tuple[int, int]) -> str:
        where = f"{ylabel} {table.index[place[0]]}, {xlabel} {table.columns[place[1]]}"
        return f"{fmt.format(values[place])} ({where})"

    return figure.described(
        title,
        alt=f"{len(table)} by {len(table.columns)} values, {label}, from {said(worst)} to {said(best)}.",
        caption=f"the brighter, the higher; highest is {said(best)}, lowest {said(worst)}.",
    )
