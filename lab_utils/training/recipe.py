"""How a run is trained, and the error of a recipe that does not work."""

import math
from dataclasses import dataclass

from lab_utils.errors import LabError


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
    lowest_level : float, optional
        Draws each digit's noise level evenly between this and ``noise_level``, for a *blind* denoiser.
    clip : bool
        False leaves noisy pixels outside [0, 1] where they are.
    noisy_target : bool
        True makes the target a second noisy copy of the digit (Noise2Noise, Lehtinen et al., 2018), in validation, too.
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
    lowest_level: float | None = None
    clip: bool = True
    noisy_target: bool = False
    seed: int = 0


class Diverged(LabError):
    """The loss became NaN or infinite."""


def check_finite(loss: float, recipe: Recipe) -> None:
    """Raise ``Diverged``, naming the learning rate, when a loss is no number."""
    if not math.isfinite(loss):
        rate = recipe.learning_rate
        raise Diverged(
            f"The loss became {loss} with learning_rate = {rate:g}.",
            "a learning rate at which the loss stays finite",
            f"Try learning_rate = {rate / 10:g}.",
        )
