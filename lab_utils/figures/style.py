"""Colours and style of every picture. The colours are Okabe and Ito's, which any colour vision tells apart.

Nothing is told by colour alone: a marker or a dash goes with each, for print in grey.
"""

import matplotlib.pyplot as plt
from IPython import get_ipython
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib_inline.backend_inline import set_matplotlib_formats

from lab_utils.figures.described import show_descriptions

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
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)))
LINES = tuple(
    {"color": colour, "marker": marker, "linestyle": dash}
    for colour, marker, dash in zip(
        (BLUE, RED, GREEN, PURPLE, BLACK, ORANGE, SKY, YELLOW), MARKERS, DASHES, strict=True
    )
)
"""Look of the first line, of the second, ...: the darkest colours first."""
DIGITS, HEAT = "gray_r", "viridis"
"""Colour maps. Brightness grows evenly along the second, so that it is read in grey print, too."""
FRAME, GREY = "#BBBBBB", "#AAAAAA"


def use_style() -> None:
    """Set the lab's style for this kernel: 220 dots per inch in the notebook, so that print is sharp."""
    if shell := get_ipython():  # whatever MPLBACKEND says: a figure belongs in the notebook
        shell.run_line_magic("matplotlib", "inline")
    set_matplotlib_formats("retina")
    if shell:
        show_descriptions(shell)
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


def heading(figure: Figure, title: str) -> None:
    """Write the title above all panels."""
    figure.suptitle(title, fontsize=11, fontweight="bold")


def legend_below(figure: Figure, axis: plt.Axes, title: str | None = None) -> None:
    """The legend of one of the panels, under all of them: never on the data."""
    handles, names = axis.get_legend_handles_labels()
    fit = int(13 * figure.get_figwidth()) // (max(map(len, names)) + 6)  # 13 letters to an inch, 6 for the line
    columns = min(len(names), max(1, fit))
    figure.legend(handles, names, loc="outside lower center", ncols=columns, fontsize=8, title=title, title_fontsize=9)


def plain_logarithmic(axis: Axis, subs: tuple[int, ...] = (1, 2, 5)) -> None:
    """Ticks of a logarithmic axis as plain numbers: 0.05, not 5 x 10^-2."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def frame_only(axis: plt.Axes) -> None:
    """A thin frame, no ticks and no grid: for images."""
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for side in axis.spines.values():
        side.set(visible=True, color=FRAME, linewidth=0.5)
