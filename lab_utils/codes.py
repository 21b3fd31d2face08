"""The experiments of the pre-lab: autoencoders of several code sizes, activations and seeds, and PCA beside them.

All of them are 784-128-code-128-784, trained to give back the clean digit that they were given.
"""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.random_projection import GaussianRandomProjection

from lab_utils import features, metrics, models, training
from lab_utils.data import Mnist
from lab_utils.noise import to_unit
from lab_utils.settings import PreLab
from lab_utils.progress import progress

WIDTH = 128
PROBE_DIGITS = 2_000
"""Labelled training digits that the linear probe is fitted on."""

SCORED = 1_000
"""Validation digits that the loss is measured on after each epoch; all of them are measured at the end."""

SMALL, LARGE = 8, 128
"""The code sizes that the manual's statement on the bottleneck is tested with."""

Key = tuple[int, str, int]
"""Code size, activation, seed."""


@dataclass(frozen=True)
class Experiment:
    """Trains and measures; what was trained once is not trained again.

    Parameters
    ----------
    train, validation : ndarray, shape (n, 28, 28), uint8
    train_labels, validation_labels : ndarray, shape (n,)
        For the linear probe alone.
    epochs : int
    seeds : range
        One autoencoder is trained with each.
    """

    train: np.ndarray
    train_labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray
    epochs: int
    seeds: range
    trained: dict[Key, training.Run] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, mnist: Mnist, lab: PreLab) -> "Experiment":
        """On the digits, and with the seeds, that the parameters say."""
        train, held_out = mnist.train, mnist.validation
        seeds = range(lab.seed, lab.seed + lab.repeats)
        part = slice(lab.train_digits)
        return cls(train.digits[part], train.labels[part], held_out.digits, held_out.labels, lab.epochs, seeds)

    def fit(self, code_size: int, activation: str = "relu", seed: int | None = None) -> training.Run:
        """One trained autoencoder, by default of the first seed; "linear" has no activation, and squared error."""
        seed = self.seeds[0] if seed is None else seed
        self._train([(code_size, activation, seed)])
        return self.trained[code_size, activation, seed]

    def runs(self, code_size: int, activations: Sequence[str]) -> dict[str, training.Run]:
        """One run of the first seed by activation."""
        return {activation: self.fit(code_size, activation) for activation in activations}

    def autoencoders(self, code_sizes: Sequence[int], activations: Sequence[str] = ("relu",)) -> pd.DataFrame:
        """Autoencoders of all these code sizes and activations, with every seed.

        Returns
        -------
        DataFrame
            One row per autoencoder: ``method`` ("autoencoder"), ``activation``, ``code_size``, ``seed``, ``mse`` (per
            pixel, on validation digits), ``probe`` (accuracy in [0, 1] of a linear probe on codes).
        """
        keys = list(product(code_sizes, activations, self.seeds))
        self._train(keys)
        return _table(
            [("autoencoder", activation, size, seed) for size, activation, seed in keys], map(self._row, keys)
        )

    def pca(self, code_sizes: Sequence[int]) -> pd.DataFrame:
        """The same table for PCA with as many components; it has no randomness, and is the same for every seed."""
        measured = {size: self._pca_row(size) for size in code_sizes}
        keys = list(product(code_sizes, self.seeds))
        return _table([("PCA", "", *key) for key in keys], [measured[size] for size, _ in keys])

    def by_pca(self, digits: np.ndarray, size: int) -> np.ndarray:
        """Digits, (n, 28, 28) in [0, 1], as PCA draws them again from so many values."""
        pca = self._fit_pca(size)
        return np.clip(pca.inverse_transform(pca.transform(_flat(digits))), 0, 1).reshape(digits.shape)

    def views(self, run: training.Run) -> pd.DataFrame:
        """Accuracy of a linear probe, in percent, on pixels, on random projections and on a run's codes."""
        digits = to_unit(self.train[:PROBE_DIGITS]), to_unit(self.validation)
        codes = [features.encode(run.encoder, part) for part in digits]
        size = codes[0].shape[1]
        pixels = [_flat(part) for part in digits]
        projection = GaussianRandomProjection(size, random_state=run.recipe.seed).fit(pixels[0])
        views = {
            "784 pixels": pixels,
            f"{size} random projections": [projection.transform(part) for part in pixels],
            f"{size}-value code": codes,
        }
        accuracy = {name: [100 * self._probe(*parts)] for name, parts in views.items()}
        return pd.DataFrame.from_dict(accuracy, orient="index", columns=["probe"])

    def gain_over_mean(self, rebuilt: np.ndarray) -> float:
        """How many times smaller the error of rebuilt validation digits is than that of the mean training digit."""
        clean = to_unit(self.validation)
        mean_digit = np.broadcast_to(to_unit(self.train).mean(axis=0), clean.shape)
        return float(metrics.mse(clean, mean_digit).mean() / metrics.mse(clean, rebuilt).mean())

    def _train(self, keys: Sequence[Key]) -> None:
        missing = [key for key in keys if key not in self.trained]
        several = len(missing) > 1
        with progress(len(missing), "autoencoder", None if several else False) as bar:
            for key in missing:
                self.trained[key] = self._trained(*key, show_progress=False if several else None)
                bar.update()

    def _trained(self, code_size: int, activation: str, seed: int, show_progress: bool | None) -> training.Run:
        linear = activation == "linear"
        model = models.compact(seed, code_size=code_size, width=WIDTH, activation=activation, linear=linear)
        recipe = training.Recipe(
            noise_level=0.0,
            epochs=self.epochs,
            batch_size=32,
            learning_rate=6e-3,
            schedule="cosine",
            loss="mean_squared_error" if linear else "binary_crossentropy",
            seed=seed,
        )
        return training.fit(model, self.train, self.validation[:SCORED], recipe, show_progress=show_progress)

    def _row(self, key: Key) -> tuple[float, float]:
        run, clean = self.trained[key], to_unit(self.validation)
        codes = (features.encode(run.encoder, part) for part in (to_unit(self.train[:PROBE_DIGITS]), clean))
        return metrics.mse(clean, run.denoise(clean)).mean(), self._probe(*codes)

    def _pca_row(self, size: int) -> tuple[float, float]:
        pca, clean = self._fit_pca(size), to_unit(self.validation)
        codes = (pca.transform(_flat(part)) for part in (to_unit(self.train[:PROBE_DIGITS]), clean))
        return metrics.mse(clean, self.by_pca(clean, size)).mean(), self._probe(*codes)

    def _fit_pca(self, size: int) -> PCA:
        return PCA(size, svd_solver="covariance_eigh").fit(_flat(to_unit(self.train)))

    def _probe(self, codes_fit: np.ndarray, codes: np.ndarray) -> float:
        labels = self.train_labels[:PROBE_DIGITS]
        return features.probe_accuracy(codes_fit, labels, codes, self.validation_labels)


