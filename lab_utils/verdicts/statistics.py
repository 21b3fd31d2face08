"""The statistics under the verdicts: a moderated t test for few seeds, an exact one for failures, Holm for many tests.

Two settings are compared by the means of their seeds. The seeds are not paired: a seed draws other weights for another
setting, and pairs of the study's scores have no correlation that would pay for the degrees of freedom. A variance from
two or three seeds is hardly known, so it is shrunk towards what the other settings of the study say (Smyth 2004). Where
the two variances differ, the degrees of freedom are those of the side with fewer: Welch's approximation, which lies
between these and the sum, is too sure in the far tails that many tests need (Mickey and Brown 1966). What did not end
in a number, because it diverged or never got there, is never dropped: then the counts of such seeds are compared, by
Fisher's exact test.

References
----------
Smyth (2004), "Linear models and empirical Bayes methods for assessing differential expression", Statistical
Applications in Genetics and Molecular Biology 3; sections 5 and 6.2. Mickey and Brown (1966), "Bounds on the
distribution functions of the Behrens-Fisher statistic", Annals of Mathematical Statistics 37. Daniels (1999), "A prior
for the variance in hierarchical models", Canadian Journal of Statistics 27. Holm (1979), "A simple sequentially
rejective multiple test procedure", Scandinavian Journal of Statistics 6.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

LEVEL = 0.05
FEWEST_VARIANCES = 3
"""Fewer settings say nothing of how variances differ: then each setting is left with its own."""

SHARES = (np.arange(16) + 0.5) / 16
"""Of a variance, how much of it the other settings tell: every share is as likely beforehand."""

SUPPORTED, NEGLIGIBLE, OPPOSITE = "supported", "negligible", "opposite"
UNRESOLVED, UNMEASURED = "not resolved", "cannot be measured at this size"


@dataclass(frozen=True)
class Sample:
    """What the seeds of one setting measured, on the scale on which settings are compared.

    Parameters
    ----------
    values : ndarray, shape (n,), float
        One per seed that ended in a number.
    failed : int
        Seeds that did not: they diverged, or never reached what was asked for.
    resolution : float
        The smallest step of the measure, such as one of a thousand digits.
    fixed : bool
        A method without randomness: its value is known up to the resolution, whatever the number of seeds.
    """

    values: np.ndarray
    failed: int = 0
    resolution: float = 0.0
    fixed: bool = False

    @property
    def seeds(self) -> int:
        """All of them, the failed ones too."""
        return len(self.values) + self.failed

    @property
    def random(self) -> bool:
        """Whether it tells a variance: seeds that differ by less than a step of the measure do not."""
        return len(self.values) > 1 and not self.fixed and self.values.var(ddof=1) > self.rounding

    @property
    def rounding(self) -> float:
        """Variance of what reading the measure in steps adds: a uniform error of one step (JCGM 100:2008, 4.3.7)."""
        return self.resolution**2 / 12


class Prior(NamedTuple):
    """What the settings of a study say of a variance: as much as ``df`` further seeds that found ``variance``.

    How much that is, the few settings of a study do not tell exactly, so ``df`` and ``variance`` are arrays, and
    ``weights`` their probabilities. ``pooled`` is the sum of the settings' own degrees of freedom: no test has more.
    """

    df: np.ndarray
    variance: np.ndarray
    weights: np.ndarray
    pooled: float


class Difference(NamedTuple):
    """A difference of two means; its standard error, and the degrees of freedom, for each case of the prior."""

    effect: float
    error: np.ndarray
    df: np.ndarray
    weights: np.ndarray

    def below(self, value: float) -> float:
        """One-sided p of the claim that the effect is below ``value``."""
        return float(self.weights @ special.stdtr(self.df, (self.effect - value) / self.error))

    def above(self, value: float) -> float:
        """One-sided p of the claim that the effect is above ``value``."""
        return float(self.weights @ special.stdtr(self.df, (value - self.effect) / self.error))

    def interval(self) -> tuple[float, float]:
        """Both ends of the 95 % interval; NaN where no seed tells the error."""
        if not np.all(np.isfinite(self.error)):
            return np.nan, np.nan
        halves = special.stdtrit(self.df, 1 - LEVEL / 2) * self.error
        tail = lambda half: self.weights @ special.stdtr(self.df, -half / self.error) - LEVEL / 2  # noqa: E731
        half = optimize.brentq(tail, halves.min() * 0.999, halves.max() * 1.001)
        return self.effect - half, self.effect + half


def fit_priors(measures: Mapping[str, Iterable[Sample]]) -> dict[str, Prior]:
    """For each measure of a study, the scaled F distribution of its settings' variances.

    For given degrees of freedom of the prior its variance follows from the moments of the logarithms, as in limma's
    ``fitFDist``. limma estimates these degrees of freedom from thousands of genes; from a dozen settings of two seeds
    the estimate is as often as not infinite, and where the variances differ the tests would be too sure. So they are
    integrated out, under the uniform shrinkage prior (Daniels 1999), and all measures of the study tell them together:
    a setting that is restless is so in more than one measure.
    """
    random = {name: [one for one in samples if one.random] for name, samples in measures.items()}
    usual = [len(sample.values) - 1 for samples in random.values() for sample in samples]
    prior_df = np.median(usual or [1]) * SHARES / (1 - SHARES)
    fits = {name: _fit_variance(samples, prior_df) for name, samples in random.items()}
    known = [likelihood for _, likelihood in fits.values() if likelihood is not None]
    weights = special.softmax(np.sum(known, axis=0)) if known else None
    priors = {}
    for name, (variance, likelihood) in fits.items():
        pooled = float(sum(len(sample.values) - 1 for sample in random[name]))
        alone = Prior(np.zeros(1), np.ones(1), np.ones(1), pooled)
        priors[name] = alone if likelihood is None else Prior(prior_df, variance, weights, pooled)
    return priors


def _fit_variance(samples: list[Sample], prior_df: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The prior's variance for each of its degrees of freedom, and the log likelihood; None of too few settings."""
    if len(samples) < FEWEST_VARIANCES:
        return np.ones(1), None
    df = np.array([len(sample.values) - 1.0 for sample in samples])
    variances = np.array([sample.values.var(ddof=1) for sample in samples])
    logs = np.log(variances) - special.digamma(df / 2) + np.log(df / 2)
    variance = np.exp(logs.mean() + special.digamma(prior_df / 2) - np.log(prior_df / 2))
    likelihood = _log_f(variances / variance[:, None], df, prior_df[:, None]) - np.log(variance)[:, None]
    return variance, likelihood.sum(axis=1)


