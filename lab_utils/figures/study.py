"""Pictures of the post-lab's study."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lab_utils.figures.described import DescribedFigure, joined, subplots
from lab_utils.figures.style import BLUE, GREY, HEAT, LINES, heading, legend_below, plain_logarithmic
from lab_utils.study.space import BASE, label
from lab_utils.study.space import HYPERPARAMETER_NAMES as NAMES

FULL_LINES = 10
"""Learning curves of one value that are drawn in full colour; more of them are drawn the fainter."""


def hyperparameter_effect(
    panels: dict[str, pd.DataFrame], hyperparameter: str, units: dict[str, str]
) -> DescribedFigure:
    """What one hyperparameter does: difference from the base setting with its 95 % interval, one panel per score.

    Parameters
    ----------
    panels : dict of str to DataFrame
        Score to ``study.tables.effects`` of that score; those without a text are not drawn.
    hyperparameter : str
    units : dict of str to str
        Score to the text of its axis.
    """
    name, base = hyperparameter.replace("_", " "), label(getattr(BASE, hyperparameter))
    figure, axes = subplots(1, len(units), figsize=(3.6 * len(units), 2.7), squeeze=False)
    said = []
    for axis, (score, unit), look in zip(axes[0], units.items(), LINES, strict=False):
        table = panels[score]
        rows = table[table["hyperparameter"] == hyperparameter]
        rows = rows.iloc[_in_order(rows["value"])].reset_index(drop=True)
        spread = [rows["effect"] - rows["low"], rows["high"] - rows["effect"]]
        axis.axhline(0, color="#888888", linewidth=1)
        axis.errorbar(rows.index, rows["effect"], yerr=spread, **look | {"linestyle": "none"}, capsize=3)
        ticks = [f"{value} (base)" if value == base else value for value in rows["value"]]
        axis.set_xticks(rows.index, [tick.replace("_", " ").replace(" ", "\n") for tick in ticks], fontsize=8)
        axis.set_xlabel(name, fontsize=9)
        axis.set_ylabel(f"change in {unit}", fontsize=9)
        axis.margins(x=0.12)
        largest = rows.loc[rows["effect"].abs().idxmax()]
        said.append(f"{unit} {largest['effect']:+.3g} at {largest['value']}")
    heading(figure, f"{name}: difference from the base setting, 95 % interval over seeds".capitalize())
    return figure.described(
        name.capitalize(),
        alt=f"{len(units)} panels, one per score: its change from the base, {base}. Largest changes: {joined(said)}.",
        caption=f"an interval that crosses 0 shows no change from the base, {base}; the largest change is {said[0]}.",
    )


def _in_order(values: pd.Series) -> np.ndarray:
    """Places of values as texts: those that begin with a number by its size, others as they are, the base first."""
    numbers = pd.to_numeric(values.str.split(" ").str[0], errors="coerce")
    return np.arange(len(values)) if numbers.isna().any() else np.argsort(numbers.to_numpy(), kind="stable")


def importance(table: pd.DataFrame) -> DescribedFigure:
    """Share of each hyperparameter in the variance of the error: the table of ``study.tables.importance``."""
    names, shares = table["hyperparameter"].str.replace("_", " "), 100 * table["importance"]
    figure, axis = subplots(figsize=(7, 2.4))
    axis.barh(names[::-1], shares[::-1], color=BLUE)
    axis.bar_label(axis.containers[0], fmt="%.0f", padding=4, fontsize=8)
    title = "Which hyperparameter matters most"
    axis.set(xlabel="share of the variance of the validation error (%)", title=title)
    axis.grid(axis="y", visible=False)
    said = [f"{name} {share:.0f} %" for name, share in zip(names, shares, strict=True)]
    return figure.described(
        title,
        alt=f"shares of the variance of the validation error: {joined(said)}.",
        caption=f"over all searched settings, the largest share of the error's variance: {said[0]}.",
    )


def search_progress(table: pd.DataFrame) -> DescribedFigure:
    """Best validation error after each trial of each search: the table of ``study.tables.best_so_far``."""
    figure, axis = subplots(figsize=(7, 2.8))
    table = table.assign(stage=table["stage"].replace("tpe", "TPE"))
    for (name, rows), look in zip(table.groupby("stage"), LINES, strict=False):
        axis.step(rows["trial"], rows["error"], where="post", **look, markersize=4, label=name)
    title = "Searches of equal budget"
    axis.set(xlabel="trials", ylabel="best validation MSE\nper pixel so far", title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    legend_below(figure, axis)
    ends = table.groupby("stage")["error"].min()
    said = joined(f"{name} {error:.4f}" for name, error in ends.items())
    return figure.described(
        title,
        alt=f"best validation error after each of {table['trial'].max()} trials; at the end {said}.",
        caption=f"each step down is a better setting; {ends.idxmin()} ends lowest, at {ends.min():.4f}.",
    )


def error_against_accuracy(trials: pd.DataFrame, best: pd.Series) -> DescribedFigure:
    """Every finished trial by its error and its linear probe; ``best`` marks the Pareto front."""
    figure, axis = subplots(figsize=(7, 3.4))
    axis.scatter(trials["error"], 100 * trials["probe"], s=14, color=GREY, label="trial")
    front = trials[best].sort_values("error")
    axis.plot(front["error"], 100 * front["probe"], **LINES[0], label="not beaten in both (Pareto front)")
    title = "Error against accuracy"
    axis.set(xlabel="validation MSE per pixel", ylabel="linear probe accuracy (%)", title=title)
    legend_below(figure, axis)
    said = [f"{100 * trial.probe:.0f} % at an error of {trial.error:.4f}" for trial in front.itertuples()]
    ends = " to ".join(dict.fromkeys((said[0], said[-1])))
    return figure.described(
        title,
        alt=f"{len(trials)} trials; on the Pareto front {len(front)}, with accuracies of {ends}.",
        caption=f"the best are high and left; nothing beats the front, with {ends}, in both.",
    )


def parallel_coordinates(trials: pd.DataFrame) -> DescribedFigure:
    """One line per searched trial through its six hyperparameters; dark and thick is the best tenth by error."""
    trials = trials.dropna(subset=["error"]).sort_values("error", ascending=False)
    places = {}
    for name in NAMES:
        values = trials[name]
        numbers = np.log(values.astype(float)) if values.dtype.kind in "if" else values.astype("category").cat.codes
        span = numbers.max() - numbers.min()
        places[name] = (numbers - numbers.min()) / (span if span else 1)
    lines = pd.DataFrame(places)
    colours = plt.get_cmap(HEAT)(trials["error"].rank(pct=True))
    figure, axis = subplots(figsize=(9, 3.4))
    for (_, line), colour, rank in zip(lines.iterrows(), colours, trials["error"].rank(pct=True), strict=True):
        best = rank <= max(0.1, 1 / len(trials))
        axis.plot(range(len(line)), line, color=colour, alpha=1 if best else 0.5, lw=2.5 if best else 0.8)
    for place, name in enumerate(NAMES):
        ends = trials.loc[[lines[name].idxmin(), lines[name].idxmax()], name]
        for height, value in zip((-0.07, 1.03), ends, strict=True):
            text = f"{value:.2g}" if isinstance(value, float) else str(value)
            axis.text(place, height, text, ha="center", va="top" if height < 0 else "bottom", fontsize=8)
    axis.set_xticks(range(len(NAMES)), [name.replace("_", " ") for name in NAMES], va="baseline")
    axis.tick_params(axis="x", pad=20, length=0)
    axis.spines[:].set_visible(False)
    axis.set(yticks=[], ylim=(-0.12, 1.12), title="Searched settings: dark, thick lines have the smallest error")
    winner = trials.iloc[-1]
    said = joined(f"{name.replace('_', ' ')} {label(winner[name])}" for name in NAMES)
    return figure.described(
        "Searched settings",
        alt=f"{len(trials)} lines through {len(NAMES)} axes, one per hyperparameter; the smallest error, "
        f"{winner['error']:.4f}, has {said}.",
        caption=f"dark, thick lines have the smallest error; the best has {said}.",
    )


def learning_curves(table: pd.DataFrame, title: str) -> DescribedFigure:
    """Validation error by epoch, one line per trial in the look of its value; thin where it diverged."""
    varied = next((name for name in table["varied"] if name != "base"), "base")
    table = table.assign(value=table["value"].where(table["varied"] != "base", label(getattr(BASE, varied, "base"))))
    values = table["value"].drop_duplicates()
    figure, axis = subplots(figsize=(7, 3))
    for value, look in zip(values.iloc[_in_order(values)], LINES, strict=False):
        of_value = table[table["value"] == value]
        bad = of_value.groupby(["stage", "trial"])["diverged"].any()
        faint = min(1.0, FULL_LINES / len(bad))
        for _, rows in of_value.groupby(["stage", "trial"]):
            width = 0.7 if rows["diverged"].any() else 1.5
            axis.plot(rows["epoch"], rows["error"], **look, markersize=4, linewidth=width, alpha=faint)
        axis.plot([], [], **look, label=f"{value} ({bad.sum()} of {len(bad)} diverged)" if bad.any() else value)
    axis.set(xlabel="epoch", ylabel="validation MSE per pixel", yscale="log", title=title)
    axis.xaxis.get_major_locator().set_params(integer=True)
    plain_logarithmic(axis.yaxis, (1, 2, 3, 4, 6, 8))
    legend_below(figure, axis, title=varied.replace("_", " "))
    last = table[table["epoch"] == table["epoch"].max()].groupby("value", sort=False)["error"].mean()
    diverged = table.groupby(["stage", "trial"])["diverged"].any()
    said = joined(f"{error:.4f} at {value}" for value, error in last.sort_values().items())
    return figure.described(
        title,
        alt=f"{len(diverged)} trials, {diverged.sum()} diverged; mean error after the last epoch: {said}.",
        caption=f"low and early is good; {last.idxmin()} ends lowest, at {last.min():.4f}.",
    )
