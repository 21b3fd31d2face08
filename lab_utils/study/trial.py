"""One trial: a compact autoencoder trained with one setting and one seed, and everything that is measured on it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from lab_utils.features import linear_probe
from lab_utils.noise import corrupt, to_unit
from lab_utils.study.digits import Budget, Digits
from lab_utils.study.space import Setting

TRAIN_NOISE, SCORE_NOISE = 8_887, 8_888
NEAR_ZERO = 0.1
SIGNAL_DIGITS = 256
KEPT_MODELS = 16


@dataclass
class Scores:
    """What a trial measures; NaN where a diverged trial has nothing to measure.

    Attributes
    ----------
    error : float
        MSE per pixel (pixels in [0, 1]) of denoised against clean digits, on the held-out digits.
    train_error : float
        The same on as many training digits, under other noise than they were trained with.
    gap : float
        Generalization gap in percent: how much ``error`` exceeds ``train_error``, relative to it.
    probe : float
        Accuracy in [0, 1] of a linear probe on codes of noisy held-out digits.
    ari : float
        Adjusted Rand index of k-means (k = 10) on the same codes.
    first_error : float
        ``error`` after the first epoch: low means fast.
    roughness : float
        How unsteadily the training loss falls: see ``roughness``.
    setbacks : float
        Share of the epochs after the first that did not lower the validation error.
    dead : float
        Share of the encoder's hidden units that are never positive on any held-out digit.
    near_zero : float
        Share of code values smaller than a tenth of the codes' root mean square.
    signal : float
        log10 of the first hidden layer's gradient over the output layer's (RMS) before training: very
        negative means a vanishing gradient.
    diverged : bool
        The loss became NaN or infinite, or ended above where it began.
    seconds, epochs : float, int
        Time of the fit, and epochs finished.
    curve : list of float
        ``error`` after every epoch.
    """

    error: float = float("nan")
    train_error: float = float("nan")
    gap: float = float("nan")
    probe: float = float("nan")
    ari: float = float("nan")
    first_error: float = float("nan")
    roughness: float = float("nan")
    setbacks: float = float("nan")
    dead: float = float("nan")
    near_zero: float = float("nan")
    signal: float = float("nan")
    diverged: bool = False
    seconds: float = float("nan")
    epochs: int = 0
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
    from lab_utils.training import Diverged, Recipe, fit

    recipe = Recipe(
        noise_kind=budget.noise_kind,
        noise_level=budget.noise_level,
        epochs=budget.epochs,
        batch_size=setting.batch_size,
        learning_rate=setting.learning_rate,
        seed=seed,
    )
    model = _model(setting, budget, seed)
    validation = _pairs(digits.validation, budget, SCORE_NOISE)
    curve = _epoch_errors(*validation, report)
    scores = Scores(signal=_first_layer_signal(model, *validation, recipe.loss))
    try:
        run = fit(model, digits.train, digits.validation, recipe, show_progress=False, callbacks=[curve])
    except Diverged:
        run = None
    scores.epochs, scores.curve = len(curve.errors), curve.errors
    if run is None or not np.all(np.isfinite(curve.errors)):
        scores.diverged = True
        return scores
    if len(curve.errors) < budget.epochs:  # fit ends quietly at Ctrl-C; half a trial must not count as one
        raise KeyboardInterrupt
    losses = [loss for _, loss in run.curve]
    scores.seconds, scores.diverged = run.seconds, losses[-1] > losses[0]
    scores.first_error, scores.roughness = curve.errors[0], roughness(losses)
    scores.setbacks = float(np.mean(np.diff(curve.errors) >= 0)) if budget.epochs > 1 else float("nan")
    _score_model(scores, run.encoder, run.decoder, budget, digits, held_out, seed)
    return scores


def roughness(losses: list[float]) -> float:
    """How unsteadily a loss falls: RMS second difference of log loss over the last two thirds of training.

    The losses are means over equal stretches of steps. A straight fall in log loss, however steep, has roughness 0;
    a loss that swings up and down by a tenth has about 0.2. NaN where fewer than three readings are left.
    """
    tail = np.log(losses[len(losses) // 3 :])
    return float(np.sqrt(np.mean(np.diff(tail, n=2) ** 2))) if len(tail) > 2 else float("nan")


def _pairs(digits: np.ndarray, budget: Budget, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy and clean digits, both (n, 28, 28, 1) float32."""
    return corrupt(digits, budget.noise_kind, budget.noise_level, seed)[..., None], to_unit(digits)[..., None]


def _score_model(
    scores: Scores, encoder: Any, decoder: Any, budget: Budget, digits: Digits, held_out: str, seed: int
) -> None:
    from lab_utils.training import predict

    target, labels = getattr(digits, held_out), getattr(digits, f"{held_out}_labels")
    noisy, clean = _pairs(target, budget, SCORE_NOISE)
    train_noisy, train_clean = _pairs(digits.train[: max(len(target), budget.probe_digits)], budget, TRAIN_NOISE)
    codes, train_codes = predict(encoder, noisy), predict(encoder, train_noisy)
    scores.error = _error(predict(decoder, codes), clean)
    scores.train_error = _error(predict(decoder, train_codes[: len(target)]), train_clean[: len(target)])
    scores.gap = 100 * (scores.error / scores.train_error - 1)
    scores.dead = _dead_units(encoder, noisy)
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


def _dead_units(encoder: Any, noisy: np.ndarray) -> float:
    import keras

    x, peaks = noisy, []
    for layer in encoder.layers[1:-1]:
        x = layer(x)
        if isinstance(layer, keras.layers.Dense):
            peaks.append(np.max(x, axis=0))
    return float(np.mean(np.concatenate(peaks) <= 0))


def _first_layer_signal(model: Any, noisy: np.ndarray, clean: np.ndarray, loss: str) -> float:
    import keras
    import tensorflow as tf

    kernels = [variable for variable in model.trainable_variables if variable.name == "kernel"]
    with tf.GradientTape() as tape:
        value = keras.losses.get(loss)(clean[:SIGNAL_DIGITS], model(noisy[:SIGNAL_DIGITS]))
    first, last = tape.gradient(value, [kernels[0].value, kernels[-1].value])
    return float(np.log10(np.sqrt(np.mean(np.square(first)) / np.mean(np.square(last)))))


def _epoch_errors(noisy: np.ndarray, clean: np.ndarray, report: Callable[[int, float], None] | None) -> Any:
    """A Keras callback that measures the validation error after each epoch, without any penalty on the code."""
    import keras

    from lab_utils.training import predict

    class EpochErrors(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[float] = []

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            self.errors.append(_error(predict(self.model, noisy), clean))
            if report:
                report(epoch, self.errors[-1])

    return EpochErrors()


def _model(setting: Setting, budget: Budget, seed: int) -> Any:
    """The compact autoencoder of a setting, with the weights of ``seed``.

    Settings that differ in seed, batch size or learning rate alone share one model, so that it is traced once.
    """
    from lab_utils import models

    shape = {
        "code_size": setting.code_size,
        "hidden_layers": setting.hidden_layers,
        "width": budget.width,
        "activation": setting.activation,
        **setting.penalty(),
    }
    shared = _shared(tuple(shape.items()))
    for variable, value in zip(shared.variables, models.compact(seed, **shape).variables, strict=True):
        variable.assign(value)
    return shared


@lru_cache(maxsize=KEPT_MODELS)
def _shared(shape: tuple[tuple[str, Any], ...]) -> Any:
    from lab_utils import models

    return models.compact(0, **dict(shape))
