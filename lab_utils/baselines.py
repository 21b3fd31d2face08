"""Denoisers that are not autoencoders: what an autoencoder has to beat.

A ``Baseline`` names a method and the grid of settings worth trying; ``tune`` picks the setting with the
lowest error on validation digits and keeps the whole table. Every estimate is clipped to [0, 1].

Clipping shifts grey values: at noise level 0.5 black comes out as 0.2 on average and white as 0.8. A network learns
this from its examples; a filter is not told. So each filter is tried twice: as usually used, and *recalibrated*, its
estimate put through the straight line that fits the validation digits best.

References
----------
Chambolle (2004), total variation; Buades et al. (2005), non-local means; Chang et al. (2000), BayesShrink and
Donoho & Johnstone (1994), VisuShrink (wavelets). All three as implemented in ``skimage.restoration``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.special import log_ndtr
from skimage import restoration
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import ParameterGrid

from lab_utils import cache, metrics, noise
from lab_utils.errors import LabError


@dataclass(frozen=True)
class Examples:
    """Clean digits beside the same digits with noise, both float32 (n, 28, 28) in [0, 1]."""

    clean: np.ndarray
    noisy: np.ndarray
    kind: str
    level: float


SMALLEST_LOG_WEIGHT = -60.0
"""Smaller weights are rounded up to e^-60: they change nothing, but as denormal floats double the time."""

Denoise = Callable[[np.ndarray], np.ndarray]
"""Noisy digits, float (n, 28, 28) in [0, 1], to estimates of the same shape."""


@dataclass(frozen=True)
class Baseline:
    """A method: ``fit(train, **setting)`` returns its ``Denoise``, for every setting of ``grid``.

    One that ``learns`` from the examples has seen what the noise does to grey values; the others can be recalibrated.
    """

    name: str
    fit: Callable[..., Denoise]
    grid: tuple[dict, ...]
    learns: bool = False

    def fitted(self, train: Examples, setting: dict) -> Denoise:
        """The denoiser at one setting, its estimates clipped to [0, 1]."""
        denoise = self.fit(train, **setting)
        return lambda noisy: np.clip(denoise(noisy), 0, 1)


@dataclass(frozen=True)
class Tuned:
    """A baseline at the setting that validation chose, ready to use, and the table it was chosen from.

    ``table`` has one row per setting: ``baseline``, ``setting``, the line's ``slope`` and ``offset`` (1 and 0 where it
    is used as it is), and validation means ``mse``, ``psnr`` (dB).
    """

    name: str
    setting: dict
    table: pd.DataFrame
    denoise: Denoise


def examples(digits: np.ndarray, kind: str, level: float, seed: int) -> Examples:
    """Corrupt digits (uint8 or float, (n, 28, 28)) with ``noise.corrupt`` and keep both sides."""
    return Examples(noise.to_unit(digits), noise.corrupt(digits, kind, level, seed), kind, level)


def tune(baseline: Baseline, train: Examples, validation: Examples, recalibrated: bool = False) -> Tuned:
    """Try the whole grid and choose the setting with the lowest validation MSE.

    Parameters
    ----------
    baseline : Baseline
        One of ``all_baselines``.
    train : Examples
        What the method may learn from; classical filters ignore it.
    validation : Examples
        Chooses the setting, and the line of a recalibration. Never the test digits.
    recalibrated : bool
        Put every estimate through the line that fits the clean validation digits best.

    Returns
    -------
    Tuned
    """
    return _chosen(baseline, train, _tried(baseline, train, validation), recalibrated)


def _tried(baseline: Baseline, train: Examples, validation: Examples) -> pd.DataFrame:
    grid = [{name: str(value) for name, value in setting.items()} for setting in baseline.grid]
    inputs = ["tune", baseline.name, grid, train, validation]
    return cache.remember_table(lambda: _try_all(baseline, train, validation), __name__, inputs)


def _chosen(baseline: Baseline, train: Examples, tried: pd.DataFrame, recalibrated: bool) -> Tuned:
    table = tried[tried["recalibrated"] == recalibrated].drop(columns="recalibrated").reset_index(drop=True)
    place = table["mse"].argmin()
    best, slope, offset = baseline.grid[place], *table.loc[place, ["slope", "offset"]]
    denoise = baseline.fitted(train, best)
    name = f"{baseline.name}, recalibrated" if recalibrated else baseline.name
    return Tuned(name, best, table, lambda noisy: np.clip(offset + slope * denoise(noisy), 0, 1))


def _try_all(baseline: Baseline, train: Examples, validation: Examples) -> pd.DataFrame:
    rows = []
    for setting in baseline.grid:
        estimate = baseline.fitted(train, setting)(validation.noisy)
        coefficients = np.polynomial.Polynomial.fit(estimate.ravel(), validation.clean.ravel(), 1).convert().coef
        line = (*coefficients, 0.0)[:2]  # NumPy leaves the slope out where it is 0
        for recalibrated, (offset, slope) in ((False, (0.0, 1.0)), (True, line)):
            shown = np.clip(offset + slope * estimate, 0, 1)
            rows.append(
                {
                    "baseline": baseline.name,
                    "setting": ", ".join(f"{name} = {value}" for name, value in setting.items()),
                    "recalibrated": recalibrated,
                    "slope": slope,
                    "offset": offset,
                    "mse": metrics.mse(validation.clean, shown).mean(),
                    "psnr": metrics.psnr(validation.clean, shown).mean(),
                }
            )
    return pd.DataFrame(rows)


def tune_all(train: Examples, validation: Examples) -> list[Tuned]:
    """Every baseline that is defined for this kind of noise, tuned; the filters recalibrated as well."""
    methods = [(baseline, train, _tried(baseline, train, validation)) for baseline in all_baselines(train.kind)]
    used = [_chosen(*method, recalibrated=False) for method in methods]
    return used + [_chosen(*method, recalibrated=True) for method in methods if not method[0].learns]


def all_baselines(kind: str = "gaussian") -> list[Baseline]:
    """The methods compared with the autoencoders, simplest first.

    The posterior mean is left out unless ``kind`` is "gaussian": its likelihood is that noise model.
    """
    methods = [BLUR, MEDIAN, TOTAL_VARIATION, NON_LOCAL_MEANS, WAVELET, PCA_PROJECTION, PCA_SHRINKAGE, RIDGE]
    return [*methods, POSTERIOR_MEAN] if kind == "gaussian" else methods


def _grid(**settings: Iterable) -> tuple[dict, ...]:
    return tuple(ParameterGrid({name: list(values) for name, values in settings.items()}))


# Classical filters: they look at one digit and learn nothing -----------------------------------------------


def _filter(denoise: Callable[..., np.ndarray]) -> Callable[..., Denoise]:
    """A ``fit`` that needs no examples."""
    return lambda _, **setting: partial(denoise, **setting)


def _each(denoise: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Apply a filter of single images to a stack of digits."""
    return lambda noisy, **setting: np.stack([denoise(digit, **setting) for digit in noisy])


