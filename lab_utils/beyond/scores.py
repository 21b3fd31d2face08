"""The experiments of the fourth notebook: denoisers trained alike but for one thing, and what is measured on them.

Noise is Gaussian throughout: its formulas are known, and the experiments test them.
"""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from lab_utils import metrics, models, training
from lab_utils.baselines import posterior_mean
from lab_utils.beyond.networks import reference
from lab_utils.noise import corrupt, to_unit

CODE_SIZE = 64


@dataclass(frozen=True)
class Experiment:
    """Compact denoisers that differ in one thing: what `fit` is told to change.

    Parameters
    ----------
    train, validation : ndarray, shape (n, 28, 28), uint8
    recipe : training.Recipe
    seeds : sequence of int
        One denoiser is trained with each.
    """

    train: np.ndarray
    validation: np.ndarray
    recipe: training.Recipe
    seeds: Sequence[int]

    def fit(self, digits: np.ndarray | None = None, **change: Any) -> list[training.Run]:
        """One run per seed, on ``digits`` (by default ``train``), with the recipe but for what is changed."""
        digits = self.train if digits is None else digits
        return [self._fit(digits, replace(self.recipe, **change, seed=seed)) for seed in self.seeds]

    @property
    def quarter(self) -> np.ndarray:
        """The first quarter of ``train``, or four batches if that is more: a schedule needs a few steps."""
        return self.train[: max(len(self.train) // 4, 4 * self.recipe.batch_size)]

    def _fit(self, digits: np.ndarray, recipe: training.Recipe) -> training.Run:
        return training.fit(models.compact(recipe.seed, code_size=CODE_SIZE), digits, self.validation, recipe)


def denoise(runs: Sequence[training.Run], noisy: np.ndarray) -> list[np.ndarray]:
    """What each of several runs makes of the same noisy digits, (n, 28, 28)."""
    return [run.denoise(noisy) for run in runs]


def psnr(clean: np.ndarray, estimates: Sequence[np.ndarray]) -> list[float]:
    """Mean PSNR (dB) over the digits of each estimate, one estimate per seed."""
    return [float(metrics.psnr(clean, estimate).mean()) for estimate in estimates]


def intervals(values: Mapping[str, Sequence[float]], name: str) -> pd.DataFrame:
    """Mean of each row's values with its 95 % interval: columns ``name``, ``name_low``, ``name_high``."""
    return pd.DataFrame(
        [metrics.mean_interval(row) for row in values.values()],
        index=list(values),
        columns=[name, f"{name}_low", f"{name}_high"],
    )


# No clean digit needed ---------------------------------------------------------------------------------------


def clipped_mean(pixels: np.ndarray, level: float) -> np.ndarray:
    """Mean of clip(x + level * N(0, 1), 0, 1): what a clean pixel x becomes on average.

    Parameters
    ----------
    pixels : ndarray in [0, 1]
    level : float
        Standard deviation of the noise before clipping, > 0.
    """
    low, high = -pixels / level, (1 - pixels) / level
    inside = norm.cdf(high) - norm.cdf(low)
    return pixels * inside + level * (norm.pdf(low) - norm.pdf(high)) + norm.sf(high)


def unclipped(means: np.ndarray, level: float) -> np.ndarray:
    """The clean pixels whose ``clipped_mean`` these are; means that no pixel has go to the nearer end of [0, 1]."""
    pixels = np.linspace(0, 1, 1_001)
    return np.interp(means, clipped_mean(pixels, level), pixels).astype(np.float32)


def clipping(level: float) -> pd.DataFrame:
    """What a clean pixel becomes on average, clipped and not: columns ``pixel``, ``noise``, ``mean``."""
    pixels = np.linspace(0, 1, 21)
    means = {"not clipped": pixels, "clipped": clipped_mean(pixels, level)}
    return pd.concat(pd.DataFrame({"pixel": pixels, "noise": name, "mean": mean}) for name, mean in means.items())


# One net, all levels -----------------------------------------------------------------------------------------


def transfer(
    runs: Mapping[str, Sequence[training.Run]], digits: np.ndarray, levels: Sequence[float], seed: int
) -> pd.DataFrame:
    """PSNR (dB) of denoisers on noise of other levels: columns ``denoiser``, ``level``, ``seed``, ``psnr``."""
    clean = to_unit(digits)
    rows = []
    for level in levels:
        noisy = corrupt(digits, "gaussian", level, seed)
        for name, several in runs.items():
            quality = psnr(clean, denoise(several, noisy))
            rows += [(name, level, place, value) for place, value in enumerate(quality)]
    return pd.DataFrame(rows, columns=["denoiser", "level", "seed", "psnr"])


# The residual is a score -------------------------------------------------------------------------------------


def tweedie(digits: np.ndarray, level: float, noisy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sides of Tweedie's identity, if ``digits`` were all the digits there are.

    Parameters
    ----------
    digits : ndarray, shape (m, 28, 28), uint8 or float in [0, 1]
        Equally likely.
    level : float
        Standard deviation of the noise, which is not clipped.
    noisy : ndarray, shape (n, 28, 28)

    Returns
    -------
    ndarray, ndarray, shape (n, 28, 28), float64
        The noisy digits after one step of level² along the slope of log p(noisy), by automatic differentiation;
        and the mean of ``digits``, each weighted by how likely it is to have become the noisy one.
    """
    centres = tf.constant(to_unit(digits).reshape(len(digits), -1), tf.float64)
    points = tf.constant(noisy.reshape(len(noisy), -1), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(points)
        distances = tf.reduce_sum(points**2, 1)[:, None] - 2 * points @ tf.transpose(centres)
        exponents = -(distances + tf.reduce_sum(centres**2, 1)) / (2 * level**2)
        log_density = tf.reduce_logsumexp(exponents, axis=1)
    stepped = points + level**2 * tape.gradient(log_density, points)
    mean = tf.nn.softmax(exponents) @ centres
    return stepped.numpy().reshape(noisy.shape), mean.numpy().reshape(noisy.shape)


# The best there is -------------------------------------------------------------------------------------------


def memorising(experiment: Experiment, counts: Sequence[int], test: np.ndarray) -> pd.DataFrame:
    """Networks and posterior means that were given few digits or many, on these digits and on new ones.

    Every network is trained for as many steps as one on all digits.

    Returns
    -------
    DataFrame
        Columns ``given`` (digits), ``curve`` ("network" or "posterior mean", and "known digits" or "new digits"),
        ``seed``, ``psnr`` (dB).
    """
    level = experiment.recipe.noise_level
    rows = []
    for count in counts:
        part = experiment.train[:count]
        epochs = experiment.recipe.epochs * len(experiment.train) // count
        pixels = part.reshape(count, -1)
        runs = experiment.fit(part, epochs=epochs)
        for name, digits in {"known digits": part[: len(test)], "new digits": test}.items():
            noisy = corrupt(digits, "gaussian", level, seed=0)
            guesses = {
                f"network, {name}": denoise(runs, noisy),
                f"posterior mean, {name}": [posterior_mean(pixels, level, noisy)],
            }
            for curve, several in guesses.items():
                quality = psnr(to_unit(digits), several)
                rows += [(count, curve, place, value) for place, value in enumerate(quality)]
    return pd.DataFrame(rows, columns=["given", "curve", "seed", "psnr"])


def ceiling(
    experiment: Experiment, steps: int, test: np.ndarray, noisy: np.ndarray, dense: training.Run
) -> pd.DataFrame:
    """A denoiser of free architecture, larger and longer trained with every step, beside two that are there.

    The first has 16 channels and sees a quarter of the digits once; each next one has twice the
    channels and sees four times as many digits, the same ones again when there are no more. Each is one network, of the
    first seed.

    Parameters
    ----------
    experiment : Experiment
        Its first seed and all its digits are used; its recipe but for the passes, and a learning rate of 4e-3.
    steps : int
    test, noisy : ndarray, shape (n, 28, 28)
        Clean test digits (uint8), and the same with noise (float in [0, 1]).
    dense : training.Run

    Returns
    -------
    DataFrame
        A row for each test digit of each denoiser, "dense", "posterior mean", and the references from the smallest to
        the largest: ``denoiser`` and ``psnr`` (dB).
    """
    clean, digits, seed = to_unit(test), experiment.train, experiment.seeds[0]
    memory = posterior_mean(digits.reshape(len(digits), -1), experiment.recipe.noise_level, noisy)
    rows = [(_seen("dense", dense.recipe.epochs * len(digits)), dense.denoise(noisy))]
    rows.append((f"posterior mean of {len(digits):,}", memory))
    for step in range(steps):
        part = experiment.quarter if step == 0 else digits
        passes, channels = max(1, 4 ** (step - 1)), 16 * 2**step
        recipe = replace(experiment.recipe, epochs=int(passes), learning_rate=4e-3, seed=seed)
        model = reference(seed, training.precision(), channels=channels)
        run = training.fit(model, part, experiment.validation, recipe)
        name = _seen(f"reference, {channels} channels", recipe.epochs * len(part))
        rows.append((name, run.denoise(noisy)))
    tables = [pd.DataFrame({"denoiser": name, "psnr": metrics.psnr(clean, guess)}) for name, guess in rows]
    return pd.concat(tables, ignore_index=True)


def _seen(name: str, digits: int) -> str:
    return f"{name}, {digits:,} seen"


# Anomalies ---------------------------------------------------------------------------------------------------


def left_out(
    experiment: Experiment,
    labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    classes: Sequence[int],
    others: np.ndarray | None = None,
) -> pd.DataFrame:
    """How well the error of reconstruction tells what was never seen: one plain autoencoder for each class left out.

    Parameters
    ----------
    experiment : Experiment
        Its first seed and a quarter of its digits are used.
    labels, test_labels : ndarray of int
        Of its training digits, and of ``test``.
    classes : sequence of int
    others : ndarray, shape (m, 28, 28), uint8, optional
        Images of another kind: garments, letters.

    Returns
    -------
    DataFrame
        Indexed by class; AUROC in [0, 1], 0.5 for chance, of the class left out, ``auroc``, of all test digits turned
        by a quarter, ``turned``, and of the other images if there are any, ``other``, each against the digits of the
        classes that were seen.
    """
    one = replace(experiment, seeds=experiment.seeds[:1], recipe=replace(experiment.recipe, noise_level=0.0))
    clean, part = to_unit(test), experiment.quarter
    strange = {"turned": np.rot90(clean, axes=(1, 2)).copy()}
    if others is not None:
        strange["other"] = to_unit(others)
    rows = {}
    for digit in classes:
        (run,) = one.fit(part[labels[: len(part)] != digit])
        error = metrics.mse(clean, run.denoise(clean))
        odd = test_labels == digit
        rows[digit] = {"auroc": auroc(error[~odd], error[odd])}
        for kind, images in strange.items():
            rows[digit][kind] = auroc(error[~odd], metrics.mse(images, run.denoise(images)))
    return pd.DataFrame.from_dict(rows, orient="index")


def alarms(odd: pd.DataFrame) -> pd.DataFrame:
    """The table of ``left_out`` as a column ``auroc``: a row a class, one a kind of strangeness (mean), and a coin."""
    names = {"turned": "turned digits", "other": "other images"}
    classes = odd["auroc"].rename("without {}".format)
    strange = odd.drop(columns="auroc").mean().rename(names)
    return pd.concat([classes, strange, pd.Series({"a coin": 0.5})]).to_frame("auroc")


def auroc(usual: np.ndarray, odd: np.ndarray) -> float:
    """Chance that an odd digit has a larger error than a usual one: the area under the ROC curve."""
    truth = np.repeat([0, 1], [len(usual), len(odd)])
    return float(roc_auc_score(truth, np.concatenate([usual, odd])))
