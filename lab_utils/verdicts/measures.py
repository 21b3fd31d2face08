"""What the hypotheses compare: each measure's words, its scale, its resolution, and the samples in a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lab_utils.verdicts.statistics import Sample

REPEATED = ("one-factor", "confirm", "test")
SETTING = ("stage", "varied", "code_size", "hidden_layers", "activation", "batch_size", "learning_rate")
SETTING += ("regularization", "strength", "passes")
FIXED = ("noisy", "median", "pixels", "pca")
"""Methods without randomness: their columns hold one number, repeated."""


@dataclass(frozen=True)
class Measure:
    """How a score is compared.

    Parameters
    ----------
    score : str
        The column; in a table with a column per method, "score" names "method_score".
    words : str
        What it is.
    scale : float
        Makes a score a number in the unit of its threshold. Ignored where ``ratio`` is set.
    ratio : bool
        Compared by ratio, in percent: on the scale of logarithms, on which large and small have a like spread of seeds.
    worst : int
        Where a failed seed stands: +1 above every number (an error), -1 below every number (an accuracy), 0 nowhere.
    resolution : float or str
        The smallest step of the score (of a ratio: relative to it), or the column that holds how many there are in 1.
    of_features : bool
        Says something of a code: not judged where the network did not train.
    """

    score: str
    words: str
    scale: float = 1.0
    ratio: bool = False
    worst: int = 0
    resolution: float | str = 1e-3
    of_features: bool = False

    def to_scale(self, number: float) -> float:
        """An effect or threshold in its unit, on the scale of comparison."""
        return float(np.log1p(number / 100)) if self.ratio else number / self.scale

    def to_unit(self, number: float) -> float:
        """And back."""
        return float(100 * np.expm1(number)) if self.ratio else number * self.scale

    def sample(self, rows: pd.DataFrame, column: str, fixed: bool = False) -> Sample:
        """The seeds of one setting: one row each."""
        scores = rows[column].to_numpy(dtype=np.float64)
        diverged = rows["diverged"].to_numpy(dtype=bool) if "diverged" in rows else np.zeros(len(rows), dtype=bool)
        failed = diverged | np.isinf(scores)
        scores = scores[~failed & np.isfinite(scores)]
        step = 1 / rows[self.resolution].min() if isinstance(self.resolution, str) else self.resolution
        if not self.ratio:
            return Sample(scores, int(failed.sum()), step, fixed)
        relative = step / scores.mean() if isinstance(self.resolution, str) and len(scores) else step
        return Sample(np.log(scores), int(failed.sum()), relative, fixed)

    def samples(self, table: pd.DataFrame) -> Iterator[tuple[Any, Sample]]:
        """Every setting of the study, or every method, that has this score, with its name."""
        if "stage" in table and self.score in table:
            groups = table[table["stage"].isin(REPEATED)].groupby(list(SETTING), sort=False)
            yield from ((name, self.sample(rows, self.score)) for name, rows in groups)
        elif "stage" not in table:
            columns = [name for name in table if name.endswith(f"_{self.score}")]
            yield from ((name, self.sample(table, name, name.split("_")[0] in FIXED)) for name in columns)


MEASURES = {
    "gap": Measure("gap", "generalization gap (held-out over training error)", resolution=0.01),
    "probe": Measure(
        "probe", "accuracy of a linear probe on codes", 100, worst=-1, resolution="digits", of_features=True
    ),
    "error": Measure("error", "error (MSE per pixel) on held-out digits", ratio=True, worst=1),
    "train_error": Measure("train_error", "error (MSE per pixel) on training digits", ratio=True, worst=1),
    "rises": Measure("rises", "mean rise of the validation error from an epoch to the next", worst=1, resolution=0.01),
    "half_epochs": Measure(
        "half_epochs", "epochs until half of the loss is learned", ratio=True, worst=1, resolution="readings"
    ),
    "half_seconds": Measure("half_seconds", "seconds until half of the loss is learned", ratio=True, worst=1),
    "dead": Measure("dead", "share of hidden units without gradient on every training digit", 100, resolution="units"),
    "near_zero": Measure("near_zero", "share of code values near zero", 100, of_features=True),
    "vanish_before": Measure(
        "vanish_before", "log10 of the error that reaches the first hidden layer over that of the last, before training"
    ),
    "vanish_after": Measure(
        "vanish_after", "log10 of the error that reaches the first hidden layer over that of the last, after training"
    ),
    "psnr": Measure("psnr", "PSNR on noisy test digits (mean over digits)", worst=-1, resolution=0.01),
}
