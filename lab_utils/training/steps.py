"""The parts of a training that run inside the TensorFlow graph: the stream of batches, the steps, the score."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from lab_utils.cache import Unfingerprintable
from lab_utils.metrics import SMALLEST_MSE
from lab_utils.noise import corrupt, to_unit
from lab_utils.training.adam import FusedAdam
from lab_utils.training.identity import architecture
from lab_utils.training.recipe import Recipe
from lab_utils.training.run import BATCH

VALIDATION_NOISE = 9_999
"""Random state of the validation digits' noise: the same in every epoch of every run."""

STATIC_NOISE = 2
"""The stream, of those of a recipe's seed, of static noise: a test digit never has the noise of a training digit."""

TRAINING = 3
"""The stream, of those of a recipe's seed, of a training's order, noise and levels."""

STRETCH = 16
"""Training steps between two looks at the loss, the progress bar and the keyboard."""

Batch = tuple[np.ndarray, np.ndarray]
Train = Callable[[np.ndarray, np.ndarray], tf.Tensor]
Score = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def steps_per_epoch(digits: np.ndarray, recipe: Recipe) -> tuple[int, int]:
    """Full batches in one pass over the digits, and the digits in each."""
    size = min(recipe.batch_size, len(digits))
    return len(digits) // size, size


def batches(digits: np.ndarray, recipe: Recipe) -> Iterator[Batch]:
    """The training stream: ``epochs`` shuffled passes of (noisy, clean) batches, (batch, 28, 28, 1) float32.

    What does not fill a batch is left out of that pass; the shuffle makes it other digits each time.

    Parameters
    ----------
    digits : ndarray, shape (n, 28, 28), uint8
    recipe : Recipe
    """
    steps, size = steps_per_epoch(digits, recipe)
    order, noise, target_noise, levels = np.random.default_rng((recipe.seed, TRAINING)).spawn(4)
    if recipe.static_noise:
        fixed = fixed_noise(digits, recipe, (recipe.seed, STATIC_NOISE))
    for _ in range(recipe.epochs):
        for index in order.permutation(len(digits))[: steps * size].reshape(steps, size):
            clean, level = to_unit(digits[index]), recipe.noise_level
            if recipe.lowest_level is not None:
                level = levels.uniform(recipe.lowest_level, level, size)
            fresh = partial(corrupt, clean, recipe.noise_kind, level, clip=recipe.clip)
            noisy = fixed[index] if recipe.static_noise else fresh(noise)
            yield noisy[..., None], (fresh(target_noise) if recipe.noisy_target else clean)[..., None]


def stretches(digits: np.ndarray, recipe: Recipe) -> Iterator[Batch]:
    """``batches``, stacked up to ``STRETCH`` of an epoch at a time, (steps, batch, 28, 28, 1).

    A thread makes the next while the last one trains.
    """
    steps, _ = steps_per_epoch(digits, recipe)
    stream = batches(digits, recipe)

    def stretch(count: int) -> Batch:
        noisy, clean = zip(*islice(stream, count), strict=True)
        return np.stack(noisy), np.stack(clean)

    counts = [min(STRETCH, steps - done) for done in range(0, steps, STRETCH)] * recipe.epochs
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(stretch, counts[0])
        for count in counts[1:]:
            ready, ahead = ahead.result(), thread.submit(stretch, count)
            yield ready
        yield ahead.result()


def fixed_noise(digits: np.ndarray, recipe: Recipe, seed: int | tuple[int, ...]) -> np.ndarray:
    """Digits with the recipe's noise, (n, 28, 28) float32, drawn once and for all."""
    level = recipe.noise_level
    if recipe.lowest_level is not None:
        level = np.random.default_rng((*np.atleast_1d(seed), 1)).uniform(recipe.lowest_level, level, len(digits))
    return corrupt(digits, recipe.noise_kind, level, seed, clip=recipe.clip)


