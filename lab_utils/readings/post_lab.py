"""The post-lab's tables, and what is to be read in its results; each reading says when it is a surprise."""

from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd
from IPython.display import Markdown, display

from lab_utils import facts, figures
from lab_utils.figures.described import DescribedFigure, joined
from lab_utils.metrics import mean_interval
from lab_utils.study import tables
from lab_utils.study.space import BASE, STRENGTHS, Setting, space_table

SCORES = {"error": "MSE per pixel", "probe": "linear probe", "ari": "ARI of k-means"}
"""Score to the text of its axis."""

NEAR = 1.02
"""Times the smallest error: the smallest change of error that counts."""

Effects = Mapping[str, pd.DataFrame]
"""Score to ``study.tables.effects`` of it; "relative" to that of the error in percent."""


def effects(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What each hyperparameter does to each of ``SCORES``, and to the error in percent ("relative")."""
    found = {score: tables.effects(trials, score) for score in SCORES}
    return found | {"relative": tables.effects(trials, "error", relative=True)}


def change(found: Effects, hyperparameter: str, value: str, score: str = "relative") -> float:
    """The change that one value makes against the base, in percent of the error or in units of a score."""
    rows = found[score]
    return float(rows.loc[(rows["hyperparameter"] == hyperparameter) & (rows["value"] == value), "effect"].iloc[0])


# Tables ------------------------------------------------------------------------------------------------------------


def space() -> Markdown:
    """The search space, with the values that are tried one at a time."""
    names = ("hyperparameter", "range", "scale", "base", "one at a time")
    rows = [{name: row[name].replace("_", " ") for name in names} for row in space_table()]
    return Markdown(facts.table(rows, disable_numparse=True))


def stages(trials: pd.DataFrame) -> Markdown:
    """Trials of each stage, how they ended, and the passes over the training digits that they took."""
    by_stage = trials.groupby("stage", sort=False)
    counts = trials.groupby(["stage", "state"], sort=False).size().unstack(fill_value=0).rename_axis("stage")
    counts["diverged"] = by_stage["diverged"].sum().astype(int)
    counts["passes"] = by_stage["epochs"].sum()
    return Markdown(f"{facts.table(counts)}\n\n{len(trials)} trials in {trials['epochs'].sum()} passes.")


def values(found: Effects, hyperparameter: str) -> Markdown:
    """Each value of one hyperparameter with its mean scores, and its error against the base's."""
    rows = {name: table[table["hyperparameter"] == hyperparameter] for name, table in found.items()}
    table = rows["error"][["value", "mean"]].rename(columns={"mean": SCORES["error"]})
    table["change in error"] = [
        f"{c.effect:+.1f} % ({c.low:+.1f} to {c.high:+.1f})" for c in rows["relative"].itertuples()
    ]
    table[SCORES["probe"]] = rows["probe"]["mean"]
    table[SCORES["ari"]] = rows["ari"]["mean"]
    table["value"] = table["value"].str.replace("_", " ")
    table.iloc[0, 0] += " (base)"
    table.iloc[0, 2] = "–"
    options = {"floatfmt": ("", ".4f", "", ".3f", ".3f"), "disable_numparse": [0, 2]}
    return Markdown(facts.table(table.set_index("value"), **options))


def tested(trials: pd.DataFrame, chosen: Setting) -> Markdown:
    """The chosen setting in words, and it and the base on test digits, with 95 % intervals over seeds."""
    rows = []
    for name, group in trials[trials["stage"] == "test"].groupby("varied"):
        intervals = {words: mean_interval(group[score]) for score, words in SCORES.items()}
        told = {words: f"{mean:.4f} ({low:.4f} to {high:.4f})" for words, (mean, low, high) in intervals.items()}
        rows.append({"setting": name} | told)
    return Markdown(f"Chosen: {in_words(chosen)}.\n\n{facts.table(rows)}")


def in_words(setting: Setting) -> str:
    """A setting as a sentence has it: "code size 32, hidden layers 1, ..."."""
    told = {name: value for name, value in asdict(setting).items() if name not in ("strength", "passes")}
    if setting.regularization in STRENGTHS:
        told["regularization"] = f"{setting.regularization} {setting.strength:.2g}"
    return ", ".join(f"{_plain(name)} {_short(value)}" for name, value in told.items())


# Readings ----------------------------------------------------------------------------------------------------------


def one_factor(found: Effects, hyperparameter: str) -> Markdown:
    """What one hyperparameter does to the error, and whether the features agree."""
    error, probe = (
        table[(table["hyperparameter"] == hyperparameter) & (table["effect"] != 0)].set_index("value")
        for table in (found["relative"], found["probe"])
    )
    if error.empty:
        return Markdown("**Surprise:** no value but the base's ended in a number: every other seed diverged.")
    most, least = error["effect"].abs().idxmax(), error["effect"].idxmin()
    text = f"The error changes most at *{_plain(most)}*: {_told(error.loc[most], '%')}. "
    if error.loc[least, "high"] < 0:
        text += f"**Surprise**, for whoever took the base for a good choice: *{_plain(least)}* is better"
        text += ". " if least == most else f", {_told(error.loc[least], '%')}. "
    elif ((error["low"] < 0) & (error["high"] > 0)).all():
        text += "No difference from the base is resolved: the seeds differ as much. "
    else:
        text += "No value is better than the base beyond what seeds differ. "
    apart = [
        value
        for value in error.index.intersection(probe.index)
        if (error.loc[value, "high"] < 0 and probe.loc[value, "high"] < 0)
        or (error.loc[value, "low"] > 0 and probe.loc[value, "low"] > 0)
    ]
    if apart:
        text += f"**Surprise:** at {_listed(apart)} error and linear probe part: one gets better, the other worse."
    return Markdown(text.strip())


def most_and_least(found: Effects) -> Markdown:
    """Which hyperparameter moves the error most, and which least."""
    effect = found["relative"].groupby("hyperparameter")["effect"]
    swing = (effect.max() - effect.min().clip(upper=0)).sort_values()
    return Markdown(
        f"The hyperparameter that moves the error most is the *{_plain(swing.index[-1])}* (a span of "
        f"{swing.iloc[-1]:.0f} % of the base's error), the one that moves it least the *{_plain(swing.index[0])}* "
        f"({swing.iloc[0]:.0f} %). This says as much of the values that were tried as of the hyperparameters."
    )


def searches(trials: pd.DataFrame) -> Markdown:
    """Which search found the smallest validation error, against the best of one factor at a time."""
    ends = tables.best_so_far(trials).groupby("stage")["error"].min().sort_values()
    one_factor = tables.at_budget(trials[trials["stage"] == "one-factor"])
    settings = one_factor.groupby(list(tables.SETTING_NAMES))["error"].mean()
    said = ", ".join(f"{_search(name)} {error:.4f}" for name, error in ends.items())
    text = (
        f"The smallest validation error that each search found: {said}; one factor at a time had {settings.min():.4f}. "
    )
    if ends.iloc[0] > settings.min():
        text += "**Surprise:** turning everything at once has found nothing better, in so few trials. "
    return Markdown(text + _why_no_more(trials))


def _why_no_more(trials: pd.DataFrame) -> str:
    if tables.enough_to_search(trials):
        pruned = int((trials["state"] == "pruned").sum())
        return f"Of the TPE trials, {pruned} were stopped early by the median rule."
    count = trials[trials["stage"].isin(tables.SEARCHES)].groupby("stage").size().max()
    return (
        "TPE learns from the trials before it, and pruning compares with them: that takes about "
        f"{tables.FEWEST_TO_SEARCH} trials, and this run has {count} for each search, too few for either to act."
    )


def importance(trials: pd.DataFrame) -> DescribedFigure | None:
    """The share of each hyperparameter in the error's variance, where there are enough trials; else why not."""
    if tables.enough_to_search(trials):
        return figures.importance(tables.importance(trials))
    count = len(tables.searched(trials))
    display(
        Markdown(
            f"Not drawn: {count} searched settings do not tell six shares apart. With at least "
            f"{tables.FEWEST_TO_SEARCH} trials for each search the figure stands here."
        )
    )
    return None


def _comparable(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that ran to their end, on validation digits, within the budget."""
    return tables.at_budget(trials[(trials["state"] == "complete") & (trials["stage"] != "test")])


def front(trials: pd.DataFrame) -> DescribedFigure:
    """Error against accuracy, for every trial but the final test's, with the Pareto front."""
    complete = _comparable(trials)
    return figures.error_against_accuracy(complete, tables.pareto(complete))


def front_reading(trials: pd.DataFrame) -> Markdown:
    """Whether the smallest error and the best features are in one setting."""
    complete = _comparable(trials).dropna(subset=["error", "probe"])
    best, reader = complete.loc[complete["error"].idxmin()], complete.loc[complete["probe"].idxmax()]
    count = int(tables.pareto(complete).sum())
    text = (
        f"The front has {count} of {len(complete)} trials. The smallest error, {best.error:.4f}, has a linear probe of "
    )
    text += f"{100 * best.probe:.1f} %; the best probe, {100 * reader.probe:.1f} %, an error of {reader.error:.4f}. "
    if best.name == reader.name:
        return Markdown(f"{text}One trial is best in both: here one need not choose.")
    if reader.error < NEAR * best.error:
        return Markdown(f"{text}That is next to it: here one hardly need choose.")
    return Markdown(f"{text}**Surprise:** the best features are not in the trial with the smallest error.")


def tuning(trials: pd.DataFrame) -> Markdown:
    """What the choice changed on test digits."""
    base = trials[(trials["stage"] == "test") & (trials["varied"] == "base")]["error"].mean()
    gain, probe = 100 * tables.chosen_gain(trials, "error") / base, 100 * tables.chosen_gain(trials, "probe")
    text = f"Tuning changed the test error by {gain:+.1f} % and the linear probe by {probe:+.1f} points. "
    if not (trials["varied"] == "chosen").any():
        return Markdown(f"{text}**Surprise:** the base setting itself was chosen; nothing found was better.")
    if gain > 0:
        text += "**Surprise:** what was best on validation digits is worse than the base on test digits. "
    return Markdown(f"{text}Whether that is more than seeds differ, the table of statements below decides.")


def analysis(found: Effects) -> Markdown:
    """What a small code and a deep network did to error and features."""
    relative = found["relative"]
    deepest = relative[relative["hyperparameter"] == "hidden_layers"]["value"].iloc[-1]
    small, deep = ("code_size", "8"), ("hidden_layers", deepest)
    points = {pair: 100 * change(found, *pair, "probe") for pair in (small, deep)}
    text = (
        f"A code of 8 instead of {BASE.code_size} changes the error by {change(found, *small):+.0f} % and the linear "
        f"probe by {points[small]:+.1f} points. {deepest} hidden layers instead of one change the error by "
        f"{change(found, *deep):+.0f} % and the probe by {points[deep]:+.1f} points, at this budget. "
    )
    if change(found, *deep) > 0:
        return Markdown(
            f"{text}**Surprise**, if deeper is better: the deep network is behind, with more to learn in equal time."
        )
    return Markdown(f"{text}Depth pays here.")


def _told(row: pd.Series, unit: str) -> str:
    return f"{row.effect:+.1f} {unit} (95 % interval {row.low:+.1f} to {row.high:+.1f})"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _listed(values: list[str]) -> str:
    return joined(_plain(value) for value in values)


def _search(name: str) -> str:
    return "TPE" if name == "tpe" else name


def _short(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, float) else _plain(str(value))
