"""The class as an experiment: each student ran with a seed of their own, so each is a replication.

For each of the manual's statements the students' effects are pooled by a random-effects meta-analysis.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from lab_utils.course.collected import Effect
from lab_utils.verdicts import published, thresholds
from lab_utils.verdicts.hypotheses import HYPOTHESES, Hypothesis
from lab_utils.verdicts.measures import MEASURES
from lab_utils.verdicts.statistics import Difference, decide

FEWEST = 2
FEWEST_TO_STAND_APART = 5
LEVEL = 0.05
NORMAL = 1.959964  # half of a 95 % interval, in standard errors


@dataclass(frozen=True)
class Estimate:
    """A pooled effect.

    Attributes
    ----------
    found : Difference
        The mean effect, its standard error and its degrees of freedom.
    between : float
        Variance of the true effects between students.
    i2 : float
        Share of the spread between students that is more than their own errors explain, 0 to 1.
    """

    found: Difference
    between: float
    i2: float


@dataclass(frozen=True)
class Pooled:
    """What a class says of one hypothesis; all numbers but ``i2`` are in the unit of its threshold.

    Attributes
    ----------
    id, statement, test, unit, verdict : str
    threshold : float
    effects : dict
        By student ID.
    effect, low, high : float
        Pooled, with its 95 % interval.
    i2 : float
    published : tuple of float, optional
        Effect and interval of the published run.
    apart : list of str
        Students whose effect lies far from the others'.
    """

    id: str
    statement: str
    test: str
    unit: str
    threshold: float
    effects: dict[str, Effect]
    effect: float
    low: float
    high: float
    i2: float
    verdict: str
    published: Effect | None
    apart: list[str]


def pool(students: Mapping[str, Mapping[str, Effect]]) -> list[Pooled]:
    """Pool the effects of a class, one row for each hypothesis that at least two students have a number for.

    Parameters
    ----------
    students : mapping
        Effect and interval by hypothesis, by student ID.

    Returns
    -------
    list of Pooled
        In the manual's order.

    Notes
    -----
    No student's error counts as smaller than the median of the class: of few seeds a far smaller one is luck, and
    would give that student most of the weight. (Without this, intervals of synthetic classes cover the truth in 93.8 %
    instead of 95 %.)
    """
    own = {h.id: {s: effects[h.id] for s, effects in students.items() if _usable(h, effects)} for h in HYPOTHESES}
    wanted = [h for h in HYPOTHESES if len(own[h.id]) >= FEWEST]
    tests = sum(len(own[h.id]) for h in wanted)
    known = {row["id"]: (row["effect"], row["low"], row["high"]) for row in published.read()["rows"]}
    return [_pooled(h, own[h.id], tests, known.get(h.id)) for h in wanted]


def _usable(hypothesis: Hypothesis, effects: Mapping[str, Effect]) -> bool:
    """Whether a student has finite numbers for it that its scale can hold."""
    numbers = effects.get(hypothesis.id)
    lowest = -100 if MEASURES[hypothesis.measure].ratio else -np.inf
    return numbers is not None and bool(np.all(np.isfinite(numbers))) and min(numbers) > lowest


def _pooled(hypothesis: Hypothesis, own: dict[str, Effect], tests: int, known: tuple | None) -> Pooled:
    measure, limit = MEASURES[hypothesis.measure], thresholds.HYPOTHESES[hypothesis.limit]
    scaled = np.array([[measure.to_scale(number) for number in numbers] for numbers in own.values()])
    threshold = measure.to_scale(limit.value)
    errors = np.maximum(np.abs(scaled[:, 2] - scaled[:, 1]) / (2 * NORMAL), 1e-3 * (abs(threshold) or 1.0))
    estimate = combine(scaled[:, 0], np.maximum(errors, np.median(errors)) ** 2)
    verdict, _ = decide(estimate.found, threshold, hypothesis.two_sided)
    numbers = [measure.to_unit(number) for number in (estimate.found.effect, *estimate.found.interval())]
    far = stand_apart(scaled[:, 0], errors, tests)
    return Pooled(
        hypothesis.id,
        hypothesis.statement,
        hypothesis.test,
        limit.unit,
        limit.value,
        own,
        *map(float, numbers),
        estimate.i2,
        verdict,
        known if known and None not in known else None,
        [student for student, is_far in zip(own, far, strict=True) if is_far],
    )


def combine(effects: np.ndarray, variances: np.ndarray) -> Estimate:
    """The mean of effects that are themselves spread, by random effects.

    The variance between students is Paule and Mandel's; the interval is Hartung and Knapp's, whose t quantile holds
    its 95 % for few students and for errors that are known badly, where the normal one does not.

    Parameters
    ----------
    effects, variances : array of shape (k,)
        Of k students; the variances are positive.

    References
    ----------
    R. Paule and J. Mandel (1982). Journal of Research of the NBS 87, 377-385. G. Knapp and J. Hartung (2003).
    Statistics in Medicine 22, 2693-2710. J. Higgins and S. Thompson (2002). Statistics in Medicine 21, 1539-1558.
    """
    df = len(effects) - 1

    def excess(between: float) -> float:
        weights = 1 / (variances + between)
        return float(weights @ (effects - np.average(effects, weights=weights)) ** 2 - df)

    q = excess(0.0) + df
    widest = float(np.ptp(effects)) ** 2 * (df + 1)
    between = optimize.brentq(excess, 0.0, widest) if q > df and excess(widest) < 0 else 0.0
    weights = 1 / (variances + between)
    mean = float(np.average(effects, weights=weights))
    error = np.sqrt(max(weights @ (effects - mean) ** 2 / df, 1e-6) / weights.sum())  # all alike: as good as none
    found = Difference(mean, np.array([error]), np.array([float(df)]), np.ones(1))
    return Estimate(found, between, max(0.0, 1 - df / q) if q > 0 else 0.0)


def stand_apart(effects: np.ndarray, errors: np.ndarray, tests: int) -> np.ndarray:
    """Which effects lie farther from the median than chance would put any of so many.

    The spread is the median absolute deviation, which no outlier moves, or the student's own error where that is
    larger; the bound is Bonferroni's for all tests of the class together.
    """
    if len(effects) < FEWEST_TO_STAND_APART:
        return np.zeros(len(effects), dtype=bool)
    middle = np.median(effects)
    spread = np.maximum(1.4826 * np.median(np.abs(effects - middle)), errors)
    return np.abs(effects - middle) / spread > stats.t.isf(LEVEL / 2 / tests, len(effects) - 2)


def look_at(rows: Iterable[Pooled]) -> dict[str, list[str]]:
    """Ids of the hypotheses in which a student stands apart, by student ID."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for student in row.apart:
            found.setdefault(student, []).append(row.id)
    return found
