"""One trial: a compact autoencoder trained with one setting and one seed, and everything that is measured on it."""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from lab_utils.features import linear_probe
from lab_utils.noise import to_unit
from lab_utils.study.digits import Budget, Digits
from lab_utils.study.space import Setting

TRAIN_NOISE, SCORE_NOISE = 8_887, 8_888
NEAR_ZERO = 0.1
SIGNAL_DIGITS = 256
DEAD_DIGITS = 1_024
WATCHED_DIGITS = 500
"""Validation digits that tell, after every epoch, how far a training is."""


@dataclass
class Scores:
    """What a trial measures; NaN where a diverged trial, or one of too few epochs, has nothing to measure.

    Attributes
    ----------
    error : float
        MSE per pixel (pixels in [0, 1]) of denoised against clean digits, on the held-out digits.
    of_mean_digit : float
        ``error`` over that of the mean training digit: near 1 the network did not train.
    train_error : float
        MSE per pixel on as many training digits, under other noise than they were trained with.
    gap : float
        Generalization gap in percent: how much ``error`` exceeds ``train_error``, relative to it.
    probe : float
        Accuracy in [0, 1] of a linear probe on codes of noisy held-out digits.
    ari : float
        Adjusted Rand index of k-means (k = 10) on the same codes.
    half_epochs, half_seconds : float
        Epochs, and seconds, until half of the loss is learned, see ``half_loss``; infinite if it never was.
    rises : float
        How unsteadily the validation error falls: see ``rises``.
    left : float
        How much of the validation error the last third of the epochs still took away, in percent.
    dead : float
        Share of the hidden units, in encoder and decoder, that receive no gradient on any training digit.
    vanish_before, vanish_after : float
        log10 of the back-propagated error at the first hidden layer over that at the last (RMS over digits and units),
        before and after training: very negative means that it vanishes on its way.
    near_zero : float
        Share of code values smaller than a tenth of the codes' root mean square.
    diverged : bool
        The loss became NaN or infinite, or ended above where it began.
    seconds, epochs : float, int
        Time of the fit, and epochs finished.
    digits, units, readings : int
        Held-out digits scored, hidden units, readings of the training loss in an epoch: what the scores count in.
    curve : list of float
        The validation error after every epoch, on at most ``WATCHED_DIGITS``.
    """

    error: float = math.nan
    of_mean_digit: float = math.nan
    train_error: float = math.nan
    gap: float = math.nan
    probe: float = math.nan
    ari: float = math.nan
    half_epochs: float = math.nan
    half_seconds: float = math.nan
    rises: float = math.nan
    left: float = math.nan
    dead: float = math.nan
    vanish_before: float = math.nan
    vanish_after: float = math.nan
    near_zero: float = math.nan
    diverged: bool = False
    seconds: float = math.nan
    epochs: int = 0
    digits: int = 0
    units: int = 0
    readings: int = 0
    curve: list[float] | None = None


SCORE_NAMES = tuple(name for name in Scores.__dataclass_fields__ if name != "curve")


