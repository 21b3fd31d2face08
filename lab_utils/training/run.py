"""What a training leaves behind, and how it is used."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from lab_utils.models import halves
from lab_utils.training.recipe import Recipe

BATCH = 500
"""Digits per step of evaluation: changes memory and time only."""


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
        Wall-clock time of the fit; of a run from the cache, the time that it took when it was trained.
    digits_per_second : float
    peak_memory : int
        Bytes: the most that the process that trained it had held until then.
    from_cache : bool
        True when nothing was trained now: an equal run was found in the cache.
    """

    model: keras.Model
    recipe: Recipe
    history: dict[str, list[float]] = field(default_factory=dict)
    curve: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    digits_per_second: float = 0.0
    peak_memory: int = 0
    from_cache: bool = False

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

    @property
    def record(self) -> dict[str, Any]:
        """All but the model and the recipe, JSON-able; `restore` reads it."""
        return {name: value for name, value in vars(self).items() if name not in ("model", "recipe")}

    @classmethod
    def restore(cls, model: keras.Model, recipe: Recipe, record: dict[str, Any]) -> "Run":
        """The run of a trained model and the ``record`` that the cache kept of it."""
        curve = [tuple(point) for point in record["curve"]]
        return cls(model, recipe, **record | {"curve": curve, "from_cache": True})


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """``model(inputs)`` in batches, as float32, without Keras' per-call set-up."""
    parts = [model(inputs[i : i + BATCH], training=False) for i in range(0, len(inputs), BATCH)]
    return np.concatenate([keras.ops.convert_to_numpy(keras.ops.cast(part, "float32")) for part in parts])
