"""One measurement of the bench, in a process that has done nothing else.

``python -m bench.child task.json answer.json``: what to measure, and where to write what was found.
Nothing heavy is imported before the clock of the import runs.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.contenders import Sizes

STEPS_PER_EXECUTION = 16
"""Training steps that Keras' fit takes in one call of its graph; with 1, its default, it takes longer."""


def measure_program(task: dict[str, Any], sizes: Sizes) -> dict[str, Any]:
    """The manual's program, every line as printed, on the lab's digits instead of a download.

    Its ``fit`` is watched from outside: the test PSNR after each epoch, which the clock leaves out.
    """
    started = time.perf_counter()
    import keras
    import matplotlib.pyplot  # noqa: F401
    import tensorflow as tf

    imported = time.perf_counter()
    digits, fit = _digits(task), keras.Model.fit
    x_train = np.concatenate([digits.train, digits.validation])
    tf.keras.datasets.mnist.load_data = lambda: ((x_train, None), (digits.test, None))
    watch = _watch(digits)

    def watched_fit(model: keras.Model, *args: Any, epochs: int, **options: Any) -> Any:
        watch.start()
        return fit(model, *args, epochs=sizes.program_epochs, callbacks=[watch], **options)

    keras.Model.fit = watched_fit
    began = time.perf_counter()
    exec(files("bench").joinpath("manual_program.txt").read_text(encoding="utf-8"), {})
    return _found(watch, imported - started, watch.started - began)


def measure_contender(task: dict[str, Any], sizes: Sizes) -> dict[str, Any]:
    """One of the lab's models, trained by its recipe with ``training.fit``."""
    started = time.perf_counter()
    from bench import networks
    from lab_utils import data, models
    from lab_utils.training import Recipe, fit, precision

    imported = time.perf_counter()
    mnist = data.load_mnist("auto")
    train, validation = mnist.train.digits[: sizes.train], mnist.validation.digits[: sizes.validation]
    ready = time.perf_counter()
    recipe = Recipe(**task["contender"]["recipe"])
    recipe = Recipe(**vars(recipe) | {"epochs": min(recipe.epochs, sizes.epochs)})
    dtype = "float32" if task["contender"]["model"] == "compact" else precision()
    name = task["contender"]["model"]
    model = getattr(models if hasattr(models, name) else networks, name)(0, dtype=dtype)
    watch = _watch(_digits(task, "test", "noisy"))
    watch.start()
    fit(model, train, validation, recipe, callbacks=[watch], show_progress=False)
    return _found(watch, imported - started, ready - imported) | {"parameters": model.count_params(), "dtype": dtype}


def measure_steps(task: dict[str, Any], sizes: Sizes) -> dict[str, float]:
    """Milliseconds of one training step of the manual's model at batch 128, the ways in turn: the median of each."""
    import tensorflow as tf

    from lab_utils import models
    from lab_utils.noise import corrupt, to_unit
    from lab_utils.training import Recipe, precision, steps

    train, recipe = _digits(task).train, Recipe(batch_size=128, epochs=1_000)
    clean, noisy = to_unit(train)[..., None], corrupt(train, "gaussian", 0.5, 0)[..., None]

    def keras_at_its_best(dtype: str) -> Any:
        """Keras' own fit: several steps in one call of its graph, and digits from tf.data, ready beforehand."""
        model = models.manual(0, dtype)
        model.compile(optimizer="adam", loss="binary_crossentropy", steps_per_execution=STEPS_PER_EXECUTION)
        count = sizes.steps * recipe.batch_size
        pairs = tf.data.Dataset.from_tensor_slices((noisy[:count], clean[:count])).batch(recipe.batch_size).cache()
        pairs = pairs.prefetch(tf.data.AUTOTUNE)

        def read() -> float:
            clock = time.perf_counter()
            model.fit(pairs, verbose=0)
            return (time.perf_counter() - clock) / sizes.steps

        return read

    def ours(dtype: str) -> Any:
        model = models.manual(0, dtype)
        trainer = steps.trainer(model, recipe, steps.optimizer_of(model, recipe, sizes.steps))
        stream = steps.stretches(train, recipe)

        def read() -> float:
            clock = time.perf_counter()
            done = 0
            while done < sizes.steps:
                noisy, clean = next(stream)
                float(trainer(noisy, clean))
                done += len(noisy)
            return (time.perf_counter() - clock) / done

        return read

    dtypes = list(dict.fromkeys(("float32", precision())))
    ways = {f"Keras' fit, {dtype}": keras_at_its_best(dtype) for dtype in dtypes}
    ways |= {f"ours, {dtype}": ours(dtype) for dtype in dtypes}
    return _medians(ways, sizes.readings)