def run_trial(
    setting: Setting,
    seed: int,
    budget: Budget,
    digits: Digits,
    *,
    held_out: str = "validation",
    report: Callable[[int, float], None] | None = None,
) -> Scores:
    """Train and score one compact autoencoder.

    Parameters
    ----------
    setting : Setting
    seed : int
        Of the weights, the order of digits and the training noise. The noise that is scored on is always the same.
    budget : Budget
    digits : Digits
    held_out : str
        "validation", or "test" for the one final test. Training stops and chooses by validation either way.
    report : callable, optional
        Called after each epoch with (epoch, validation error); it may raise ``optuna.TrialPruned``.

    Returns
    -------
    Scores
        Also of a trial that diverged: then ``diverged`` is set.
    """
    from lab_utils import models
    from lab_utils.training import Diverged, Recipe, fit

    recipe = Recipe(
        noise_kind=budget.noise_kind,
        noise_level=budget.noise_level,
        epochs=max(1, round(budget.epochs * setting.passes)),
        batch_size=setting.batch_size,
        learning_rate=setting.learning_rate,
        seed=seed,
    )
    model = models.compact(seed, width=budget.width, **setting.model())
    watch = _epoch_errors(*digits.pairs("validation", budget, SCORE_NOISE, stop=WATCHED_DIGITS), report)
    some = digits.pairs("train", budget, TRAIN_NOISE, stop=SIGNAL_DIGITS)
    scores = Scores(digits=len(getattr(digits, held_out)), vanish_before=_vanishing(_unit_errors(model, *some)))
    try:
        watched = digits.validation[:WATCHED_DIGITS]
        run = fit(model, digits.train, watched, recipe, show_progress=False, callbacks=[watch])
    except Diverged:
        run = None
    errors = watch.errors
    scores.epochs, scores.curve = len(errors), errors
    if run is None or not np.all(np.isfinite(errors)):
        scores.diverged = True
        return scores
    if len(errors) < recipe.epochs:  # fit ends quietly at Ctrl-C; half a trial must not count as one
        raise KeyboardInterrupt
    losses = [loss for _, loss in run.curve]
    scores.seconds, scores.diverged = run.seconds, losses[-1] > losses[0]
    scores.readings = len(run.curve) // recipe.epochs
    scores.half_epochs = until_half(run.curve, digits.train)
    scores.half_seconds = scores.half_epochs * watch.epoch_seconds(run.seconds)
    scores.rises, scores.left = rises(errors), left(errors)
    _score_units(scores, model, budget, digits)
    _score_model(scores, run.encoder, run.decoder, budget, digits, held_out, seed)
    return scores


def rises(errors: list[float]) -> float:
    """Mean rise of the validation error from an epoch to the next, in percent; a fall counts as no rise.

    Every reading is of the same digits under the same noise, after as many digits of training: whatever the batch
    size, a network whose weights stand still has 0. NaN for a single epoch.
    """
    steps = np.diff(np.log(errors))
    return float(100 * np.mean(np.maximum(steps, 0))) if len(steps) else math.nan


