"""Progress of the notebooks that one person is waiting for."""

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm


class CellBars:
    """One bar per notebook, counting its cells; opened by the first news of each, and several at once."""

    def __init__(self) -> None:
        self.bars: dict[str, tqdm] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self.bars.values():
            bar.close()

    def update(self, notebook: str, cell: int, cells: int) -> None:
        """Show that a notebook is at a cell.

        Parameters
        ----------
        notebook : str
            Its name.
        cell, cells : int
            Cells behind it, and all there are.
        """
        if notebook not in self.bars:
            quiet = {} if sys.stderr.isatty() else {"mininterval": 10, "position": 0}  # a log has no line above
            self.bars[notebook] = tqdm(desc=notebook, total=cells, unit="cell", file=sys.stderr, **quiet)
        bar = self.bars[notebook]
        bar.total = cells
        bar.update(cell - bar.n)
        if cell == cells:
            bar.close()  # its clock would run on for as long as another notebook does