def optimizer_of(model: keras.Model, recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Adam for the model's weights, its learning rate scheduled over ``steps`` per epoch."""
    optimizer = FusedAdam(learning_rate(recipe, steps))
    optimizer.build(model.trainable_variables)
    return optimizer


def learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The recipe's learning rate by step, with ``steps`` of them in an epoch."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    total = steps * recipe.epochs
    warm_up = max(1, total // 20)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total - warm_up, warmup_target=recipe.learning_rate, warmup_steps=warm_up
    )


def trainer(model: keras.Model, recipe: Recipe, optimizer: keras.optimizers.Optimizer) -> Train:
    """A graph that trains on a stretch of batches, one after the other, and returns their mean loss."""
    weights = model.trainable_variables
    stretch = tf.TensorSpec((None, None, 28, 28, 1), tf.float32)

    @tf.function(autograph=False, input_signature=(stretch, stretch))
    def train(noisy: tf.Tensor, clean: tf.Tensor) -> tf.Tensor:
        count = tf.shape(noisy)[0]

        def step(done: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                loss, _ = mean_loss(model, recipe, noisy[done], clean[done], training=True)
            optimizer.apply(tape.gradient(loss, weights), weights)
            return done + 1, total + loss

        unfinished = lambda done, total: done < count  # noqa: E731
        _, total = tf.while_loop(unfinished, step, (0, 0.0), parallel_iterations=1)
        return total / tf.cast(count, tf.float32)

    return train


def scorer(model: keras.Model, recipe: Recipe) -> Score:
    """A graph that gives the loss of a batch and its PSNR (dB, mean over digits)."""

    @tf.function(autograph=False, reduce_retracing=True)
    def score(noisy: tf.Tensor, clean: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss, output = mean_loss(model, recipe, noisy, clean, training=False)
        error = tf.maximum(tf.reduce_mean(tf.square(clean - output), axis=(1, 2, 3)), SMALLEST_MSE)
        return loss, -10.0 * tf.reduce_mean(tf.math.log(error)) / tf.math.log(10.0)

    return score


def evaluator(score: Score, recipe: Recipe, digits: np.ndarray) -> Callable[[], dict[str, float]]:
    """Validation loss and PSNR (dB, mean over digits) on digits whose noise, the target's too, never changes."""
    noisy = fixed_noise(digits, recipe, VALIDATION_NOISE)[..., None]
    target = fixed_noise(digits, recipe, VALIDATION_NOISE + 1) if recipe.noisy_target else to_unit(digits)
    clean = target[..., None]

    def evaluate() -> dict[str, float]:
        parts = [slice(i, i + BATCH) for i in range(0, len(digits), BATCH)]
        scores = [[float(value) for value in score(noisy[part], clean[part])] for part in parts]
        loss, psnr = np.average(scores, axis=0, weights=[len(clean[part]) for part in parts])
        return {"val_loss": float(loss), "val_psnr": float(psnr)}

    return evaluate


class Graphs(NamedTuple):
    """A model and what it is trained with."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    train: Train
    score: Score


KEPT = 16
"""Traced graphs that wait for the next model of their kind: as many as a study has kinds of model."""

_waiting: dict[str, Graphs] = {}


@contextmanager
def graphs(model: keras.Model, recipe: Recipe, steps: int) -> Iterator[Graphs]:
    """Graphs that train a model of this architecture, from this model's weights; the model itself stays as it is.

    Tracing them costs more than a small model's training does, and TensorFlow never gives back all of a traced
    graph's memory (10 MB). So a copy of the model is traced, and serves again for every other model of its kind: with
    other weights and another random state, it does the same to the last bit. A model that `identity` cannot know is
    traced as it is, for this once.
    """
    kind = _kind(model, recipe, steps)
    ready = _waiting.pop(kind, None) or _trace(model if kind is None else _copy(model), recipe, steps)
    for variable in ready.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    if recipe.schedule == "constant":
        ready.optimizer.learning_rate = recipe.learning_rate
    copy_variables(model, ready.model)
    yield ready
    if kind is not None:
        _waiting[kind] = ready
        while len(_waiting) > KEPT:
            del _waiting[next(iter(_waiting))]


def _kind(model: keras.Model, recipe: Recipe, steps: int) -> str | None:
    """What a traced graph depends on; None where nothing can tell."""
    try:
        schedule = None if recipe.schedule == "constant" else [recipe.learning_rate, steps * recipe.epochs]
        return json.dumps([architecture(model, random=False), recipe.loss, recipe.schedule, schedule])
    except Unfingerprintable:
        return None


def _copy(model: keras.Model) -> keras.Model:
    return type(model).from_config(model.get_config())


def _trace(model: keras.Model, recipe: Recipe, steps: int) -> Graphs:
    optimizer = optimizer_of(model, recipe, steps)
    return Graphs(model, optimizer, trainer(model, recipe, optimizer), scorer(model, recipe))


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Give a model the weights of another of its kind, and the state of its random numbers."""
    if source is not target:
        for variable, value in zip(target.variables, source.variables, strict=True):
            variable.assign(value)


def mean_loss(model: keras.Model, recipe: Recipe, noisy: tf.Tensor, clean: tf.Tensor, training: bool) -> tuple:
    """Loss per pixel plus any penalty on the code, and the output."""
    output = model(noisy, training=training)
    loss = tf.reduce_mean(keras.losses.get(recipe.loss)(clean, output))
    return loss + (tf.add_n(model.losses) if model.losses else 0.0), output
