"""Pictures of the post-lab's study."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lab_utils.figures.style import BLUE, COLOURS, GREEN, HEAT, MARKERS, ORANGE, RED, heading
from lab_utils.study.space import HYPERPARAMETER_NAMES


def knob_effect(panels: dict[str, pd.DataFrame], knob: str, units: dict[str, str]) -> Figure:
    """What one knob does: difference from the base setting with its 95 % interval, one panel per score.

    Parameters
    ----------
    panels : dict of str to DataFrame
        Score to ``study.tables.effects`` of that score.
    knob : str
    units : dict of str to str
        Score to the text of its axis.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 2.7), squeeze=False)
    for axis, (score, table), colour in zip(axes[0], panels.items(), COLOURS, strict=False):
        rows = table[table["hyperparameter"] == knob].reset_index(drop=True)
        spread = [rows["effect"] - rows["low"], rows["high"] - rows["effect"]]
        axis.axhline(0, color="#888888", linewidth=1)
        axis.errorbar(rows.index, rows["effect"], yerr=spread, fmt="o", color=colour, capsize=3)
        axis.set_xticks(rows.index, rows["value"].str.replace(" ", "\n"), fontsize=8)
        axis.set(ylabel=units[score])
        axis.margins(x=0.12)
    heading(
        figure, f"{knob.replace('_', ' ')}: difference from the base setting, 95 % interval over seeds".capitalize()
    )
    return figure


def importance(table: pd.DataFrame) -> Figure:
    """Share of each knob in the variance of the error: the table of ``study.tables.importance``."""
    rows = table[::-1]
    figure, axis = plt.subplots(figsize=(7, 2.4))
    axis.barh(rows["hyperparameter"].str.replace("_", " "), 100 * rows["importance"], color=BLUE)
    axis.set(xlabel="share of the variance of the validation error (%)", title="Which knob matters most")
    axis.grid(axis="y", visible=False)
    return figure


def search_progress(table: pd.DataFrame) -> Figure:
    """Best validation error after each trial of each search: the table of ``study.tables.best_so_far``."""
    figure, axis = plt.subplots(figsize=(7, 2.8))
    for (name, rows), colour, marker in zip(table.groupby("stage"), COLOURS, MARKERS, strict=False):
        axis.step(rows["trial"], rows["error"], where="post", color=colour, marker=marker, markersize=4, label=name)
    axis.set(xlabel="trials", ylabel="best validation MSE so far", title="Three searches, equal budget")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def error_against_accuracy(trials: pd.DataFrame, best: pd.Series) -> Figure:
    """Every finished trial by its error and its linear probe; ``best`` marks the Pareto front."""
    figure, axis = plt.subplots(figsize=(7, 3.4))
    axis.scatter(trials["error"], 100 * trials["probe"], s=14, color="#AAAAAA", label="trial")
    front = trials[best].sort_values("error")
    axis.plot(front["error"], 100 * front["probe"], "o-", color=ORANGE, label="not beaten in both (Pareto front)")
    axis.set(xlabel="validation MSE per pixel", ylabel="linear probe (%)", title="Error against accuracy")
    axis.legend(loc="lower left")
    return figure


def parallel_coordinates(trials: pd.DataFrame) -> Figure:
    """One line per searched trial through its six knobs, coloured by its error; the best tenth is drawn on top."""
    trials = trials.dropna(subset=["error"]).sort_values("error", ascending=False)
    places = {}
    for knob in HYPERPARAMETER_NAMES:
        values = trials[knob]
        numbers = np.log(values.astype(float)) if values.dtype.kind in "if" else values.astype("category").cat.codes
        span = numbers.max() - numbers.min()
        places[knob] = (numbers - numbers.min()) / (span if span else 1)
    lines = pd.DataFrame(places)
    shade = trials["error"].rank(pct=True)
    figure, axis = plt.subplots(figsize=(9, 3.4))
    for (_, line), rank in zip(lines.iterrows(), shade, strict=True):
        best = rank <= 0.1
        axis.plot(
            range(len(line)), line, color=plt.get_cmap(HEAT)(1 - rank), alpha=1 if best else 0.5, lw=2 if best else 0.8
        )
    for place, knob in enumerate(HYPERPARAMETER_NAMES):
        ends = trials.loc[[lines[knob].idxmin(), lines[knob].idxmax()], knob]
        for height, value in zip((-0.07, 1.03), ends, strict=True):
            text = f"{value:.2g}" if isinstance(value, float) else str(value)
            axis.text(place, height, text, ha="center", fontsize=8)
    axis.set_xticks(range(len(HYPERPARAMETER_NAMES)), [knob.replace("_", " ") for knob in HYPERPARAMETER_NAMES])
    axis.tick_params(axis="x", pad=12, length=0)
    axis.set(yticks=[], ylim=(-0.12, 1.12), title="Searched settings: bright lines have the smallest error")
    return figure


def learning_curves(table: pd.DataFrame, title: str) -> Figure:
    """Validation error by epoch, one line per trial; red and dashed where it diverged or made setbacks."""
    figure, axis = plt.subplots(figsize=(7, 2.8))
    for (_, _, diverged), rows in table.groupby(["stage", "trial", "diverged"]):
        style = {"color": RED, "linestyle": "--"} if diverged else {"color": GREEN, "alpha": 0.6}
        axis.plot(rows["epoch"], rows["error"], marker="o", markersize=3, linewidth=1, **style)
    axis.plot([], [], color=GREEN, label="converged")
    axis.plot([], [], color=RED, linestyle="--", label="diverged")
    axis.set(xlabel="epoch", ylabel="validation MSE", yscale="log", title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend()
    return figure
