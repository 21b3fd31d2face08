"""``fit``: train a model, or take an equal run from the cache."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import keras
import numpy as np
from tqdm import tqdm

from lab_utils import cache, machine
from lab_utils.training import steps
from lab_utils.training.identity import identity
from lab_utils.training.recipe import Recipe, check_finite
from lab_utils.training.run import Run
from lab_utils.training.steps import Batch, Train
from lab_utils.progress import progress


def fit(
    model: keras.Model,
    train: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    *,
    show_progress: bool | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    use_cache: bool | None = None,
) -> Run:
    """Train an autoencoder to return the clean digit from the noisy one.

    The loop runs inside the TensorFlow graph, a stretch of steps at a time: with small models this takes less time than
    Keras' own ``fit``.

    Parameters
    ----------
    model : keras.Model
        One of ``models``, or any other from (n, 28, 28, 1) to the same; it is trained in place.
    train : ndarray, shape (n, 28, 28), uint8
    validation : ndarray, shape (m, 28, 28), uint8
        Scored after every epoch, always with the same noise; the best weights by it are kept.
    recipe : Recipe
    show_progress : bool, optional
        By default a bar in a terminal and in JupyterLab, and silence elsewhere.
    callbacks : sequence of keras.callbacks.Callback
        Their ``on_epoch_end`` is called after every epoch; what it raises ends the training. A run with callbacks
        never comes from the cache: they are there to watch it.
    use_cache : bool, optional
        Whether an equal run may come from the cache; ``cache.enabled`` has the default. A model with a layer that is
        not Keras' own is always trained: nothing tells whether the layer is still the same.

    Returns
    -------
    Run

    Raises
    ------
    Diverged
        When the loss is no longer a number; the message names the learning rate.
    KeyboardInterrupt
        At Ctrl-C, or Jupyter's stop button: half a training is no run, and what follows it must not take it for one.
    """
    name = None
    if cache.enabled(use_cache) and not callbacks:
        name = cache.key_or_none(__name__, lambda: [identity(model), train, validation, recipe])
    kept = cache.get(name) if name else None
    if kept:
        _assign(model.variables, [kept[str(place)] for place in range(len(model.variables))])
        return Run.restore(model, recipe, kept["record"])
    run = _train(model, train, validation, recipe, show_progress, callbacks)
    if name:
        cache.put(name, {"record": run.record} | {str(i): value for i, value in enumerate(_values(model.variables))})
    return run


def fit_seeds(
    build: Callable[..., keras.Model],
    train: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    repeats: int,
    dtype: str | None = None,
) -> list[Run]:
    """One run for each of ``repeats`` seeds, from the recipe's upwards.

    Parameters
    ----------
    build : callable
        One of ``models``: takes the seed and ``dtype``, and returns a new model.
    train, validation : ndarray
        As in ``fit``.
    recipe : Recipe
        Its seed is the first.
    repeats : int
    dtype : str, optional
        Keras dtype policy; by default what this machine multiplies fastest, ``machine.precision``.
    """
    dtype = dtype or machine.precision()
    seeds = range(recipe.seed, recipe.seed + repeats)
    return [fit(build(seed, dtype=dtype), train, validation, replace(recipe, seed=seed)) for seed in seeds]


def _train(
    model: keras.Model,
    train: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    show_progress: bool | None,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Run:
    """Train epoch after epoch and return the run with its best weights."""
    run = Run(model, recipe)
    per_epoch, size = steps.steps_per_epoch(train, recipe)
    stream = steps.stretches(train, recipe)
    best_loss, best = np.inf, model.get_weights()
    for callback in callbacks:
        callback.set_model(model)
    started = time.perf_counter()
    bar = progress(recipe.epochs * per_epoch, "step", show_progress)
    with steps.graphs(model, recipe, per_epoch) as graphs, bar:
        evaluate = steps.evaluator(graphs.score, recipe, validation)
        for epoch in range(recipe.epochs):
            logs = {"loss": _train_epoch(graphs.train, stream, run, per_epoch, size, bar)} | evaluate()
            check_finite(logs["val_loss"], recipe)
            if logs["val_loss"] < best_loss:
                best_loss, best = logs["val_loss"], graphs.model.get_weights()
            for measure, value in logs.items():
                run.history.setdefault(measure, []).append(value)
            if callbacks:
                steps.copy_variables(graphs.model, model)
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs)
        steps.copy_variables(graphs.model, model)
    model.set_weights(best)
    run.seconds = time.perf_counter() - started
    run.digits_per_second = recipe.epochs * per_epoch * size / run.seconds
    run.peak_memory = machine.peak_memory()
    return run


def _train_epoch(train: Train, stream: Iterator[Batch], run: Run, steps: int, size: int, bar: tqdm) -> float:
    """One pass over the digits; returns its mean loss."""
    summed, done = 0.0, 0
    seen = run.curve[-1][0] if run.curve else 0
    while done < steps:
        noisy, clean = next(stream)
        count, done = len(noisy), done + len(noisy)
        loss = float(train(noisy, clean))
        check_finite(loss, run.recipe)
        run.curve.append((seen + done * size, loss))
        summed += loss * count
        bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        bar.update(count)
    return summed / steps


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