def measure_pytorch_steps(task: dict[str, Any], sizes: Sizes) -> dict[str, float]:
    """The same step in PyTorch, in a process of its own: its idle threads would slow down TensorFlow's."""
    from bench import pytorch
    from lab_utils.machine import precision
    from lab_utils.noise import corrupt, to_unit

    train, batch_size = _digits(task).train, 128
    dtypes = ("float32", "bfloat16") if precision() == "mixed_bfloat16" else ("float32",)
    noisy, clean = corrupt(train, "gaussian", 0.5, 0), to_unit(train)
    ways = {f"PyTorch, {dtype}": pytorch.step_clock(noisy, clean, batch_size, sizes.steps, dtype) for dtype in dtypes}
    return _medians(ways, sizes.readings)


def _medians(ways: dict[str, Callable[[], float]], readings: int) -> dict[str, float]:
    """The ways in turn, again and again: the median of each, in milliseconds. The first reading warms up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for reading in range(readings + 1):
        for name, read in ways.items():
            value = 1000 * read()
            if reading:
                found[name].append(value)
    return {name: float(np.median(values)) for name, values in found.items()}


def measure_trials(task: dict[str, Any], sizes: Sizes) -> dict[str, Any]:
    """Seconds of one trial of the study where several follow each other."""
    from lab_utils import data
    from lab_utils.study import digits, space, trial

    budget = digits.Budget(train_digits=sizes.trial_digits, score_digits=200, probe_digits=500)
    chosen = digits.Digits.of(data.load_mnist("auto"), budget)
    trial.run_trial(space.BASE, 0, budget, chosen)
    clock = time.perf_counter()
    for seed in range(1, task["count"]):
        trial.run_trial(space.BASE, seed, budget, chosen)
    return {"seconds_per_trial": (time.perf_counter() - clock) / max(1, task["count"] - 1)}


def _digits(task: dict[str, Any], *names: str) -> SimpleNamespace:
    """Arrays of the bench's digits by name; all of them where none is named."""
    with np.load(task["digits"]) as arrays:
        return SimpleNamespace(**{name: arrays[name] for name in names or arrays.files})


def _watch(digits: SimpleNamespace) -> Any:
    """A Keras callback with a clock that stands still while it scores: (seconds, test PSNR in dB) per epoch."""
    import keras

    class Watch(keras.callbacks.Callback):
        def start(self) -> None:
            self.points: list[tuple[float, float]] = []
            self.started, self.paused = time.perf_counter(), 0.0

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            now = time.perf_counter()
            parts = [slice(i, i + 500) for i in range(0, len(digits.test), 500)]
            psnr = np.concatenate([self._psnr(digits.noisy[part], digits.test[part] / 255) for part in parts])
            self.points.append((now - self.started - self.paused, float(psnr.mean())))
            self.paused += time.perf_counter() - now

        def _psnr(self, noisy: np.ndarray, clean: np.ndarray) -> np.ndarray:
            output = np.asarray(self.model(noisy[..., None], training=False))[..., 0]
            return -10 * np.log10(np.square(np.clip(output, 0, 1) - clean).mean(axis=(1, 2)))

    return Watch()


def _found(watch: Any, import_seconds: float, data_seconds: float) -> dict[str, Any]:
    from lab_utils.machine import peak_memory

    return {
        "import_seconds": import_seconds,
        "data_seconds": data_seconds,
        "points": watch.points,
        "peak_memory": peak_memory(),
    }


MEASUREMENTS = {
    "program": measure_program,
    "contender": measure_contender,
    "steps": measure_steps,
    "pytorch steps": measure_pytorch_steps,
    "trials": measure_trials,
}

if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answer = MEASUREMENTS[asked["what"]](asked, Sizes(**asked["sizes"]))
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
