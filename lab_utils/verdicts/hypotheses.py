"""The manual's statements as hypotheses: a test stated before the data, an effect with its interval, a verdict.

Every test is one paired difference per seed, oriented so that the statement claims a *large* one, and a threshold:
the smallest difference that would be worth the statement. The verdict follows from the 95 % t interval alone:
wholly above the threshold, the statement is supported; wholly below it, contradicted (which an effect of the right
sign that is too small to matter is as well); otherwise the budget did not resolve it. A statement that says two
things has two tests.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lab_utils.manual import STATEMENTS
from lab_utils.metrics import mean_interval

SUPPORTED, CONTRADICTED, UNRESOLVED = "supported", "contradicted", "not resolved at this budget"

SOURCES = {
    "study": "tables.results of the whole plan, one row per trial",
    "denoising": "in-lab, a row per seed: noisy_psnr, median_psnr, denoised_psnr (dB, mean over noisy test digits)",
    "features": "in-lab, a row per seed: pixels_probe, untrained_probe, code_probe (accuracy in [0, 1] of a linear "
    "probe on noisy test digits; the untrained encoder's code is as large as the trained one's)",
    "code-sizes": "pre-lab, a row per seed: small_error, large_error (MSE per pixel), small_probe, large_probe "
    "(accuracy in [0, 1]), of a small and a large code",
    "activations": "pre-lab, a row per seed: linear_error, nonlinear_error (MSE per pixel at the same code size)",
    "pca": "pre-lab, a row per seed: pca_error, linear_error, nonlinear_error (MSE per pixel at the same code size)",
}

Differences = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Hypothesis:
    """One test of one statement.

    Parameters
    ----------
    id : str
        The statement's key in ``manual.STATEMENTS``; after a dot, the part of it that is tested.
    test : str
        What is compared, in words; fixed before the data.
    unit : str
        Of the effect and the threshold.
    threshold : float
        The smallest effect that counts.
    source : str
        A key of ``SOURCES``: the table that ``differences`` takes.
    differences : callable
        Table to one difference per seed, large where the statement is right.
    """

    id: str
    test: str
    unit: str
    threshold: float
    source: str
    differences: Differences

    @property
    def statement(self) -> str:
        """The manual's sentence."""
        return STATEMENTS[self.id.split(".")[0]]

    def judge(self, table: pd.DataFrame) -> dict[str, str | float | None]:
        """One row for the report: id, statement, test, effect, low, high, unit, threshold, seeds, verdict.

        Numbers that cannot be had (no pair of seeds) are None, and the verdict is then "not resolved".
        """
        differences = np.asarray(self.differences(table), dtype=np.float64)
        differences = differences[np.isfinite(differences)]
        effect, low, high = mean_interval(differences) if len(differences) else (np.nan,) * 3
        numbers = {"effect": effect, "low": low, "high": high}
        return {
            "id": self.id,
            "statement": self.statement,
            "test": f"{self.test}; supported above {self.threshold:g} {self.unit}",
            **{name: float(value) if np.isfinite(value) else None for name, value in numbers.items()},
            "unit": self.unit,
            "threshold": self.threshold,
            "seeds": len(differences),
            "verdict": verdict(low, high, self.threshold),
        }


def verdict(low: float, high: float, threshold: float) -> str:
    """What an interval says of the claim that the effect is above the threshold."""
    if low > threshold:
        return SUPPORTED
    return CONTRADICTED if high < threshold else UNRESOLVED


def judge(tables: Mapping[str, pd.DataFrame], ids: Iterable[str] | None = None) -> list[dict[str, str | float | None]]:
    """Judge every hypothesis whose table is at hand.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Source, see ``SOURCES``, to its table.
    ids : iterable of str, optional
        Keys of ``manual.STATEMENTS`` to judge; by default all.

    Returns
    -------
    list of dict
        See ``Hypothesis.judge``, in the manual's order.
    """
    wanted = set(STATEMENTS if ids is None else ids)
    chosen = [each for each in HYPOTHESES if each.source in tables and each.id.split(".")[0] in wanted]
    return [each.judge(tables[each.source]) for each in chosen]


