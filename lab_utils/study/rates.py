"""The learning rate of each changed activation, depth and batch size: retuned once, with ``BUDGET``.

A network of another depth is not worse for being trained at the base's rate, but it may look so. ``make rates`` tries
every changed setting, and the base, at the base's rate times ``FACTORS``, with a seed that no plan uses, and prints the
rate with the smallest validation error: the table ``space.RATES``.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from lab_utils import data, machine, mapping
from lab_utils.progress import progress
from lab_utils.settings import PostLab
from lab_utils.study.digits import Digits
from lab_utils.study.plan import Plan, Trial
from lab_utils.study.run import Work, score
from lab_utils.study.space import BASE, RETUNED, Setting, one_factor_settings

BUDGET = {"train_digits": 8_192, "epochs": 12, "score_digits": 5_000}
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SEEDS = (9_001,)


def candidates() -> Iterator[tuple[str, Setting]]:
    """What is retuned, at every rate: (what is varied, setting)."""
    for varied, setting in one_factor_settings():
        if varied == "base" or varied.split(" at ")[0] in RETUNED:
            for factor in FACTORS:
                yield varied, replace(setting, learning_rate=BASE.learning_rate * factor)


def tune(
    mnist: data.Mnist, lab: PostLab, tried: Iterable[tuple[str, Setting]], workers: int = 1
) -> dict[tuple[str, object], dict[float, float]]:
    """Mean validation error by rate, for each (what is varied, its value); infinite where a seed diverged."""
    plan = Plan.from_settings(lab)
    pairs = [(varied, setting, seed) for varied, setting in tried for seed in SEEDS]
    trials = [Trial("rates", number, *pair) for number, pair in enumerate(pairs)]
    work = Work(plan.budget, Digits.of(mnist, plan.budget))
    errors: dict[tuple[str, object], dict[float, list[float]]] = {}
    with progress(len(trials), "trial", True) as bar, mapping.Map(work, workers=workers) as run_all:
        for trial, scores in run_all(score, trials):
            name = trial.varied.split(" at ")[0]
            value = getattr(trial.setting, name) if name != "base" else ""
            failed = scores["diverged"] or scores["error"] is None
            by_rate = errors.setdefault((trial.varied, value), {})
            by_rate.setdefault(trial.setting.learning_rate, []).append(np.inf if failed else scores["error"])
            bar.update()
    return {key: {rate: float(np.mean(e)) for rate, e in sorted(by_rate.items())} for key, by_rate in errors.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    lab = PostLab(profile="full", seed=given.seed, **BUDGET)
    found = tune(data.load_mnist("auto", given.seed), lab, candidates(), machine.cores())
    for (varied, value), by_rate in found.items():
        best = min(by_rate, key=by_rate.__getitem__)
        told = ", ".join(f"{rate:g}: {error:.5f}" for rate, error in by_rate.items())
        print(f"    ({varied!r}, {value!r}): {best:g},  # {told}")
