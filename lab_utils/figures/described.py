"""A figure that says what it shows, for whoever cannot see it."""

from collections.abc import Callable, Iterable
from typing import Any, Self

import matplotlib.pyplot as plt
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure

Png = tuple[str | bytes, dict[str, Any]] | str | bytes | None
"""What IPython's formatters make of a figure: the picture, with its metadata if it is a sharp one."""


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
    """Put the texts into the metadata of the PNG, where nbconvert and the report find them.

    Matplotlib's own figures stay as they are; so do the lab's when a later ``%matplotlib inline`` sets these anew.
    """
    png = shell.display_formatter.formatters["image/png"]
    png.for_type(DescribedFigure, _with_texts(png.lookup_by_type(Figure)))


def _with_texts(draw: Callable[[Figure], Png]) -> Callable[[DescribedFigure], Png]:
    def drawn(figure: DescribedFigure) -> Png:
        made = draw(figure)
        if made is None:
            return None
        data, metadata = made if isinstance(made, tuple) else (made, {})
        return data, metadata | {"alt": figure.alt, "caption": figure.caption}

    return drawn


def joined(words: Iterable[str]) -> str:
    """Words as in a sentence: "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
