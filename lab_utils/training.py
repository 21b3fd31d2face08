"""Seeded training of an autoencoder: noisy digits in, clean digits as the target, a ``Run`` out.

Labels are no argument of anything here: an autoencoder never sees one.
"""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import psutil
import tensorflow as tf
from tqdm import tqdm

from lab_utils.errors import LabError
from lab_utils.graph_noise import corrupt_batch
from lab_utils.models import halves
from lab_utils.noise import corrupt, to_unit

VALIDATION_NOISE = 9_999
STRETCH = 16
"""Training steps between two looks at the loss, the progress bar and the keyboard."""

BATCH = 500
"""Digits per step of evaluation: changes memory and time only."""


@dataclass(frozen=True)
class Recipe:
    """How a run is trained. Two runs with equal models, digits and recipes are equal on one machine.

    Parameters
    ----------
    noise_kind, noise_level : str, float
        Corruption of the input, see ``noise.KINDS``; level 0 makes a plain autoencoder.
    epochs : int
        Passes over the training digits.
    batch_size : int
        Digits per step; the manual uses 128.
    learning_rate : float
        Of Adam; the peak of the schedule when ``schedule`` is "cosine".
    schedule : str
        "constant", as the manual, or "cosine": 5 % linear warm-up, then cosine decay to 0
        (Loshchilov and Hutter, 2017).
    loss : str
        "binary_crossentropy", as the manual, or "mean_squared_error".
    static_noise : bool
        True draws the training noise once, as the manual does; False draws it afresh for every batch.
    patience : int
        Epochs without a better validation loss before training stops; 0 never stops early.
    seed : int
        Random state of the order of digits and of the noise.
    """

    noise_kind: str = "gaussian"
    noise_level: float = 0.5
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    schedule: str = "constant"
    loss: str = "binary_crossentropy"
    static_noise: bool = False
    patience: int = 0
    seed: int = 0


class Diverged(LabError):
    """The loss became NaN or infinite."""


@dataclass
class Run:
    """What a training leaves behind.

    Attributes
    ----------
    model : keras.Model
        The autoencoder with its best weights by validation loss.
    recipe : Recipe
    history : dict of str to list of float
        Per epoch: ``loss``, ``val_loss`` (with any penalty on the code), ``val_psnr`` (dB, mean over digits).
    curve : list of (int, float)
        Digits seen so far and the mean training loss over the last few steps: finer than ``history``.
    seconds : float
        Wall-clock time of the fit.
    digits_per_second : float
    peak_memory : int
        Bytes: the most this process has held so far.
    """

    model: keras.Model
    recipe: Recipe
    history: dict[str, list[float]] = field(default_factory=dict)
    curve: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    digits_per_second: float = 0.0
    peak_memory: int = 0

    @property
    def encoder(self) -> keras.Model:
        """The half that makes codes."""
        return halves(self.model)[0]

    @property
    def decoder(self) -> keras.Model:
        """The half that makes digits from codes."""
        return halves(self.model)[1]

    def denoise(self, noisy: np.ndarray) -> np.ndarray:
        """Reconstruct noisy digits, (n, 28, 28) float32 in [0, 1], as the same shape and range."""
        return np.clip(predict(self.model, noisy[..., None])[..., 0], 0, 1)

    def save(self, folder: Path) -> None:
        """Write ``model.keras`` and ``run.json`` into ``folder``; the record is written last."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / "model.keras")
        record = asdict(self) | {"model": None, "recipe": asdict(self.recipe)}
        temporary = folder / "run.json.tmp"
        temporary.write_text(json.dumps(record), encoding="utf-8")
        temporary.replace(folder / "run.json")

    @classmethod
    def load(cls, folder: Path) -> "Run":
        """Read what ``save`` wrote.

        Raises
        ------
        LabError
            When the folder holds no complete run.
        """
        try:
            record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            model = keras.saving.load_model(folder / "model.keras")
        except (OSError, ValueError) as error:
            raise LabError(
                f"{folder} holds no complete run: {error}", "a folder written by Run.save", "Train again."
            ) from error
        return cls(**record | {"model": model, "recipe": Recipe(**record["recipe"])})


def batches(digits: np.ndarray, recipe: Recipe) -> tf.data.Dataset:
    """The training stream: ``epochs`` shuffled passes of (noisy, clean) batches, (batch, 28, 28, 1) float32.

    Digits stay uint8 in memory and become float32 a batch at a time. What does not fill a batch is left out of
    that pass; the shuffle makes it other digits each time.
    """
    size = min(recipe.batch_size, len(digits))
    clean_digits = tf.constant(digits)
    if recipe.static_noise:
        fixed = tf.constant(corrupt(digits, recipe.noise_kind, recipe.noise_level, recipe.seed))

    def pair(step: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        clean = tf.cast(tf.gather(clean_digits, index), tf.float32) / 255.0
        if recipe.static_noise:
            noisy = tf.gather(fixed, index)
        else:
            noisy = corrupt_batch(clean, recipe.noise_kind, recipe.noise_level, tf.stack([recipe.seed, step]))
        return noisy[..., None], clean[..., None]

    order = tf.data.Dataset.range(len(digits)).shuffle(len(digits), seed=recipe.seed)
    order = order.batch(size, drop_remainder=True).repeat(recipe.epochs)
    return order.enumerate().map(pair, num_parallel_calls=1, deterministic=True).prefetch(4)


def fit(
    model: keras.Model,
    train: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    *,
    show_progress: bool | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Train an autoencoder to return the clean digit from the noisy one.

    The loop runs inside the TensorFlow graph, a stretch of steps at a time: beside Keras' own ``fit`` this saves
    more than half of the time of a small model.

    Parameters
    ----------
    model : keras.Model
        Made by ``models.join``; it is trained in place.
    train : ndarray, shape (n, 28, 28), uint8
    validation : ndarray, shape (m, 28, 28), uint8
        Scored after every epoch, always with the same noise; the best weights by it are kept.
    recipe : Recipe
    show_progress : bool, optional
        By default a bar in a terminal and in JupyterLab, and silence elsewhere.
    callbacks : sequence of keras.callbacks.Callback
        Their ``on_epoch_end`` is called after every epoch; what it raises ends the training.

    Returns
    -------
    Run
        Also after Ctrl-C: then with the best weights of the epochs that were finished.

    Raises
    ------
    Diverged
        When the loss is no longer a number; the message names the learning rate.
    """
    size = min(recipe.batch_size, len(train))
    steps = len(train) // size
    train_stretch = _stretch_trainer(model, recipe, steps)
    evaluate = _evaluator(model, recipe, validation)
    for callback in callbacks:
        callback.set_model(model)
    run = Run(model, recipe)
    best_loss, best_weights, waited = np.inf, model.get_weights(), 0
    started = time.perf_counter()
    stream = iter(batches(train, recipe))
    show = default_progress() if show_progress is None else show_progress
    try:
        with tqdm(total=recipe.epochs * steps, unit="step", leave=False, disable=not show) as bar:
            for epoch in range(recipe.epochs):
                summed = 0.0
                for done in range(0, steps, STRETCH):
                    count = min(STRETCH, steps - done)
                    loss = float(train_stretch(stream, tf.constant(count)))
                    _check_finite(loss, recipe)
                    run.curve.append(((epoch * steps + done + count) * size, loss))
                    summed += loss * count
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                    bar.update(count)
                logs = {"loss": summed / steps} | evaluate()
                for name, value in logs.items():
                    run.history.setdefault(name, []).append(value)
                waited += 1
                if logs["val_loss"] < best_loss:
                    best_loss, best_weights, waited = logs["val_loss"], model.get_weights(), 0
                for callback in callbacks:
                    callback.on_epoch_end(epoch, logs)
                if recipe.patience and waited >= recipe.patience:
                    break
    except KeyboardInterrupt:
        pass
    model.set_weights(best_weights)
    run.seconds = time.perf_counter() - started
    run.digits_per_second = (run.curve[-1][0] if run.curve else 0) / run.seconds
    run.peak_memory = peak_memory()
    return run


def _mean_loss(model: keras.Model, recipe: Recipe, noisy: tf.Tensor, clean: tf.Tensor, training: bool) -> tuple:
    """Loss per pixel plus any penalty on the code, and the output."""
    output = model(noisy, training=training)
    loss = tf.reduce_mean(keras.losses.get(recipe.loss)(clean, output))
    return loss + (tf.add_n(model.losses) if model.losses else 0.0), output


def _stretch_trainer(model: keras.Model, recipe: Recipe, steps: int) -> Callable[..., tf.Tensor]:
    """A graph that trains on the next batches of a stream and returns their mean loss."""
    weights = model.trainable_variables
    optimizer = keras.optimizers.Adam(_learning_rate(recipe, steps))
    optimizer.build(weights)

    @tf.function
    def train_stretch(stream: tf.data.Iterator, count: tf.Tensor) -> tf.Tensor:
        total = 0.0
        for _ in tf.range(count):
            noisy, clean = next(stream)
            with tf.GradientTape() as tape:
                loss, _ = _mean_loss(model, recipe, noisy, clean, training=True)
            optimizer.apply(tape.gradient(loss, weights), weights)
            total += loss
        return total / tf.cast(count, tf.float32)

    return train_stretch


def _evaluator(model: keras.Model, recipe: Recipe, digits: np.ndarray) -> Callable[[], dict[str, float]]:
    """Validation loss and PSNR (dB, mean over digits) on digits whose noise never changes."""
    noisy = corrupt(digits, recipe.noise_kind, recipe.noise_level, VALIDATION_NOISE)[..., None]
    clean = to_unit(digits)[..., None]

    @tf.function(reduce_retracing=True)
    def score(noisy: tf.Tensor, clean: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss, output = _mean_loss(model, recipe, noisy, clean, training=False)
        error = tf.reduce_mean(tf.square(clean - output), axis=(1, 2, 3))
        return loss, -10.0 * tf.reduce_mean(tf.math.log(error)) / tf.math.log(10.0)

    def evaluate() -> dict[str, float]:
        parts = [slice(i, i + BATCH) for i in range(0, len(digits), BATCH)]
        scores = [[float(value) for value in score(noisy[part], clean[part])] for part in parts]
        loss, psnr = np.average(scores, axis=0, weights=[len(clean[part]) for part in parts])
        return {"val_loss": float(loss), "val_psnr": float(psnr)}

    return evaluate


def _check_finite(loss: float, recipe: Recipe) -> None:
    if not np.isfinite(loss):
        rate = recipe.learning_rate
        raise Diverged(
            f"The loss became {loss} with learning_rate = {rate:g}.",
            "a learning rate at which the loss stays finite",
            f"Try learning_rate = {rate / 10:g}.",
        )


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """``model(inputs)`` in batches, as float32, without Keras' per-call set-up."""
    parts = [model(inputs[i : i + BATCH], training=False) for i in range(0, len(inputs), BATCH)]
    return np.concatenate([keras.ops.convert_to_numpy(keras.ops.cast(part, "float32")) for part in parts])


def _learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if recipe.schedule == "constant":
        return recipe.learning_rate
    total = steps * recipe.epochs
    warm_up = max(1, total // 20)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total - warm_up, warmup_target=recipe.learning_rate, warmup_steps=warm_up
    )


def default_progress() -> bool:
    """Whether somebody watches: a terminal, or a kernel that Jupyter's server started, and no CI."""
    return "CI" not in os.environ and (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)


def precision() -> str:
    """Keras' dtype policy that suits this CPU: "mixed_bfloat16" where it multiplies bfloat16, else "float32".

    Only Linux tells (``/proc/cpuinfo``); elsewhere it is "float32". On a CPU with AMX the manual's model trains
    two to three times faster in bfloat16.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "mixed_bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"


def peak_memory() -> int:
    """Bytes: the largest resident set that this process has had."""
    if platform.system() == "Windows":
        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
