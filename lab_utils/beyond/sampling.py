"""Digits drawn from noise by a blind denoiser, and a judge of what was drawn."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import entropy
from sklearn.neighbors import NearestNeighbors

from lab_utils.noise import to_unit

Denoise = Callable[[np.ndarray], np.ndarray]
"""Noisy digits, float (n, 28, 28), to estimates of the same shape."""

NEIGHBOURS = 5


def draw(
    denoise: Denoise, count: int, seed: int, *, steps: int = 30, step: float = 0.1, injected: float = 0.05
) -> np.ndarray:
    """Draw digits: start from noise, go a part of the way to the denoised digit, add less noise than went, repeat.

    Parameters
    ----------
    denoise : Denoise
        Trained on unclipped Gaussian noise of all levels. It is not told the level: its residual tells it.
    count : int
        Digits.
    seed : int
        Random state of the noise.
    steps : int
    step : float
        Part of the way in the first step, in (0, 1]; it grows towards 1.
    injected : float
        From 0, as much noise is added as was taken away, to 1, none is: then the start decides all.

    Returns
    -------
    ndarray, shape (steps + 1, count, 28, 28), float32 in [0, 1]
        The denoised digit at every step; the last ones are the drawn digits.

    References
    ----------
    Kadkhodaie & Simoncelli (2021), "Stochastic solutions for linear inverse problems using the prior implicit in a
    denoiser", algorithm 1; ``step`` and ``injected`` are its h and beta.
    """
    rng = np.random.default_rng(seed)
    noisy = 0.5 + rng.standard_normal((count, 28, 28), dtype=np.float32)
    path = [denoise(noisy)]
    for done in range(steps):
        residual = path[-1] - noisy
        level = np.sqrt(np.mean(residual**2, axis=(1, 2), keepdims=True))
        part = step * (1 + done) / (1 + step * done)
        added = np.sqrt((1 - injected * part) ** 2 - (1 - part) ** 2) * level
        noisy = noisy + part * residual + added * rng.standard_normal(noisy.shape, dtype=np.float32)
        path.append(denoise(noisy))
    return np.stack(path)


class Judge:
    """Recognises digits by the training digits nearest to them.

    Parameters
    ----------
    digits : ndarray, shape (n, 28, 28), uint8
    labels : ndarray, shape (n,), int
    """

    def __init__(self, digits: np.ndarray, labels: np.ndarray) -> None:
        self.digits, self.labels = to_unit(digits), labels
        self.neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(_rows(self.digits))

    def nearest(self, digits: np.ndarray) -> np.ndarray:
        """The nearest training digit, in squared pixels, of each of ``digits``, (n, 28, 28)."""
        return self.digits[self.neighbours.kneighbors(_rows(digits), 1, return_distance=False)[:, 0]]

    def table(self, drawn: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """What is to be said of several sets of digits, by name.

        Returns
        -------
        DataFrame
            ``recognised``: share whose five nearest training digits are of one class; ``classes``: how many classes
            these are spread over evenly (the exponential of the entropy: 1 to 10); ``largest``: share of the most
            frequent class; ``distance``: median distance to the nearest training digit (0 for a copy); ``apart``: and
            to the nearest other digit of the set (0 for a repetition).
        """
        return pd.DataFrame({name: self._told(digits) for name, digits in drawn.items()}).T

    def _told(self, digits: np.ndarray) -> dict[str, float]:
        distances, places = self.neighbours.kneighbors(_rows(digits))
        classes = self.labels[places]
        agreed = (classes == classes[:, :1]).all(axis=1)
        counts = np.bincount(classes[agreed, 0], minlength=10)
        return {
            "recognised": agreed.mean(),
            "classes": np.exp(entropy(counts)) if agreed.any() else 0.0,
            "largest": counts.max() / max(1, counts.sum()),
            "distance": np.median(distances[:, 0]),
            "apart": np.median(NearestNeighbors(n_neighbors=1).fit(_rows(digits)).kneighbors()[0]),
        }


def _rows(digits: np.ndarray) -> np.ndarray:
    return digits.reshape(len(digits), -1)
