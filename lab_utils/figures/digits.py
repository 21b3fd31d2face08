"""Pictures of digits and of what an encoder makes of them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lab_utils.figures.style import DIGITS, DIVERGING, HEAT, frame_only, heading


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
    height = 0.86 * len(rows) + 0.3 * len(captions) + 0.4
    figure, axes = plt.subplots(len(rows), columns, figsize=(1.5 + 0.82 * columns, height), squeeze=False)
    for line, (label, digits) in zip(axes, rows.items(), strict=True):
        for column, (axis, digit) in enumerate(zip(line, digits, strict=True)):
            axis.imshow(digit, cmap=DIGITS, vmin=0, vmax=1)
            frame_only(axis)
            if label in captions:
                axis.set_xlabel(captions[label][column], fontsize=7.5, labelpad=2)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10, labelpad=6)
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
