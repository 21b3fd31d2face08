"""A figure that says what it shows, for whoever cannot see it."""

from collections.abc import Callable, Iterable
from typing import Any, Self

import matplotlib.pyplot as plt
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Png = tuple[str | bytes, dict[str, Any]] | str | bytes | None
"""What IPython's formatters make of a figure: the picture, with its metadata if it is a sharp one."""
LONGEST_ALT = 500
SHAPES = {
    "lines": ("line", "lines"),
    "collections": ("area or set of points", "areas or sets of points"),
    "patches": ("bar or shape", "bars or shapes"),
}
"""What an axis holds, in words: one of it, and more."""


class DescribedFigure(Figure):
    """A Matplotlib figure with two texts, both computed from what is drawn.

    Attributes
    ----------
    alt : str
        What the figure shows and its main number: instead of the figure.
    caption : str
        What to see in it, one sentence: beside the figure.
    """

    alt = caption = ""

    def described(self, title: str, *, alt: str, caption: str) -> Self:
        """Give the figure its texts, each after its title; words on several lines become one."""
        start = title if title.endswith("?") else f"{title}:"
        self.alt, self.caption = (" ".join(f"{start} {text}".split()) for text in (alt, caption))
        return self


def subplots(*args: Any, **kwargs: Any) -> tuple[DescribedFigure, Any]:
    """``plt.subplots`` of a figure that can be described."""
    return plt.subplots(*args, FigureClass=DescribedFigure, layout="constrained", **kwargs)


def show_descriptions(shell: InteractiveShell) -> None:
    """Put the texts into the metadata of the PNG, where JupyterLab, nbconvert and the report find them.

    Matplotlib's own figures get what can be read off them, see ``plain_alt``, until a later ``%matplotlib inline`` sets
    these anew; the lab's keep theirs.
    """
    png = shell.display_formatter.formatters["image/png"]
    draw = png.lookup_by_type(Figure)
    png.for_type(DescribedFigure, _with_texts(draw, lambda figure: {"alt": figure.alt, "caption": figure.caption}))
    png.for_type(Figure, _with_texts(draw, lambda figure: {"alt": plain_alt(figure)}))


def _with_texts(draw: Callable[[Figure], Png], texts: Callable[[Any], dict[str, str]]) -> Callable[[Any], Png]:
    def drawn(figure: Figure) -> Png:
        made = draw(figure)
        if made is None:
            return None
        data, metadata = made if isinstance(made, tuple) else (made, {})
        return data, metadata | texts(figure)

    return drawn


def plain_alt(figure: Figure) -> str:
    """What can be said of a figure that nobody has described: its titles, its axes, and what is drawn in them.

    Equal panels are said once, with their number: "Noisy, denoised, clean: 30 panels, 3 rows of 10, an image of 28 by
    28 in each." It is no longer than ``LONGEST_ALT`` characters.
    """
    panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    said = list(dict.fromkeys(_panel(axis) for axis in panels))
    count = f"{len(panels)} panels{_arranged(panels)}, " if len(panels) > 1 else ""
    each = " in each" if len(panels) > 1 and len(said) == 1 else ""
    text = f"{figure.get_suptitle() or 'Figure'}: {count}{'; '.join(said) or 'nothing drawn'}{each}."
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_ALT else f"{text[: LONGEST_ALT - 1]}…"


def _arranged(panels: list[Axes]) -> str:
    grids = {spec.get_gridspec().get_geometry() for axis in panels if (spec := axis.get_subplotspec())}
    rows, columns = grids.pop() if len(grids) == 1 else (1, 1)
    return f", {rows} rows of {columns}" if rows > 1 else ""


def _panel(axis: Axes) -> str:
    """One panel in words: "Loss (loss against epoch): 2 lines (training and validation)"."""
    labels = " against ".join(label for label in (axis.get_ylabel(), axis.get_xlabel()) if label)
    names = [name for name in axis.get_legend_handles_labels()[1] if name]
    kinds = [f"an image of {image.get_size()[0]} by {image.get_size()[1]}" for image in axis.images[:1]]
    kinds += [f"{count} {SHAPES[name][count > 1]}" for name in SHAPES if (count := len(getattr(axis, name)))]
    what = joined(kinds) if kinds else "nothing drawn"
    named = f" ({joined(names)})" if names else ""
    title = " ".join(part for part in (axis.get_title(), f"({labels})" if labels else "") if part)
    return f"{title}: {what}{named}" if title else f"{what}{named}"


def joined(words: Iterable[str]) -> str:
    """Words as in a sentence: "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