def _log_f(ratio: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Log density of the F distribution (scipy.stats.f.logpdf, which is ten times slower on small arrays)."""
    scaled = first * ratio / second
    return (
        (first / 2 - 1) * np.log(ratio)
        + first / 2 * np.log(first / second)
        - (first + second) / 2 * np.log1p(scaled)
        - special.betaln(first / 2, second / 2)
    )


def difference(first: Sample, second: Sample, prior: Prior) -> Difference:
    """First mean minus second; the error is NaN where no seed tells it."""
    (one, one_df), (other, other_df) = (_mean_variance(sample, prior) for sample in (first, second))
    effect = float(np.mean(first.values) - np.mean(second.values))
    return Difference(effect, np.sqrt(one + other), np.minimum(one_df, other_df), prior.weights)


def _mean_variance(sample: Sample, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Variance of a sample's mean, never below the measure's resolution, and its degrees of freedom."""
    own = len(sample.values) - 1
    if sample.fixed:
        return np.full_like(prior.df, sample.rounding), np.full_like(prior.df, np.inf)
    spread = sample.values.var(ddof=1) if own else 0.0
    df = prior.df + own
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (prior.df * prior.variance + own * spread) / df
    return np.maximum(variance / len(sample.values), sample.rounding), np.minimum(df, max(prior.pooled, 1.0))


def decide(found: Difference, threshold: float, two_sided: bool = False) -> tuple[str, float]:
    """The verdict on "the effect is above the threshold", and the smallest level at which the interval gives it.

    *Supported*: the interval lies above the threshold. *Opposite*: below 0 (below a negative threshold, which is a
    margin: "not worse by more than this"). *Negligible*: the effect has the right sign, and the interval lies within
    the threshold on both sides of 0. ``two_sided`` is the claim that there is no effect as large as the threshold:
    supported inside, opposite outside.
    """
    if not np.all(np.isfinite(found.error)):
        return UNMEASURED, np.nan
    within = max(found.below(abs(threshold)), found.above(-abs(threshold)))
    if two_sided:
        outside = min(found.above(abs(threshold)), found.below(-abs(threshold)))
        levels = {SUPPORTED: within, OPPOSITE: outside}
    else:
        levels = {SUPPORTED: found.above(threshold), OPPOSITE: found.below(min(0.0, threshold))}
        if threshold > 0 and found.effect >= 0:
            levels[NEGLIGIBLE] = within
    word = min(levels, key=levels.get)
    p = min(1.0, 2 * levels[word])  # both ends of a 95 % interval
    return (word if p <= LEVEL else UNRESOLVED), p


def compare_failures(first: Sample, second: Sample) -> tuple[str, float]:
    """The verdict on "more seeds of the first fail", by Fisher's exact test on both sides."""
    counts = [[sample.failed, len(sample.values)] for sample in (first, second)]
    more, fewer = (stats.fisher_exact(counts, side).pvalue for side in ("greater", "less"))
    p = min(1.0, 2 * min(more, fewer))
    word = SUPPORTED if more < fewer else OPPOSITE
    return (word if p <= LEVEL else UNRESOLVED), float(p)


def holm(levels: Sequence[float]) -> np.ndarray:
    """p values adjusted so that with all of them the chance of one false verdict is at most the level."""
    levels = np.asarray(levels, dtype=np.float64)
    order = np.argsort(levels, kind="stable")
    steps = levels[order] * np.arange(len(levels), 0, -1)
    adjusted = np.empty_like(levels)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted
