"""Results as tidy tables: one row per trial, what each hyperparameter does, curves, importance, Pareto front."""

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pandas as pd

from lab_utils.study.space import HYPERPARAMETER_NAMES, Setting, distributions, label, to_params
from lab_utils.study.trial import SCORE_NAMES
from lab_utils.verdicts.statistics import Sample, difference, fit_priors

if TYPE_CHECKING:
    from lab_utils.study.plan import Plan, Trial

SEARCHES = ("grid", "random", "tpe")
SETTING_NAMES = tuple(item.name for item in fields(Setting))
COLUMNS = ("stage", "trial", "state", "varied", *SETTING_NAMES, "seed", *SCORE_NAMES, "curve")
SMALLEST_STEP = 1e-6
"""Of a score, as a number of float32: equal seeds are equal to this, not to infinity."""

FEWEST_TO_SEARCH = 20
"""Trials of a search below which its shares mean nothing: TPE draws the first ones at random, and prunes none."""

LOWER_IS_BETTER = {"error": True, "probe": False, "ari": False, "gap": True}


def results(scored: Iterable[tuple["Trial", dict[str, Any]]]) -> pd.DataFrame:
    """Scored trials as a table.

    Parameters
    ----------
    scored : iterable of (plan.Trial, dict)
        Trials and their scores, see ``trial.Scores``.

    Returns
    -------
    DataFrame
        One row per trial, columns ``COLUMNS``: the stage, the trial's number in it, its state ("complete" or
        "pruned"), the hyperparameter varied from the base, the six hyperparameters and the strength, the seed, the
        scores, and the validation error after each epoch. A pruned trial has no scores but ``error``, its last
        validation error.
    """
    return pd.DataFrame([_row(trial, scores) for trial, scores in scored], columns=list(COLUMNS))


def _row(trial: "Trial", scores: dict[str, Any]) -> dict[str, Any]:
    return {
        "stage": trial.stage,
        "trial": trial.number,
        "state": scores["state"],
        "varied": trial.varied,
        **vars(trial.setting),
        "seed": trial.seed,
        **{name: np.nan if scores.get(name) is None else scores[name] for name in SCORE_NAMES},
        "curve": scores["curve"],
    }


def csv(frame: pd.DataFrame) -> bytes:
    """A table as the bytes of a CSV file; lists become text with spaces between."""
    plain = frame.assign(curve=[" ".join(f"{value:.6g}" for value in curve) for curve in frame["curve"]])
    return plain.to_csv(index=False, float_format="%.6g").encode()


def as_setting(row: dict[str, Any]) -> Setting:
    """The setting of one row of results."""
    return Setting(**{item.name: item.type(row[item.name]) for item in fields(Setting)})


def value_label(row: dict[str, Any], name: str) -> str:
    """The value of a hyperparameter in one row as a short text, such as "0.003" or "dropout 0.1"."""
    if name == "regularization":
        return label((row["regularization"], float(row["strength"])))
    return label(row[name])


def seeds_mean(frame: pd.DataFrame, score: str) -> pd.Series:
    """Mean of a score over seeds by setting, best first; settings with a seed that diverged are left out."""
    frame = frame.assign(setting=[as_setting(row) for row in frame.to_dict("records")])
    sound = frame.groupby("setting", sort=False).filter(lambda rows: not rows["diverged"].any())
    means = sound.groupby("setting", sort=False)[score].mean()
    return means.sort_values(ascending=LOWER_IS_BETTER.get(score, True), kind="stable")


