"""Run a study: what is not in the cache is computed, here, in several processes or on a cluster."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
from tqdm import tqdm

from lab_utils import cache, machine, mapping
from lab_utils.noise import corrupt, to_unit
from lab_utils.progress import progress
from lab_utils.study.digits import Budget, Digits
from lab_utils.study.export import export
from lab_utils.study.plan import Plan, Trial
from lab_utils.study.space import suggest
from lab_utils.study.tables import results
from lab_utils.study.trial import SCORE_NOISE, run_trial

STARTUP_TRIALS = 8
"""TPE draws at random until it has seen so many trials, and stops none before."""

ASKED_TOGETHER = 4
"""Trials that TPE proposes at a time, whatever the number of workers: so that the same study proposes the same."""

Scored = tuple[Trial, dict[str, Any]]
"""A trial and its scores, see ``trial.Scores``; ``state`` is "complete" or "pruned"."""


class Work(NamedTuple):
    """What all trials of a study share."""

    budget: Budget
    digits: Digits


def run_study(
    plan: Plan,
    digits: Digits,
    storage: str = "",
    *,
    workers: int = 1,
    scheduler: str | None = None,
    show_progress: bool | None = None,
) -> pd.DataFrame:
    """Run a study. Killed and run again it continues, because the trials that were finished are in the cache.

    Parameters
    ----------
    plan : Plan
    digits : Digits
        From ``Digits.of(load_mnist(...), plan.budget)``.
    storage : str
        SQLAlchemy address of a database to which the finished study is exported, for Optuna's dashboard.
    workers : int
        1 runs the trials in this process, more in as many processes; never more than there are cores.
    scheduler : str, optional
        Address of a Dask scheduler, to run on a cluster instead.
    show_progress : bool, optional
        By default a bar with the best error and the time left in a terminal and in JupyterLab, silence elsewhere.

    Returns
    -------
    DataFrame
        One row per trial, see ``tables.results``. ``attrs["computed"]`` counts the trials that the cache did not have.

    Raises
    ------
    LabError
        A process is killed again and again, the cluster does not answer, or the storage cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    work, workers = Work(plan.budget, digits), min(workers, machine.cores())
    bar = progress(sum(plan.sizes().values()), "trial", show_progress)
    with bar, mapping.Map(work, workers=workers, scheduler=scheduler) as run_all:
        runner = _Runner(work, run_all, bar)
        scored = runner.run(plan.known())
        if "tpe" in plan.stages:
            scored += list(_tpe(plan, runner.run, _noise_left_in(plan.budget, digits)))
        scored += runner.run(plan.confirm(results(scored)))
        scored += runner.run(plan.test(results(scored)))
    if storage:
        export(scored, storage)
    frame = results(scored)
    frame.attrs["computed"] = runner.computed
    return frame


class _Runner:
    """Scores lists of trials, shows how far it is, and counts what had to be computed."""

    def __init__(self, work: Work, run_all: mapping.Map, bar: tqdm) -> None:
        self.work, self.run_all, self.bar = work, run_all, bar
        self.computed, self.best = 0, math.inf

    def run(self, trials: list[Trial]) -> list[Scored]:
        """Score trials and return them in their order."""
        found = {trial: kept for trial in trials if (kept := self._kept(trial))}
        for trial, scores in found.items():
            self._show(trial, scores)
        missing = [trial for trial in trials if trial not in found]
        for trial, scores in self.run_all(score, missing):
            found[trial] = scores
            self.computed += 1
            self._show(trial, scores)
        return [(trial, found[trial]) for trial in trials]

    def _kept(self, trial: Trial) -> dict[str, Any] | None:
        value = cache.get(key(trial, self.work)) if cache.enabled() else None
        return value and value["scores"]

    def _show(self, trial: Trial, scores: dict[str, Any]) -> None:
        eligible = trial.held_out == "validation" and trial.setting.passes == 1
        if eligible and scores["state"] == "complete" and scores["error"] is not None:
            self.best = min(self.best, scores["error"])
            self.bar.set_postfix_str(f"best validation error {self.best:.4f}", refresh=False)
        self.bar.update()


def key(trial: Trial, work: Work) -> str:
    """The trial's key in the cache: what it is called and where it stands in the plan do not count."""
    inputs = [trial.setting, trial.seed, trial.held_out, trial.limits, work.budget, work.digits.checksum]
    return cache.key("lab_utils.study.trial", inputs)


def score(trial: Trial, work: Work) -> dict[str, Any]:
    """Compute one trial, in whichever process this is, and keep it."""
    scores = _computed(trial, work)
    if cache.enabled():
        cache.put(key(trial, work), {"scores": scores})
    return scores


def _computed(trial: Trial, work: Work) -> dict[str, Any]:
    curve: list[float] = []

    def report(epoch: int, error: float) -> None:
        curve.append(error)
        if epoch < len(trial.limits) and error > trial.limits[epoch]:
            raise optuna.TrialPruned

    try:
        scores = run_trial(trial.setting, trial.seed, work.budget, work.digits, held_out=trial.held_out, report=report)
    except optuna.TrialPruned:
        return {"state": "pruned", "error": curve[-1], "epochs": len(curve), "diverged": False, "curve": curve}
    plain = {name: None if _is_nan(value) else value for name, value in asdict(scores).items()}
    return plain | {"state": "complete", "curve": curve}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _tpe(plan: Plan, run: Callable[[list[Trial]], list[Scored]], worst: float) -> Iterator[Scored]:
    """Ask TPE for settings, score them, tell it: in order, so that a repeated study proposes the same settings."""
    sampler = optuna.samplers.TPESampler(
        seed=plan.stage_seed("tpe"), n_startup_trials=STARTUP_TRIALS, constant_liar=True
    )
    study = optuna.create_study(sampler=sampler)
    told: list[Scored] = []
    for first in range(0, plan.trials, ASKED_TOGETHER):
        asked = [study.ask() for _ in range(min(ASKED_TOGETHER, plan.trials - first))]
        limits = _limits(told, plan.budget.epochs)
        trials = [Trial("tpe", first + i, "", suggest(ask), plan.seed, limits) for i, ask in enumerate(asked)]
        for ask, (trial, scores) in zip(asked, run(trials), strict=True):
            study.tell(ask, worst if scores["error"] is None else scores["error"])
            told.append((trial, scores))
            yield trial, scores


def _limits(told: list[Scored], epochs: int) -> tuple[float, ...]:
    """Errors by epoch above which a trial is not worth going on with: the median of the finished ones.

    The median stopping rule of Golovin et al. (2017), "Google Vizier", section 3.2.2; the first third of the epochs
    never stops a trial.
    """
    curves = [scores["curve"] for _, scores in told if scores["state"] == "complete" and len(scores["curve"]) == epochs]
    if len(told) < STARTUP_TRIALS or not curves:
        return ()
    medians = np.median(np.array(curves), axis=0)
    return tuple(math.inf if epoch < epochs // 3 else float(median) for epoch, median in enumerate(medians))


def _noise_left_in(budget: Budget, digits: Digits) -> float:
    """The validation error of leaving the noise in: what a diverged trial is worth to TPE."""
    noisy = corrupt(digits.validation, budget.noise_kind, budget.noise_level, SCORE_NOISE)
    return float(((noisy - to_unit(digits.validation)) ** 2).mean())
