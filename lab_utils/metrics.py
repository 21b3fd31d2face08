"""Image quality of denoised digits, digit by digit, and the interval of a mean.

Every metric takes two stacks of the same digits, floats in [0, 1], and returns one number per digit. Stacks
of shape (n, 28, 28), (n, 28, 28, 1) and (n, 784) are all understood. Average with ``mean_interval``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from skimage.metrics import structural_similarity

from lab_utils.errors import LabError

KERAS_EPSILON = 1e-7
"""Keras clips probabilities to [1e-7, 1 - 1e-7] before the logarithm (``keras.config.epsilon``)."""


SMALLEST_MSE = (1 / 255) ** 2 / 784
"""The smallest error that digits of 256 grey levels can show: one pixel of 784, wrong by one level."""


class Interval(NamedTuple):
    """A mean and the two ends of its confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float


def _pair(clean: np.ndarray, estimate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both stacks as float64 (n, 28, 28); float64 so that a mean over many pixels loses nothing.

    Without this check, (n, 28, 28) against (n, 28, 28, 1) would broadcast, and uint8 would wrap around.
    """
    for name, digits in (("clean", clean), ("estimate", estimate)):
        if not np.issubdtype(digits.dtype, np.floating):
            raise LabError(f"{name} has dtype {digits.dtype}.", "floats in [0, 1]", "Divide uint8 digits by 255.")
    clean, estimate = (digits.reshape(-1, 28, 28).astype(np.float64) for digits in (clean, estimate))
    if len(clean) != len(estimate):
        raise LabError(
            f"{len(clean)} clean digits against {len(estimate)} estimates.",
            "as many of one as of the other",
            "Compare each estimate with the clean digit it was made from.",
        )
    return clean, estimate


def mse(clean: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Mean squared error per pixel.

    Returns
    -------
    ndarray, shape (n,), float64
        One value per digit, in squared pixel units (pixels in [0, 1]).
    """
    clean, estimate = _pair(clean, estimate)
    return np.mean((clean - estimate) ** 2, axis=(1, 2))


def psnr(clean: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio, 10 log10(1 / MSE), for a peak of 1.

    Without an error the ratio is infinite, and so would be the mean of any set with one digit that the noise left
    unchanged (masking of a few pixels does that). The error is therefore taken to be at least ``SMALLEST_MSE``: the
    clean digits are known to 256 grey levels only, and no smaller error can be seen on that grid.

    Returns
    -------
    ndarray, shape (n,), float64
        One value per digit, in dB, at most 77.07.
    """
    return -10 * np.log10(np.maximum(mse(clean, estimate), SMALLEST_MSE))


def ssim(clean: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Structural similarity, at most 1 (identical), with scikit-image's 7 x 7 uniform window.

    Returns
    -------
    ndarray, shape (n,), float64
        One value per digit (about 0.1 ms each).

    References
    ----------
    Wang et al. (2004), "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13.
    """
    pairs = zip(*_pair(clean, estimate), strict=True)
    return np.array([structural_similarity(digit, guess, data_range=1.0) for digit, guess in pairs])


def bce(clean: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Binary cross-entropy per pixel, as Keras computes the manual's loss.

    Grey pixels are no events, so the smallest possible value is the entropy of the clean digit, not 0.

    Returns
    -------
    ndarray, shape (n,), float64
        One value per digit, in nats per pixel; estimates are clipped by ``KERAS_EPSILON``. Computed in float64:
        Keras' float32 puts a pixel that is wrongly 1 at 15.9 instead of 16.1.
    """
    clean, estimate = _pair(clean, estimate)
    estimate = np.clip(estimate, KERAS_EPSILON, 1 - KERAS_EPSILON)
    return -np.mean(clean * np.log(estimate) + (1 - clean) * np.log1p(-estimate), axis=(1, 2))


def quality(clean: np.ndarray, estimate: np.ndarray) -> pd.DataFrame:
    """All four metrics of the same digits.

    Returns
    -------
    DataFrame
        One row per digit; columns ``mse``, ``psnr`` (dB), ``ssim``, ``bce`` (nats per pixel).
    """
    return pd.DataFrame({metric.__name__: metric(clean, estimate) for metric in (mse, psnr, ssim, bce)})


def extremes(values: Sequence[float], count: int = 4) -> np.ndarray:
    """Positions of the ``count`` largest values, of as many from the middle, and of the smallest, in this order."""
    order = np.argsort(np.asarray(values))[::-1]
    middle = (len(order) - count) // 2
    return np.concatenate([order[:count], order[middle : middle + count], order[-count:]])


def captions(table: pd.DataFrame) -> list[str]:
    """What stands under each digit of a picture: PSNR and SSIM, of rows of ``quality``."""
    return [f"{row.psnr:.1f} dB\n{row.ssim:.2f}" for row in table.itertuples()]


def by_class(psnr: pd.Series, labels: np.ndarray) -> pd.DataFrame:
    """Mean PSNR (dB) of each class and of all digits, with intervals: ``psnr``, ``psnr_low``, ``psnr_high``."""
    groups = {f"digit {digit}": values for digit, values in psnr.groupby(labels)} | {"all": psnr}
    rows = [mean_interval(values) for values in groups.values()]
    return pd.DataFrame(rows, index=list(groups), columns=["psnr", "psnr_low", "psnr_high"])


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Mean of independent values with Student's t interval.

    The t interval serves both uses of the lab: a few seeds, where the bootstrap is far too narrow, and
    hundreds of digits, where the mean is close to normal whatever the values look like.

    Parameters
    ----------
    values : array_like, shape (n,)
        One value per digit, or one per seed.
    confidence : float
        Coverage of the interval, in (0, 1).

    Returns
    -------
    Interval
        Mean, low, high. The ends are NaN where no interval exists: for a single value, and where one is not
        finite.

    References
    ----------
    Student (1908), "The probable error of a mean", Biometrika 6.
    """
    values = np.asarray(values, dtype=np.float64)
    mean = float(np.mean(values))
    if len(values) < 2 or not np.isfinite(mean):
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * stats.sem(values))
    return Interval(mean, mean - half, mean + half)


def paired_interval(values: np.ndarray, others: np.ndarray, confidence: float = 0.95) -> Interval:
    """Mean of ``values - others`` with its t interval, for two methods measured on the same digits or seeds.

    Pairing removes what both share (some digits are harder for everyone), so the interval is narrower than
    the two separate intervals suggest.

    Parameters
    ----------
    values, others : array_like, shape (n,)
        Measured on the same digits (or seeds) in the same order.
    confidence : float
        Coverage of the interval, in (0, 1).

    Returns
    -------
    Interval
        Mean difference, low, high; an interval that does not hold 0 is a resolved difference.
    """
    values, others = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if values.shape != others.shape:
        raise LabError(
            f"{values.shape} values against {others.shape}.", "equal shapes", "Pair the same digits or seeds."
        )
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and so is the interval
        return mean_interval(values - others, confidence)


def summary(clean: np.ndarray, estimates: Sequence[np.ndarray]) -> dict[str, float]:
    """One method's quality: averaged over its seeds, with an interval over digits and the range over seeds.

    Parameters
    ----------
    clean : ndarray, shape (n, 28, 28), in [0, 1]
    estimates : sequence of ndarray, shape (n, 28, 28), in [0, 1]
        One per seed; a method without randomness has one.

    Returns
    -------
    dict
        Means ``mse``, ``psnr`` (dB), ``ssim``, ``bce``; ``psnr_low`` and ``psnr_high``, the 95 % interval over
        digits; ``seeds``; ``seed_range``, largest minus smallest mean PSNR (dB), NaN for a single seed.
    """
    tables = [quality(clean, estimate) for estimate in estimates]
    mean = sum(tables) / len(tables)
    interval = mean_interval(mean["psnr"])
    by_seed = [table["psnr"].mean() for table in tables]
    return mean.mean().to_dict() | {
        "psnr_low": interval.low,
        "psnr_high": interval.high,
        "seeds": len(tables),
        "seed_range": max(by_seed) - min(by_seed) if len(tables) > 1 else float("nan"),
    }


def summaries(clean: np.ndarray, estimates: Mapping[str, Sequence[np.ndarray]]) -> pd.DataFrame:
    """``summary`` of several methods: a row for each name."""
    return pd.DataFrame({name: summary(clean, several) for name, several in estimates.items()}).T