def errors(activations: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Mean error by activation, and PCA's of the same code size: indexed by method, column ``mse``."""
    size = activations["code_size"].iloc[0]
    pca = sizes[(sizes["method"] == "PCA") & (sizes["code_size"] == size)]
    means = activations.groupby("activation")[["mse"]].mean()
    return pd.concat([means, pd.DataFrame({"mse": pca["mse"].mean()}, index=[f"PCA, {size} components"])])


def ratios(sizes: pd.DataFrame) -> pd.DataFrame:
    """By code size: the mean error of ``PCA`` and of the ``autoencoder``, and the first over the second, ``ratio``."""
    means = sizes.groupby(["code_size", "method"])["mse"].mean().unstack()[["PCA", "autoencoder"]]
    return means.assign(ratio=means["PCA"] / means["autoencoder"])


def hypothesis_tables(sizes: pd.DataFrame, activations: pd.DataFrame, digits: int) -> dict[str, pd.DataFrame]:
    """What ``verdicts.hypotheses.judge`` takes of the pre-lab: one row per seed.

    Parameters
    ----------
    sizes, activations : DataFrame
        Of ``Experiment.autoencoders`` (and ``pca``).
    digits : int
        How many the scores were measured on.
    """
    by_size = sizes.pivot(index="seed", columns=["method", "code_size"], values=["mse", "probe"]).sort_index(axis=1)
    error, read = by_size["mse", "autoencoder"], by_size["probe", "autoencoder"]
    by_activation = activations.pivot(index="seed", columns="activation", values="mse")
    bent = pd.DataFrame({"linear_error": by_activation["linear"], "nonlinear_error": by_activation["relu"]})
    scores = {
        "small_error": error[SMALL],
        "large_error": error[LARGE],
        "small_probe": read[SMALL],
        "large_probe": read[LARGE],
        "digits": digits,
    }
    pca_error = by_size["mse", "PCA", activations["code_size"].iloc[0]]
    return {"code-sizes": pd.DataFrame(scores), "activations": bent, "pca": bent.assign(pca_error=pca_error)}


def _table(keys: Sequence[tuple], scores: Iterable[tuple]) -> pd.DataFrame:
    rows = [(*key, *score) for key, score in zip(keys, scores, strict=True)]
    return pd.DataFrame(rows, columns=["method", "activation", "code_size", "seed", "mse", "probe"])


def _flat(digits: np.ndarray) -> np.ndarray:
    return digits.reshape(len(digits), -1)
