"""Pictures of digits and of what an encoder makes of them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from lab_utils import metrics
from lab_utils.figures.described import DescribedFigure, joined, subplots
from lab_utils.figures.style import DIGITS, FRAME, HEAT, frame_only, heading

DIGIT_INCHES = 0.78
PITCH, CAPTION_LINE = 1.06, 0.18
"""From one digit to the next, and the height of a line of its caption, in widths of a digit."""


def digit_rows(
    rows: dict[str, np.ndarray],
    captions: dict[str, Sequence[str]] | None = None,
    title: str = "",
    *,
    clean: str = "clean",
    places: Sequence[int] | None = None,
) -> DescribedFigure:
    """Digits side by side: one labelled row per entry.

    Parameters
    ----------
    rows : dict of str to ndarray, shape (n, 28, 28), in [0, 1]
        Row label to digits; every row has the same n.
    captions : dict of str to sequence of str, optional
        Text under each digit of a row.
    title : str
    clean : str
        Label of the row, if there is one, that the description compares the others with.
    places : sequence of int, optional
        Which of the digits, and of their captions, to draw; by default all.
    """
    captions = captions or {}
    if places is not None:
        rows = {label: digits[places] for label, digits in rows.items()}
        captions = {label: [texts[place] for place in places] for label, texts in captions.items()}
    columns = len(next(iter(rows.values())))
    figure, axis = subplots()
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
    floats = {" ".join(label.split()): np.asarray(digits, dtype=float) for label, digits in rows.items()}
    told = _against_clean(floats, clean) if clean in floats and len(floats) > 1 else _spread(floats)
    alt = f"{len(rows)} rows of {columns} digits. {told['alt']}"
    return figure.described(title or "Digits", alt=alt, caption=told["caption"])


def _against_clean(rows: dict[str, np.ndarray], clean: str) -> dict[str, str]:
    quality = {label: metrics.psnr(rows[clean], digits).mean() for label, digits in rows.items() if label != clean}
    said = joined(f"{label} {value:.1f} dB" for label, value in quality.items())
    best = max(quality, key=quality.get)
    see = f"of {joined(quality)}, {best} comes closest" if len(quality) > 1 else f"compare {best}"
    return {
        "alt": f"Mean PSNR of these digits against the row {clean}: {said}.",
        "caption": f"{see} to the row {clean} ({quality[best]:.1f} dB).",
    }


def _spread(rows: dict[str, np.ndarray]) -> dict[str, str]:
    spread = {label: digits.std(axis=0).mean() for label, digits in rows.items()}
    said = joined(f"{label} {value:.3f}" for label, value in spread.items())
    most = max(spread, key=spread.get)
    return {
        "alt": f"How much a pixel varies within a row (standard deviation, pixels from 0 to 1): {said}.",
        "caption": f"read each row from left to right; {most} varies most (standard deviation {spread[most]:.3f}).",
    }


def feature_maps(digit: np.ndarray, maps: np.ndarray, title: str, columns: int = 12) -> DescribedFigure:
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
    figure = plt.figure(figsize=(10.5, 2.3), FigureClass=DescribedFigure, layout="constrained")
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
    means, silent = maps.mean(axis=(0, 1)), np.mean(maps.max(axis=(0, 1)) <= 0)
    first = strongest[0]
    return figure.described(
        title,
        alt=f"the digit, and its {len(strongest)} strongest maps of {maps.shape[-1]}; the strongest, channel {first}, "
        f"has a mean activation of {means[first]:.3g}; {100 * silent:.0f} % of the channels are silent.",
        caption=f"each map is bright where on the digit one channel responds; channel {first} responds most.",
    )


def class_means(codes: np.ndarray, labels: np.ndarray, title: str, count: int = 32) -> DescribedFigure:
    """Mean activation of the most selective units for every class, standardised per unit.

    Parameters
    ----------
    codes : ndarray, shape (n, units)
    labels : ndarray, shape (n,), int
    title : str
    count : int
        Units to draw: those whose class means differ most, in standard deviations of the unit.
    """
    means = np.array([codes[labels == digit].mean(axis=0) for digit in range(10)])
    units = np.argsort(means.std(axis=0) / (codes.std(axis=0) + 1e-9))[::-1][:count]
    codes = codes[:, units]
    scaled = (codes - codes.mean(axis=0)) / (codes.std(axis=0) + 1e-9)
    means = np.array([scaled[labels == digit].mean(axis=0) for digit in range(10)])
    figure, axis = subplots(figsize=(9, 3.2))
    image = axis.imshow(means, cmap=HEAT, aspect="auto")
    axis.set(xlabel="unit", ylabel="digit", yticks=range(10), title=title)
    axis.set_xticks(range(len(units)), units, fontsize=7)
    axis.grid(False)
    figure.colorbar(image, label="standard deviations\nfrom the unit's mean")
    digit, place = np.unravel_index(means.argmax(), means.shape)
    return figure.described(
        title,
        alt=f"ten digits by {len(units)} units; unit {units[place]} stands out most, {means.max():+.1f} standard "
        f"deviations for the digit {digit}.",
        caption=f"bright where a unit responds more than usual, as unit {units[place]} does to a {digit}.",
    )
