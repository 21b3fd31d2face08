"""Seeded training of an autoencoder: noisy digits in, clean digits as the target, a ``Run`` out.

Labels are no argument of anything here: an autoencoder never sees one.

>>> run = fit(models.compact(seed=0), mnist.train.digits, mnist.validation.digits, Recipe(epochs=3))
>>> denoised = run.denoise(noisy)
"""

from lab_utils.machine import peak_memory, precision
from lab_utils.training.loop import fit, fit_seeds
from lab_utils.training.recipe import Diverged, Recipe
from lab_utils.training.run import Run, predict
from lab_utils.training.steps import VALIDATION_NOISE, batches

__all__ = [
    "VALIDATION_NOISE",
    "Diverged",
    "Recipe",
    "Run",
    "batches",
    "fit",
    "fit_seeds",
    "peak_memory",
    "precision",
    "predict",
]
