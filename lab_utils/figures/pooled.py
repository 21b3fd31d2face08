"""A forest plot of a class: every student's effect, the pooled one, the published one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_utils.figures.described import DescribedFigure
from lab_utils.figures.style import BLACK, BLUE, ORANGE, RED

FARTHEST = 300  # thresholds from zero; what lies farther stands at the edge


@dataclass(frozen=True)
class Line:
    """One statement: its name, the students' effects, the pooled and the published effect with interval.

    All numbers are in units of the threshold. ``supported`` says whether the pooled verdict is that.
    """

    name: str
    students: Sequence[float]
    pooled: tuple[float, float, float]
    published: tuple[float, float, float] | None
    supported: bool


def class_forest(lines: Sequence[Line]) -> DescribedFigure:
    """Draw one line for each statement; even near zero, logarithmic far from it."""
    figure = DescribedFigure(figsize=(8, 1.2 + 0.3 * len(lines)), layout="constrained", dpi=110)
    axis = figure.subplots()
    jitter = np.random.default_rng(0)
    for place, line in enumerate(lines):
        own = _within(line.students)
        axis.plot(own, place + jitter.uniform(-0.25, 0.25, len(own)), ".", color="#888888", ms=3, alpha=0.6)
        effect, low, high = _within(line.pooled)
        axis.plot([low, high], [place, place], "-", color=BLUE, lw=2.2)
        axis.plot(effect, place, "D", color=BLUE, ms=5)
        if line.published:
            axis.plot(_within(line.published)[0], place + 0.3, "x", color=RED, ms=5)
    axis.plot([], [], ".", color="#888888", label="a student")
    axis.plot([], [], "D-", color=BLUE, label="the class, with 95 % interval")
    axis.plot([], [], "x", color=RED, label="the published run")
    axis.axvline(0, color=BLACK, lw=0.8)
    axis.axvline(1, color=ORANGE, lw=1.2, ls="--", label="the smallest effect that counts")
    axis.set_xscale("asinh", linear_width=1)
    ticks = [-100, -10, -1, 0, 1, 10, 100]
    axis.set_xticks(ticks, [str(tick).replace("-", "−") for tick in ticks])
    axis.set_xlim(-FARTHEST, FARTHEST)
    axis.set_yticks(range(len(lines)), [line.name for line in lines], fontsize=8)
    axis.set_ylim(len(lines) - 0.4, -0.6)
    axis.set_xlabel("effect, in units of the smallest that counts")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    supported = sum(line.supported for line in lines)
    students = max(len(line.students) for line in lines)
    return figure.described(
        "The class as an experiment",
        alt=f"{len(lines)} effects with the pooled 95 % interval of up to {students} students; in {supported} of them "
        "the whole interval supports the manual's statement. The table below has all numbers.",
        caption="Each dot is a student with a seed of their own; the diamond pools them.",
    )


def _within(values: Sequence[float]) -> np.ndarray:
    return np.clip(np.asarray(values, dtype=np.float64), -FARTHEST, FARTHEST)
