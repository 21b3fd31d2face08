"""The lab's one progress bar: a line in a terminal, a calm bar in a notebook's page that goes when the work is done.

In a page it is plain HTML that replaces itself. Neither is there red text left behind, as a bar on stderr leaves it,
nor a widget that a saved notebook cannot show again.
"""

import io
import sys
from html import escape
from typing import Any

from tqdm import tqdm

from lab_utils import machine


def progress(total: int, unit: str, show: bool | None = None) -> tqdm:
    """The lab's one progress bar, with the time left.

    Parameters
    ----------
    total : int
    unit : str
        What it counts.
    show : bool, optional
        By default where somebody watches, see ``machine.default_progress``.
    """
    show = machine.default_progress() if show is None else show
    options = {"total": total, "unit": unit, "disable": not show, "leave": False, "smoothing": 0.1}
    if show and _in_page():
        return PageBar(**options, mininterval=0.5)
    slow = {} if sys.stderr.isatty() else {"mininterval": 5}
    return tqdm(**options, file=sys.stderr, **slow)


def _in_page() -> bool:
    ipython = sys.modules.get("IPython")
    return hasattr(ipython.get_ipython(), "kernel") if ipython else False


class PageBar(tqdm):
    """A bar in the output of a notebook's cell; it ends as an output that shows nothing."""

    def __init__(self, **options: Any) -> None:
        self.place: Any = None
        super().__init__(**options, file=io.StringIO())

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show how far it is; an empty message, with which tqdm ends, takes the bar away."""
        from IPython.display import display

        text = self.said() if msg is None else ""
        bar = f'<progress value="{self.n}" max="{self.total}" style="width: 20em"></progress> {escape(text)}'
        bundle = {"text/html": bar if text else "", "text/plain": text}
        if self.place is None:
            self.place = display(bundle, raw=True, display_id=True)
        else:
            self.place.update(bundle, raw=True)

    def said(self) -> str:
        """As "12 of 64 trials, 0:40 left, best validation error 0.0321"."""
        told = self.format_dict
        left = (self.total - self.n) / told["rate"] if self.n and told["rate"] else None
        time_left = f"{self.format_interval(left)} left" if left is not None else ""
        parts = [f"{self.n} of {self.total} {self.unit}s", time_left, told["postfix"] or ""]
        return ", ".join(part for part in parts if part)