def statement_verdicts(rows: Iterable[dict]) -> dict[str, str]:
    """One verdict per statement: a sentence with two parts is right if both are, wrong if one is wrong."""
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["id"].split(".")[0], set()).add(row["verdict"])
    order = (CONTRADICTED, UNRESOLVED, SUPPORTED)
    return {statement: next(verdict for verdict in order if verdict in said) for statement, said in parts.items()}


@dataclass(frozen=True)
class Measure:
    """How a column is compared: its words, the unit of differences, their scale and the smallest that counts.

    ``scale`` multiplies a difference; None gives it in percent of what it is compared with.
    """

    words: str
    unit: str
    scale: float | None
    threshold: float

    def difference(self, first: pd.Series, second: pd.Series) -> pd.Series:
        """First minus second, in ``unit``; rows are paired by index."""
        apart = first.astype(float) - second.astype(float)
        return 100 * apart / second if self.scale is None else self.scale * apart


MEASURES = {
    "gap": Measure("generalization gap (error on validation digits over that on training digits)", "points", 1, 0.5),
    "probe": Measure("accuracy of a linear probe on codes", "points", 100, 1),
    "error": Measure("error (MSE per pixel) on held-out digits", "%", None, 2),
    "train_error": Measure("error (MSE per pixel) on training digits", "%", None, 2),
    "first_error": Measure("validation error after the first epoch", "%", None, 2),
    "roughness": Measure("roughness of the training loss", "%", None, 10),
    "setbacks": Measure("share of epochs that did not lower the validation error", "points", 100, 10),
    "dead": Measure("share of hidden units that are never positive", "points", 100, 1),
    "near_zero": Measure("share of code values near zero", "points", 100, 1),
    "signal": Measure("log10 of the first layer's gradient over the last layer's before training", "decades", 1, 0.25),
    "psnr": Measure("PSNR on noisy test digits", "dB", 1, 1),
}


def _knob_scores(frame: pd.DataFrame, knob: str, value: str, score: str) -> pd.Series:
    """A score by seed: of the base, or with one knob at its smallest, its largest or a named value."""
    stage = frame[frame["stage"] == "one-factor"]
    rows = stage[stage["varied"].isin((knob, "base"))]
    if value in ("smallest", "largest"):
        rows = rows[rows[knob] == (rows[knob].min() if value == "smallest" else rows[knob].max())]
    elif value == "base":
        rows = rows[rows["varied"] == "base"]
    else:
        rows = rows[rows[knob] == value]
        rows = rows[rows["strength"] == rows["strength"].max()]
    return rows.set_index("seed")[score]


def _knob(id: str, score: str, knob: str, first: str, second: str) -> Hypothesis:
    """A score at one value of a knob minus that at another; "sigmoid and tanh" is the mean of the two."""
    measure = MEASURES[score]

    def differences(frame: pd.DataFrame) -> np.ndarray:
        sides = (
            pd.concat([_knob_scores(frame, knob, value, score) for value in side.split(" and ")], axis=1).mean(
                axis=1, skipna=False
            )
            for side in (first, second)
        )
        return measure.difference(*sides).to_numpy()

    test = f"{measure.words}: {first} {knob} minus {second}"
    return Hypothesis(id, test, measure.unit, measure.threshold, "study", differences)


def _tuned(id: str, score: str, first: str, second: str, threshold: float | None = None) -> Hypothesis:
    """A score of the base and of the chosen setting on test digits; no difference where the base was chosen."""
    measure = MEASURES[score]

    def differences(frame: pd.DataFrame) -> np.ndarray:
        test = frame[frame["stage"] == "test"].set_index("seed")
        scores = {name: rows[score] for name, rows in test.groupby("varied")}
        scores.setdefault("chosen", scores.get("base", pd.Series(dtype=float)))
        scores.setdefault("base", pd.Series(dtype=float))
        return measure.difference(scores[first], scores[second]).to_numpy()

    least = measure.threshold if threshold is None else threshold
    test = f"{measure.words}, on test digits: {first} setting minus {second}"
    return Hypothesis(id, test, measure.unit, least, "study", differences)


