"""Pictures of measurements: curves, bars, lines and matrices."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from lab_utils.figures.style import BLACK, BLUE, COLOURS, HEAT, MARKERS, heading

if TYPE_CHECKING:  # TensorFlow takes two seconds to import, and a figure does not need it
    from lab_utils.training import Run


def training_curves(runs: Mapping[str, "Run"], title: str) -> Figure:
    """Loss and validation PSNR against digits seen, for one or more runs by name."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.1))
    for (name, run), colour in zip(runs.items(), COLOURS, strict=False):
        seen, loss = np.array(run.curve).T
        epochs = len(run.history["val_loss"])
        ends = seen[-1] / epochs * np.arange(1, epochs + 1)
        left.plot(seen, loss, color=colour, alpha=0.45, linewidth=1, label=f"{name}, training")
        left.plot(ends, run.history["val_loss"], "o-", color=colour, label=f"{name}, validation")
        right.plot(ends, run.history["val_psnr"], "o-", color=colour, label=name)
    left.set(xlabel="digits seen", ylabel="loss per pixel", yscale="log", title="Loss")
    right.set(xlabel="digits seen", ylabel="PSNR (dB)", title="Validation PSNR")
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    heading(figure, title)
    return figure


def quality_against_time(runs: Mapping[str, "Run"], title: str) -> Figure:
    """Validation PSNR (dB) at the end of every epoch against seconds of training, for runs by name."""
    figure, axis = plt.subplots(figsize=(7.5, 3.3))
    for (name, run), colour, marker in zip(runs.items(), COLOURS, MARKERS, strict=False):
        psnr = run.history["val_psnr"]
        seconds = run.seconds / len(psnr) * np.arange(1, len(psnr) + 1)
        axis.plot(seconds, psnr, marker=marker, color=colour, label=name)
    axis.set(xlabel="seconds of training", ylabel="validation PSNR (dB)", xscale="log", title=title)
    axis.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("{x:g}")
    axis.legend(fontsize=8)
    return figure


def bars(
    table: pd.DataFrame,
    value: str,
    label: str,
    title: str,
    *,
    reference: str,
    fmt: str = "{:.1f}",
    smaller_is_better: bool = False,
) -> Figure:
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
    figure, axis = plt.subplots(figsize=(7.5, 0.6 + 0.34 * len(ordered)))
    colours = ["#AAAAAA" if name == reference else BLUE for name in ordered.index]
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
    return figure


def lines(
    table: pd.DataFrame,
    x: str,
    panels: dict[str, str],
    by: str,
    *,
    xlabel: str,
    title: str,
    log_x: bool = True,
) -> Figure:
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
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 3.2), squeeze=False)
    for axis, (column, label) in zip(axes[0], panels.items(), strict=True):
        for (name, group), colour, marker in zip(table.groupby(by, sort=False), COLOURS, MARKERS, strict=False):
            values = group.groupby(x)[column].agg(["mean", "min", "max"])
            axis.plot(values.index, values["mean"], marker=marker, color=colour, label=name)
            axis.fill_between(values.index, values["min"], values["max"], color=colour, alpha=0.18, linewidth=0)
        if log_x:
            ticks = sorted(table[x].unique())
            axis.set_xscale("log")
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
        axis.set(xlabel=xlabel, ylabel=label)
    axes[0][0].legend(fontsize=8)
    heading(figure, title)
    return figure


def heat_table(table: pd.DataFrame, label: str, title: str, xlabel: str, ylabel: str, fmt: str = "{:.1f}") -> Figure:
    """A matrix with its numbers written in: rows and columns are the table's."""
    values = table.to_numpy(dtype=float)
    figure, axis = plt.subplots(figsize=(2.4 + 0.72 * values.shape[1], 1.3 + 0.42 * values.shape[0]))
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
    return figure