def gaussian_blur(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian filter of standard deviation ``sigma`` pixels."""
    return ndimage.gaussian_filter(noisy, (0, sigma, sigma))


def median(noisy: np.ndarray, size: int) -> np.ndarray:
    """Median of the ``size`` x ``size`` neighbourhood; size 1 leaves the digit alone."""
    return ndimage.median_filter(noisy, (1, size, size))


# Denoisers that learn from examples ------------------------------------------------------------------------


def fit_pca_projection(train: Examples, components: int) -> Denoise:
    """Project noisy digits on the leading principal components of the clean ones."""
    pca = PCA(components, random_state=0).fit(_pixels(train.clean))
    return lambda noisy: pca.inverse_transform(pca.transform(_pixels(noisy))).reshape(noisy.shape)


def fit_pca_shrinkage(train: Examples, components: int) -> Denoise:
    """The same, each component shrunk by the line that best predicts the clean digits' from the noisy ones'."""
    pca = PCA(components, random_state=0).fit(_pixels(train.clean))
    clean, noisy = (pca.transform(_pixels(digits)) for digits in (train.clean, train.noisy))
    centre = noisy.mean(axis=0)
    slope = np.mean((noisy - centre) * clean, axis=0) / noisy.var(axis=0)  # clean components have mean 0

    def denoise(noisy: np.ndarray) -> np.ndarray:
        shrunk = slope * (pca.transform(_pixels(noisy)) - centre)
        return pca.inverse_transform(shrunk).reshape(noisy.shape)

    return denoise


def fit_ridge(train: Examples, alpha: float) -> Denoise:
    """The best linear map from noisy to clean pixels, with an L2 penalty of strength ``alpha``."""
    ridge = Ridge(alpha, solver="cholesky").fit(_pixels(train.noisy), _pixels(train.clean))
    return lambda noisy: ridge.predict(_pixels(noisy)).reshape(noisy.shape)


def fit_posterior_mean(train: Examples) -> Denoise:
    """The expected clean digit given the noisy one, if the training digits were all the digits there are.

    No denoiser has a lower expected squared error under that prior. The noise model and its level are given,
    not learned. Clipping to [0, 1] makes the likelihood of a pixel y given its clean value x censored: the
    density N(y; x, level²) inside, the probability Phi(-x / level) at y = 0 and Phi((x - 1) / level) at y = 1
    (Tobin 1958, "Estimation of relationships for limited dependent variables", Econometrica 26).

    Raises
    ------
    LabError
        For any other noise, and at level 0, where nothing is left to infer.
    """
    if train.kind != "gaussian" or train.level <= 0:
        raise LabError(
            f"The posterior mean is not defined for {train.kind} noise of level {train.level}.",
            "gaussian noise of level > 0",
            "Leave this baseline out.",
        )
    pixels = np.rint(_pixels(train.clean) * 255).astype(np.uint8)
    return partial(posterior_mean, pixels, train.level)


def posterior_mean(pixels: np.ndarray, level: float, noisy: np.ndarray, block: int = 2_000) -> np.ndarray:
    """Average of the training digits, each weighted by how likely it is to have become ``noisy``.

    Parameters
    ----------
    pixels : ndarray, shape (m, 784), uint8
        Training digits, equally likely a priori.
    level : float
        Standard deviation of the Gaussian noise before clipping, > 0.
    noisy : ndarray, shape (n, 28, 28), float in [0, 1]
        Digits to denoise.
    block : int
        Digits handled at once on either side; bounds the memory (about 100 MB at 2,000), not the result.

    Returns
    -------
    ndarray, shape (n, 28, 28), float32
    """
    blocks = [noisy[start : start + block] for start in range(0, len(noisy), block)]
    return np.concatenate([_posterior_block(pixels, level, part, block) for part in blocks])


def _posterior_block(pixels: np.ndarray, level: float, noisy: np.ndarray, block: int) -> np.ndarray:
    # A clean pixel has one of 256 values, so each term of its log likelihood is a table look-up, and a sum
    # over pixels is a matrix product: evidence (what y is) times terms (what x makes of it). Terms in y alone
    # are the same for every training digit and cancel.
    x = np.arange(256) / 255
    terms = [x / level**2, -(x**2) / (2 * level**2), log_ndtr(-x / level), log_ndtr((x - 1) / level)]
    terms = [term.astype(np.float32) for term in terms]
    y = _pixels(noisy)
    inside = ((y > 0) & (y < 1)).astype(np.float32)
    evidence = [y * inside, inside, (y <= 0).astype(np.float32), (y >= 1).astype(np.float32)]

    # Log-sum-exp over blocks of training digits: sums stay relative to the best log likelihood so far.
    best = np.full((len(y), 1), -np.inf, np.float32)
    total = np.zeros((len(y), 1), np.float32)
    weighted = np.zeros_like(y)
    for start in range(0, len(pixels), block):
        digits = pixels[start : start + block]
        likelihood = sum(e @ term[digits].T for e, term in zip(evidence, terms, strict=True))
        previous, best = best, np.maximum(best, likelihood.max(axis=1, keepdims=True))
        weights = np.exp(np.maximum(likelihood - best, SMALLEST_LOG_WEIGHT))
        total = total * np.exp(previous - best) + weights.sum(axis=1, keepdims=True)
        weighted = weighted * np.exp(previous - best) + weights @ noise.to_unit(digits)
    return (weighted / total).reshape(noisy.shape)


def _pixels(digits: np.ndarray) -> np.ndarray:
    """Digits as rows of 784 pixels."""
    return digits.reshape(len(digits), -1)


BLUR = Baseline("Gaussian blur", _filter(gaussian_blur), _grid(sigma=(0.3, 0.5, 0.7, 0.85, 1.0, 1.3, 1.6)))
MEDIAN = Baseline("median", _filter(median), _grid(size=(1, 3, 5, 7)))
TOTAL_VARIATION = Baseline(
    "total variation",
    _filter(_each(restoration.denoise_tv_chambolle)),
    _grid(weight=(0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)),
)
NON_LOCAL_MEANS = Baseline(
    "non-local means",
    _filter(_each(partial(restoration.denoise_nl_means, patch_size=5, patch_distance=6))),
    _grid(h=(0.05, 0.1, 0.15, 0.18, 0.21, 0.25, 0.3, 0.4)),
)
WAVELET = Baseline(
    "wavelet",
    _filter(_each(restoration.denoise_wavelet)),
    _grid(wavelet=("db2", "sym4"), method=("BayesShrink", "VisuShrink"), sigma=(0.05, 0.1, 0.2, 0.4, 0.8)),
)
PCA_PROJECTION = Baseline(
    "PCA projection", fit_pca_projection, _grid(components=(8, 16, 32, 64, 128, 256)), learns=True
)
PCA_SHRINKAGE = Baseline("PCA, shrunk", fit_pca_shrinkage, _grid(components=(32, 64, 128, 256)), learns=True)
RIDGE = Baseline("linear (ridge)", fit_ridge, _grid(alpha=(1, 10, 100, 1000)), learns=True)
POSTERIOR_MEAN = Baseline("posterior mean", fit_posterior_mean, _grid(), learns=True)