def left(errors: list[float]) -> float:
    """How much of the validation error the last third of the epochs took away, in percent; NaN for fewer than 3."""
    before = errors[: len(errors) - len(errors) // 3]
    return 100 * (1 - min(errors) / min(before)) if len(errors) > 2 else math.nan


def half_loss(digits: np.ndarray) -> float:
    """The binary cross-entropy halfway between the mean digit's and the smallest possible one, in nats per pixel.

    Grey pixels are no events: the smallest possible cross-entropy is the entropy of the digits themselves.

    Parameters
    ----------
    digits : ndarray, shape (n, 28, 28), uint8
    """
    grey = np.bincount(digits.ravel(), minlength=256) / digits.size
    smallest = grey @ _entropy(np.arange(256) / 255)
    return float((smallest + _entropy(digits.mean(axis=0) / 255).mean()) / 2)


def _entropy(p: np.ndarray) -> np.ndarray:
    return special.entr(p) + special.entr(1 - p)


def until_half(curve: list[tuple[int, float]], digits: np.ndarray) -> float:
    """Epochs until the training loss, on fresh noise, has fallen to ``half_loss``; infinite if it never does.

    Parameters
    ----------
    curve : list of (int, float)
        ``Run.curve``: digits seen, and the mean loss since the reading before.
    digits : ndarray, shape (n, 28, 28), uint8
        What was trained on.
    """
    ends, losses = np.array(curve, dtype=np.float64).T
    middles, half = ends - np.diff(ends, prepend=0) / 2, half_loss(digits)
    below = np.flatnonzero(losses <= half)
    if not len(below):
        return math.inf
    place = below[0]
    if place == 0:
        return float(middles[0] / len(digits))
    pair = slice(place - 1, place + 1)
    return float(np.interp(-half, -losses[pair], middles[pair]) / len(digits))


def _score_model(
    scores: Scores, encoder: Any, decoder: Any, budget: Budget, digits: Digits, held_out: str, seed: int
) -> None:
    from lab_utils.training import predict

    labels = getattr(digits, f"{held_out}_labels")
    noisy, clean = digits.pairs(held_out, budget, SCORE_NOISE)
    seen = max(len(clean), budget.probe_digits)
    train_noisy, train_clean = digits.pairs("train", budget, TRAIN_NOISE, stop=seen)
    codes, train_codes = predict(encoder, noisy), predict(encoder, train_noisy)
    scores.error = _error(predict(decoder, codes), clean)
    scores.train_error = _error(predict(decoder, train_codes[: len(clean)]), train_clean[: len(clean)])
    scores.gap = 100 * (scores.error / scores.train_error - 1)
    scores.of_mean_digit = scores.error / _error(to_unit(digits.train).mean(axis=0)[..., None], clean)
    scores.near_zero = float(np.mean(np.abs(codes) < NEAR_ZERO * np.sqrt(np.mean(codes**2))))
    with warnings.catch_warnings(), threadpool_limits(1):  # k-means with more takes minutes on a busy machine
        # A collapsed code has fewer than ten distinct points: its scores say so, no warning is needed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe = linear_probe(train_codes[: budget.probe_digits], digits.train_labels[: budget.probe_digits])
        clusters = KMeans(n_clusters=10, n_init=3, random_state=seed).fit_predict(codes)
    scores.probe = float(probe.score(codes, labels))
    scores.ari = float(adjusted_rand_score(labels, clusters))


def _error(output: np.ndarray, clean: np.ndarray) -> float:
    return float(np.mean((output - clean) ** 2, dtype=np.float64))


def _score_units(scores: Scores, model: Any, budget: Budget, digits: Digits) -> None:
    """The units that no training digit moves, and how much of the error reaches the first of their layers."""
    alive: np.ndarray | bool = False
    for start in range(0, len(digits.train), DEAD_DIGITS):
        errors = _unit_errors(model, *digits.pairs("train", budget, TRAIN_NOISE + start, start, start + DEAD_DIGITS))
        if not start:
            scores.vanish_after = _vanishing([layer[:SIGNAL_DIGITS] for layer in errors])
        alive = alive | np.concatenate([layer.any(axis=0) for layer in errors])
        if np.all(alive):
            break
    scores.dead, scores.units = float(np.mean(~alive)), len(alive)


def _unit_errors(model: Any, noisy: np.ndarray, clean: np.ndarray) -> list[np.ndarray]:
    """Back-propagated errors of each hidden layer, (n, units): the loss's gradient in each unit's input, by digit."""
    import keras
    import tensorflow as tf

    from lab_utils.models import halves

    x, inputs = tf.constant(noisy), []
    with tf.GradientTape() as tape:
        for layer in [layer for half in halves(model) for layer in half.layers[1:]]:
            if not isinstance(layer, keras.layers.Dense):
                x = layer(x, training=False)
                continue
            x = tf.matmul(x, layer.kernel.value) + layer.bias.value
            if layer.activation is not keras.activations.linear:  # neither the code nor the output
                tape.watch(x)
                inputs.append(x)
                x = layer.activation(x)
        loss = tf.reduce_sum(keras.losses.binary_crossentropy(clean, x))
    return [gradient.numpy() for gradient in tape.gradient(loss, inputs)]


def _vanishing(errors: list[np.ndarray]) -> float:
    """log10 of the first hidden layer's error over the last one's; NaN where nothing arrives at all."""
    first, last = (np.sqrt(np.mean(np.square(layer, dtype=np.float64))) for layer in (errors[0], errors[-1]))
    return float(np.log10(first / last)) if first > 0 and last > 0 else math.nan


def _epoch_errors(noisy: np.ndarray, clean: np.ndarray, report: Callable[[int, float], None] | None) -> Any:
    """A Keras callback that measures the validation error after each epoch, without any penalty on the code."""
    import keras

    from lab_utils.training import predict

    class EpochErrors(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[float] = []
            self.times: list[float] = []

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            self.errors.append(_error(predict(self.model, noisy), clean))
            self.times.append(time.perf_counter())
            if report:
                report(epoch, self.errors[-1])

        def epoch_seconds(self, whole: float) -> float:
            """Seconds of an epoch, without the first, which traces the graph; ``whole`` is the time of a single one."""
            return float(np.median(np.diff(self.times))) if len(self.times) > 1 else whole

    return EpochErrors()
