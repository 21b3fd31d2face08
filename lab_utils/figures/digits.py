"""Pictures of digits and of what an encoder makes of them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lab_utils.figures.style import DIGITS, DIVERGING, FRAME, HEAT, frame_only, heading

DIGIT_INCHES = 0.78
PITCH, CAPTION_LINE = 1.06, 0.18
"""From one digit to the next, and the height of a line of its caption, in widths of a digit."""


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
    figure, axis = plt.subplots()
    top = 0.0
    for label, digits in rows.items():
        axis.text(-0.12, top + 0.5, label, ha="right", va="center", fontsize=10)
        for left, digit in zip(PITCH * np.arange(columns), digits, strict=True):
            axis.imshow(digit, cmap=DIGITS, vmin=0, vmax=1, extent=(left, left + 1, top + 1, top))
            axis.add_patch(Rectangle((left, top), 1, 1, fill=False, edgecolor=FRAME, linewidth=0.5))
        for left, text in zip(PITCH * np.arange(columns), captions.get(label, ()), strict=False):
            axis.text(left + 0.5, top + 1.05, text, ha="center", va="top", fontsize=7.5)
        top += PITCH + CAPTION_LINE * max((text.count("\n") + 1 for text in captions.get(label, ())), default=0)
    axis.set(xlim=(0, PITCH * columns), ylim=(top, 0), aspect="equal")
    axis.axis("off")
    figure.set_size_inches(1.3 + DIGIT_INCHES * PITCH * columns, 0.4 + DIGIT_INCHES * top)
    heading(figure, title)
    return figure


def strips(codes: np.ndarray, title: str) -> Figure:
    """Ten codes as the manual draws them: each reshaped to 16 rows, here 16x392; codes is (n >= 10, 6272)."""
    figure, axes = plt.subplots(10, 1, figsize=(9, 5))
    for axis, code in zip(axes, codes, strict=False):
        axis.imshow(code.reshape(16, -1), cmap=HEAT, aspect="auto")
        axis.axis("off")
    heading(figure, title)
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
    frame_only(axis)
    for place, channel in enumerate(strongest):
        axis = figure.add_subplot(grid[place // columns, 2 + place % columns])
        axis.imshow(maps[..., channel], cmap=HEAT, vmin=0, vmax=maps.max())
        axis.set_title(f"{channel}", fontsize=7, fontweight="normal", pad=2)
        frame_only(axis)
    heading(figure, title)
    return figure


def class_means(codes: np.ndarray, labels: np.ndarray, units: Sequence[int], title: str) -> Figure:
    """Mean activation of some units for every class, standardised per unit: codes (n, all units), labels (n,)."""
    codes = codes[:, units]
    scaled = (codes - codes.mean(axis=0)) / (codes.std(axis=0) + 1e-9)
    means = np.array([scaled[labels == digit].mean(axis=0) for digit in range(10)])
    limit = np.abs(means).max()
    figure, axis = plt.subplots(figsize=(9, 3.2))
    image = axis.imshow(means, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axis.set(xlabel="unit", ylabel="digit", yticks=range(10), title=title)
    axis.set_xticks(range(len(units)), units, fontsize=7)
    axis.grid(False)
    figure.colorbar(image, label="standard deviations\nfrom the unit's mean")
    return figure


def map_2d(points: np.ndarray, labels: np.ndarray, title: str) -> Figure:
    """Codes on a plane, (n, 2), each drawn as its own label so that colour is not needed to read it."""
    figure, axis = plt.subplots(figsize=(6.4, 5.4))
    palette = plt.get_cmap("tab10")
    for digit in range(10):
        here = points[labels == digit]
        axis.scatter(*here.T, s=26, color=palette(digit), marker=f"${digit}$", linewidths=0.3)
    axis.set(title=title)
    axis.axis("off")
    return figure