def _columns(id: str, source: str, score: str, first: str, second: str, threshold: float | None = None) -> Hypothesis:
    """One method's column of a table minus another's: "noisy" and score "psnr" name the column "noisy_psnr"."""
    measure = MEASURES[score]

    def differences(frame: pd.DataFrame) -> np.ndarray:
        return measure.difference(frame[f"{first}_{score}"], frame[f"{second}_{score}"]).to_numpy()

    least = measure.threshold if threshold is None else threshold
    return Hypothesis(id, f"{measure.words}: {first} minus {second}", measure.unit, least, source, differences)


# A negative threshold is a margin: the claim is "not worse by more than this".
HYPOTHESES = (
    _knob("bottleneck-small", "gap", "code_size", "base", "smallest"),
    _knob("bottleneck-large.richer", "probe", "code_size", "largest", "base"),
    _knob("bottleneck-large.overfits", "gap", "code_size", "largest", "base"),
    _knob("layers-fewer", "train_error", "hidden_layers", "smallest", "largest"),
    _knob("layers-more.deeper", "probe", "hidden_layers", "largest", "smallest"),
    _knob("layers-more.overfits", "gap", "hidden_layers", "largest", "smallest"),
    _knob("activation-relu", "first_error", "activation", "sigmoid and tanh", "relu"),
    _knob("activation-leaky", "dead", "activation", "relu", "leaky_relu"),
    _knob("activation-sigmoid.sigmoid", "signal", "activation", "relu", "sigmoid"),
    _knob("activation-sigmoid.tanh", "signal", "activation", "relu", "tanh"),
    _knob("batch-small", "gap", "batch_size", "base", "smallest"),
    _knob("batch-large.stable", "roughness", "batch_size", "smallest", "largest"),
    _knob("batch-large.overfits", "gap", "batch_size", "largest", "base"),
    _knob("rate-high.faster", "first_error", "learning_rate", "base", "largest"),
    _knob("rate-high.unstable", "setbacks", "learning_rate", "largest", "base"),
    _knob("rate-low.slow", "first_error", "learning_rate", "smallest", "base"),
    _knob("rate-low.stable", "setbacks", "learning_rate", "largest", "smallest"),
    _knob("regularization-l1", "near_zero", "regularization", "l1", "base"),
    _knob("regularization-l2", "gap", "regularization", "base", "l2"),
    _knob("regularization-dropout", "gap", "regularization", "base", "dropout"),
    _columns("result-in-lab.denoised", "denoising", "psnr", "denoised", "noisy", threshold=3),
    _columns("result-in-lab.features", "features", "probe", "code", "untrained"),
    _columns("inference-in-lab.image", "denoising", "psnr", "denoised", "median"),
    _columns("inference-in-lab.features", "features", "probe", "code", "pixels"),
    _tuned("result-post-lab.features", "probe", "chosen", "base"),
    _tuned("result-post-lab.error", "error", "base", "chosen"),
    _tuned("inference-post-lab.features", "probe", "chosen", "base"),
    _tuned("inference-post-lab.overfitting", "gap", "base", "chosen", threshold=-0.5),
    _tuned("inference-post-lab.underfitting", "train_error", "base", "chosen", threshold=-2),
    _columns("pre-lab-2.key-features", "code-sizes", "probe", "small", "large", threshold=-5),
    _columns("pre-lab-2.details", "code-sizes", "error", "small", "large"),
    _columns("pre-lab-3", "activations", "error", "linear", "nonlinear"),
    _columns("pre-lab-4.nonlinear", "pca", "error", "pca", "nonlinear"),
    _columns("pre-lab-4.linear", "pca", "error", "linear", "pca", threshold=-2),
)
