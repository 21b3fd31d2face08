"""``fit``: train a model, or take an equal run from the store, or go on where an interrupted one stopped."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lab_utils import machine, store
from lab_utils.training import steps
from lab_utils.training.recipe import Recipe, check_finite
from lab_utils.training.run import Run

STRETCH = 16
"""Training steps between two looks at the loss, the progress bar and the keyboard."""

CHECKPOINT_SECONDS = 5.0
"""Training time between two checkpoints, at least: what is shorter is sooner trained again than resumed."""


def fit(
    model: keras.Model,
    train: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    *,
    show_progress: bool | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    use_store: bool | None = None,
) -> Run:
    """Train an autoencoder to return the clean digit from the noisy one.

    The loop runs inside the TensorFlow graph, a stretch of steps at a time: beside Keras' own ``fit`` this saves
    more than half of the time of a small model.

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
        never comes from the store: they are there to watch it.
    use_store : bool, optional
        Whether an equal run may come from the store; ``store.enabled`` has the default. A training that was
        interrupted then goes on after the last epoch of its checkpoint, and ends as if it had never stopped.

    Returns
    -------
    Run
        Also after Ctrl-C: then with the best weights of the epochs that were finished.

    Raises
    ------
    Diverged
        When the loss is no longer a number; the message names the learning rate.
    """
    show = machine.default_progress() if show_progress is None else show_progress
    kept_runs = store.enabled(use_store) and not callbacks
    entry = store.Entry(origin(model, train, validation, recipe)) if kept_runs else None
    with entry.lock() if entry else nullcontext():
        if entry and (kept := entry.read("result")):
            _assign(model.variables, kept.arrays["model"])
            return Run.restore(model, kept.record | {"from_store": True})
        training = _Training(model, train, validation, recipe, entry)
        with suppress(KeyboardInterrupt):
            training.to_the_end(show, callbacks)
        return training.finish()


class _Training:
    """A training under way: the graph, the stream, and the run as far as it has come."""

    def __init__(
        self, model: keras.Model, train: np.ndarray, validation: np.ndarray, recipe: Recipe, entry: store.Entry | None
    ) -> None:
        self.run, self.entry, self.best = Run(model, recipe), entry, model.get_weights()
        self.steps, self.size = steps.steps_per_epoch(train, recipe)
        graphs = steps.graphs(model, recipe, self.steps)
        self.variables = [*model.variables, *graphs.optimizer.variables]
        if entry and (kept := entry.read("checkpoint")):
            self.run, self.best = Run.restore(model, kept.record), kept.arrays["best"]
            _assign(self.variables, kept.arrays["state"])
        self.train_on = graphs.train
        self.evaluate = steps.evaluator(graphs.score, recipe, validation)
        self.started = time.perf_counter() - self.run.seconds
        self.stream = iter(steps.batches(train, recipe, self.epoch))

    @property
    def epoch(self) -> int:
        """Epochs that are finished."""
        return len(self.run.history.get("val_loss", []))

    @property
    def over(self) -> bool:
        """Whether all epochs are finished, or patience is."""
        if not self.epoch:
            return False
        waited = self.epoch - 1 - int(np.argmin(self.run.history["val_loss"]))
        patience = self.run.recipe.patience
        return self.epoch == self.run.recipe.epochs or 0 < patience <= waited

    def to_the_end(self, show: bool, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Train epoch after epoch; tell callbacks and the store of each."""
        for callback in callbacks:
            callback.set_model(self.run.model)
        written, epochs = time.perf_counter(), self.run.recipe.epochs
        done, total = self.epoch * self.steps, epochs * self.steps
        with tqdm(initial=done, total=total, unit="step", leave=False, disable=not show) as bar:
            while not self.over:
                logs = self._train_epoch(bar)
                for callback in callbacks:
                    callback.on_epoch_end(self.epoch - 1, logs)
                if self.entry and not self.over and time.perf_counter() - written > CHECKPOINT_SECONDS:
                    self._write_checkpoint()
                    written = time.perf_counter()

    def _train_epoch(self, bar: tqdm) -> dict[str, float]:
        """One pass over the digits and its validation; keep the weights if they are the best."""
        run, summed = self.run, 0.0
        for done in range(0, self.steps, STRETCH):
            count = min(STRETCH, self.steps - done)
            loss = float(self.train_on(self.stream, tf.constant(count)))
            check_finite(loss, run.recipe)
            run.curve.append(((self.epoch * self.steps + done + count) * self.size, loss))
            summed += loss * count
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update(count)
        logs = {"loss": summed / self.steps} | self.evaluate()
        check_finite(logs["val_loss"], run.recipe)
        if logs["val_loss"] < min(run.history.get("val_loss", [np.inf])):
            self.best = run.model.get_weights()
        for name, value in logs.items():
            run.history.setdefault(name, []).append(value)
        return logs

    def _write_checkpoint(self) -> None:
        self.run.seconds = time.perf_counter() - self.started
        arrays = {"state": _values(self.variables), "best": self.best}
        self.entry.write("checkpoint", store.Kept(self.run.record, arrays))

    def finish(self) -> Run:
        """The run with its best weights; into the store, if it came to its end."""
        run = self.run
        run.model.set_weights(self.best)
        run.seconds = time.perf_counter() - self.started
        run.digits_per_second = (run.curve[-1][0] if run.curve else 0) / run.seconds
        run.peak_memory = machine.peak_memory()
        if self.entry and self.over:
            self.entry.write("result", store.Kept(run.record, {"model": _values(run.model.variables)}))
        return run


def origin(model: keras.Model, train: np.ndarray, validation: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """Everything that a run depends on: equal origins give equal runs, to the last bit.

    The model counts with its architecture and its weights as they are now, whatever its layers happen to be called.
    """
    return {
        "model": _without_names(json.loads(model.to_json())),
        "weights": store.digest(_values(model.variables)),
        "train": store.digest([train]),
        "validation": store.digest([validation]),
        "recipe": asdict(recipe),
        "code": store.code(store.TRAINING_CODE),
        "machine": machine.description(),
        "threads": [
            tf.config.threading.get_intra_op_parallelism_threads(),
            tf.config.threading.get_inter_op_parallelism_threads(),
        ],
    }


def _without_names(config: Any) -> Any:
    """A model's configuration with numbers for names: Keras counts on in a process ("dense_7"), so names differ."""
    names: dict[str, str] = {}

    def collect(value: Any) -> None:
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            names.setdefault(value["name"], f"name {len(names)}")
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(part)

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rename(part) for key, part in value.items()}
        if isinstance(value, list):
            return [rename(part) for part in value]
        return names.get(value, value) if isinstance(value, str) else value

    collect(config)
    return rename(config)


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
