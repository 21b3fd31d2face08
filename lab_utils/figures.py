"""Every picture of the lab. A function takes arrays or tables and returns the Matplotlib figure it drew.

Colours are Okabe and Ito's, which readers with any colour vision tell apart.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#000000",
)
MARKERS = "osD^vPX*"
DIGITS, HEAT, DIVERGING = "gray_r", "viridis", "RdBu_r"


def use_style() -> None:
    """Set the lab's style for this kernel: 220 dots per inch in the notebook, so that print is sharp."""
    set_matplotlib_formats("retina")
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "font.size": 10,
            "image.interpolation": "nearest",
        }
    )


def digit_rows(
    rows: dict[str, np.ndarray], captions: dict[str, Sequence[str]] | None = None, title: str = ""
) -> Figure:
    """Digits side by side: one labelled row per entry.

    Parameters
    ----------
    rows : dict of str to ndarray, shape (n, 28, 28), in [0, 1]
        Row label to digits; every row has the same n.
    captions : dict of str to sequence of str, optional
        Text under each digit of a row.
    title : str
    """
    captions = captions or {}
    columns = len(next(iter(rows.values())))
    heights = [1.28 if label in captions else 1.0 for label in rows]
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(1.5 + 0.82 * columns, 0.85 * sum(heights) + (0.4 if title else 0)),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for line, (label, digits) in zip(axes, rows.items(), strict=True):
        for column, (axis, digit) in enumerate(zip(line, digits, strict=True)):
            axis.imshow(digit, cmap=DIGITS, vmin=0, vmax=1)
            _bare(axis)
            if label in captions:
                axis.set_xlabel(captions[label][column], fontsize=7.5, labelpad=2)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10, labelpad=6)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def _bare(axis: plt.Axes) -> None:
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for side in axis.spines.values():
        side.set(visible=True, color="#BBBBBB", linewidth=0.5)


def training_curves(runs: dict[str, object], title: str) -> Figure:
    """Loss and validation PSNR against digits seen, for one or more runs by name (``training.Run``)."""
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
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def bars(table: pd.DataFrame, value: str, label: str, title: str, reference: str | None = None) -> Figure:
    """Horizontal bars with intervals, best on top.

    Parameters
    ----------
    table : DataFrame
        Indexed by method; columns ``value``, and ``value + "_low"``, ``value + "_high"`` where an interval is known.
    value, label, title : str
        Column to draw, text of the axis with its unit, and title.
    reference : str, optional
        Method drawn in grey: what the others must beat.
    """
    ordered = table.sort_values(value)
    figure, axis = plt.subplots(figsize=(7.5, 0.6 + 0.34 * len(ordered)))
    colours = ["#AAAAAA" if name == reference else BLUE for name in ordered.index]
    axis.barh(ordered.index, ordered[value], color=colours)
    if f"{value}_low" in ordered:
        spread = [ordered[value] - ordered[f"{value}_low"], ordered[f"{value}_high"] - ordered[value]]
        axis.errorbar(ordered[value], ordered.index, xerr=spread, fmt="none", ecolor=BLACK, capsize=2, linewidth=1)
    high = ordered.get(f"{value}_high", ordered[value])
    for position, (number, edge) in enumerate(zip(ordered[value], high, strict=True)):
        axis.annotate(f"{number:.3g}", (edge, position), (4, 0), textcoords="offset points", va="center", fontsize=8)
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
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def strips(codes: np.ndarray, title: str) -> Figure:
    """Ten codes as the manual draws them: each reshaped to 16 rows, here 16x392; codes is (n >= 10, 6272)."""
    figure, axes = plt.subplots(10, 1, figsize=(9, 5))
    for axis, code in zip(axes, codes, strict=False):
        axis.imshow(code.reshape(16, -1), cmap=HEAT, aspect="auto")
        axis.axis("off")
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def feature_maps(digit: np.ndarray, maps: np.ndarray, title: str, columns: int = 12) -> Figure:
    """One digit, (28, 28), and the maps it switches on most, strongest first.

    Parameters
    ----------
    digit : ndarray, shape (28, 28)
    maps : ndarray, shape (height, width, channels)
        Activations of the code; the ``2 * columns`` channels with the largest mean are drawn on one scale.
    title : str
    columns : int
    """
    strongest = np.argsort(maps.mean(axis=(0, 1)))[::-1][: 2 * columns]
    figure = plt.figure(figsize=(10.5, 2.3))
    grid = figure.add_gridspec(2, columns + 2)
    axis = figure.add_subplot(grid[:, :2])
    axis.imshow(digit, cmap=DIGITS, vmin=0, vmax=1)
    axis.set_xlabel("input", fontsize=9)
    _bare(axis)
    for place, channel in enumerate(strongest):
        axis = figure.add_subplot(grid[place // columns, 2 + place % columns])
        axis.imshow(maps[..., channel], cmap=HEAT, vmin=0, vmax=maps.max())
        axis.set_title(f"{channel}", fontsize=7, fontweight="normal", pad=2)
        _bare(axis)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def class_means(codes: np.ndarray, labels: np.ndarray, title: str) -> Figure:
    """Mean activation of every unit for every class, standardised per unit: codes (n, units), labels (n,)."""
    scaled = (codes - codes.mean(axis=0)) / (codes.std(axis=0) + 1e-9)
    means = np.array([scaled[labels == digit].mean(axis=0) for digit in range(10)])
    limit = np.abs(means).max()
    figure, axis = plt.subplots(figsize=(9, 3.2))
    image = axis.imshow(means, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axis.set(xlabel="unit of the code", ylabel="digit", yticks=range(10), title=title)
    axis.grid(False)
    figure.colorbar(image, label="standard deviations from the unit's mean", shrink=0.95)
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


def map_2d(points: np.ndarray, labels: np.ndarray, title: str) -> Figure:
    """Codes on a plane, (n, 2), each drawn as its own label so that colour is not needed to read it."""
    figure, axis = plt.subplots(figsize=(6.4, 5.4))
    palette = plt.get_cmap("tab10")
    for digit in range(10):
        here = points[labels == digit]
        axis.scatter(*here.T, s=26, color=palette(digit), marker=f"${digit}$", linewidths=0.3)
    axis.set(xticks=[], yticks=[], title=title)
    axis.grid(False)
    return figure
