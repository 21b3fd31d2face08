"""Colours and style of every picture. The colours are Okabe and Ito's, which any colour vision tells apart."""

import matplotlib.pyplot as plt
from IPython import get_ipython
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
FRAME = "#BBBBBB"


def use_style() -> None:
    """Set the lab's style for this kernel: 220 dots per inch in the notebook, so that print is sharp."""
    if shell := get_ipython():  # whatever MPLBACKEND says: a figure belongs in the notebook
        shell.run_line_magic("matplotlib", "inline")
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


def heading(figure: Figure, title: str) -> None:
    """Write the title above all panels."""
    figure.suptitle(title, fontsize=11, fontweight="bold")


def frame_only(axis: plt.Axes) -> None:
    """A thin frame, no ticks and no grid: for images."""
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for side in axis.spines.values():
        side.set(visible=True, color=FRAME, linewidth=0.5)