def at_budget(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that trained for as many epochs as the budget has: with more of them any setting would look better."""
    return frame[frame["passes"] == 1]


def effects(frame: pd.DataFrame, score: str = "error", relative: bool = False) -> pd.DataFrame:
    """What turning each hyperparameter away from the base does to a score.

    Parameters
    ----------
    frame : DataFrame
        From ``results``; its stage "one-factor" is used.
    score : str
        A score column.
    relative : bool
        True gives differences in percent of the base's value.

    Returns
    -------
    DataFrame
        Columns hyperparameter, value (text), mean (of the score itself), effect (difference of the means, of the
        geometric ones if relative), low and high (its 95 % interval over seeds, as ``verdicts.statistics`` has it),
        seeds. The base is a row of every hyperparameter, with effect 0. Seeds that diverged are not in these means.
    """
    stage = frame[(frame["stage"] == "one-factor") & ~frame["diverged"].astype(bool)].dropna(subset=[score])
    forward, back = (np.log, lambda number: 100 * np.expm1(number)) if relative else (np.asarray, float)

    def sample(rows: pd.DataFrame) -> Sample:
        return Sample(forward(rows[score].to_numpy(float)), resolution=SMALLEST_STEP)

    settings = {key: sample(rows) for key, rows in stage.groupby(list(SETTING_NAMES))}
    prior = fit_priors({score: settings.values()})[score]
    base = sample(stage[stage["varied"] == "base"])
    table = []
    for name in HYPERPARAMETER_NAMES:
        tried = stage[stage["varied"].isin((name, "base"))]
        labels = [value_label(row, name) for row in tried.to_dict("records")]
        for value, rows in tried.groupby(pd.Series(labels, index=tried.index, dtype=object), sort=False):
            interval = (0.0, 0.0, 0.0)
            if not (rows["varied"] == "base").all():
                found = difference(sample(rows), base, prior)
                interval = tuple(back(number) for number in (found.effect, *found.interval()))
            table.append((name, value, rows[score].mean(), *interval, len(rows)))
    return pd.DataFrame(table, columns=["hyperparameter", "value", "mean", "effect", "low", "high", "seeds"])


def missing(plan: "Plan", frame: pd.DataFrame) -> int:
    """How many trials of the stages whose size is planned are missing, or there twice."""
    sizes = {stage: size for stage, size in plan.sizes().items() if stage not in ("confirm", "test")}
    return sum(abs(size - int((frame["stage"] == stage).sum())) for stage, size in sizes.items())


def searched(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials of the searches that ran to their end."""
    return frame[frame["stage"].isin(SEARCHES) & (frame["state"] == "complete")]


def enough_to_search(frame: pd.DataFrame) -> bool:
    """Whether each search had so many trials that TPE, pruning and shares of importance mean something."""
    return int(frame[frame["stage"].isin(SEARCHES)].groupby("stage").size().max()) >= FEWEST_TO_SEARCH


def chosen_gain(frame: pd.DataFrame, score: str) -> float:
    """What the chosen setting changes on test digits: mean minus the base's; 0 where the base itself was chosen."""
    means = frame[frame["stage"] == "test"].groupby("varied")[score].mean()
    return float(means.get("chosen", means["base"]) - means["base"])


def learning_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """The curves in long form: columns stage, trial, varied, value, seed, diverged, epoch (from 1), error."""
    rows = []
    for row in frame.to_dict("records"):
        name = row["varied"] if row["varied"] in HYPERPARAMETER_NAMES else None
        value = value_label(row, name) if name else row["varied"]
        told = (row["stage"], row["trial"], row["varied"], value, row["seed"], row["diverged"])
        rows += [(*told, epoch, error) for epoch, error in enumerate(row["curve"], start=1)]
    return pd.DataFrame(rows, columns=["stage", "trial", "varied", "value", "seed", "diverged", "epoch", "error"])


def best_so_far(frame: pd.DataFrame) -> pd.DataFrame:
    """The lowest validation error found after each trial of each search: columns stage, trial (from 1), error."""
    rows = frame[frame["stage"].isin(SEARCHES)].sort_values(["stage", "trial"])
    complete = rows["error"].where(rows["state"] == "complete")
    best = complete.groupby(rows["stage"]).cummin().groupby(rows["stage"]).ffill()
    return pd.DataFrame({"stage": rows["stage"], "trial": rows["trial"] + 1, "error": best}).dropna()


def importance(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of each hyperparameter in the variance of the validation error over the searched settings (fANOVA).

    Returns
    -------
    DataFrame
        Columns hyperparameter, importance (they add up to 1), largest first. Strengths, which not every trial has, are
        left out.

    References
    ----------
    Hutter, Hoos, Leyton-Brown (2014), "An efficient approach for assessing hyperparameter importance", ICML.
    """
    domains = dict(distributions())
    study = optuna.create_study(direction="minimize")
    for row in searched(frame).dropna(subset=["error"]).to_dict("records"):
        params = to_params(as_setting(row))
        known = {name: domains[name] for name in params}
        study.add_trial(optuna.create_trial(params=params, distributions=known, value=row["error"]))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator, params=list(HYPERPARAMETER_NAMES))
    return pd.DataFrame(shares.items(), columns=["hyperparameter", "importance"])


def pareto(frame: pd.DataFrame) -> pd.Series:
    """Which trials no other beats in both error and probe accuracy: booleans, indexed as ``frame``."""
    error, probe = frame["error"].to_numpy(), frame["probe"].to_numpy()
    usable = np.isfinite(error) & np.isfinite(probe)
    as_good = (error[None] <= error[:, None]) & (probe[None] >= probe[:, None])
    better = as_good & ((error[None] < error[:, None]) | (probe[None] > probe[:, None]))
    return pd.Series(usable & ~(better & usable[None]).any(axis=1), index=frame.index)
