"""The manual's statements as hypotheses: a test stated before the data, an effect with its interval, a verdict.

Every test compares the seeds of two settings, oriented so that the statement claims a *large* difference, with a
threshold: the smallest difference that would be worth the statement (``thresholds``). One of five words follows
(``statistics.decide``): supported, negligible, opposite, not resolved, cannot be measured at this size. A statement
that says two things has two tests, and so has a sentence like "generalizes better": a smaller gap, *and* an error on
held-out digits that is not worse, for a network that learns nothing has no gap at all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lab_utils.manual import STATEMENTS
from lab_utils.verdicts import published, statistics, thresholds
from lab_utils.verdicts.measures import FIXED, MEASURES, Measure
from lab_utils.verdicts.statistics import LEVEL, NEGLIGIBLE, OPPOSITE, SUPPORTED, UNMEASURED, UNRESOLVED, Prior, Sample

SOURCES = {
    "study": "tables.results of the whole plan, one row per trial",
    "denoising": "in-lab, a row per seed: noisy_psnr, median_psnr, denoised_psnr (dB, mean over noisy test digits; the "
    "median filter recalibrated)",
    "features": "in-lab, a row per seed: pixels_probe, untrained_probe, code_probe (accuracy in [0, 1] of a linear "
    "probe on noisy test digits; the untrained encoder's code is as large as the trained one's) and digits, how many",
    "code-sizes": "pre-lab, a row per seed: small_error, large_error (MSE per pixel), small_probe, large_probe "
    "(accuracy in [0, 1]), of a small and a large code, and digits, how many they were measured on",
    "activations": "pre-lab, a row per seed: linear_error, nonlinear_error (MSE per pixel at the same code size)",
    "pca": "pre-lab, a row per seed: pca_error, linear_error, nonlinear_error (MSE per pixel at the same code size)",
}

ORDER = (OPPOSITE, NEGLIGIBLE, UNMEASURED, UNRESOLVED, SUPPORTED)
"""Of a sentence with several parts the first of these holds: it is wrong if one part is."""


@dataclass(frozen=True)
class Side:
    """One of the two settings compared: its words, and its rows in the study's table (or its method's name)."""

    words: str
    rows: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    def table(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of this side."""
        return self.rows(table) if self.rows else table

    def sample(self, table: pd.DataFrame, measure: Measure) -> Sample:
        """What its seeds measured."""
        column = measure.score if self.rows else f"{self.words}_{measure.score}"
        return measure.sample(self.table(table), column, self.words in FIXED)


@dataclass(frozen=True)
class Hypothesis:
    """One test of one statement.

    Parameters
    ----------
    id : str
        The statement's key in ``manual.STATEMENTS``; after a dot, the part of it that is tested.
    source : str
        A key of ``SOURCES``: the table that holds both sides.
    measure : str
        A key of ``MEASURES``.
    first, second : Side
        The statement claims that the first has more of the measure.
    limit : str
        A key of ``thresholds.HYPOTHESES``.
    two_sided : bool
        The statement claims no difference as large as the threshold instead.
    converged : Side, optional
        What has to be trained to convergence for the comparison to mean anything.
    also : tuple of str
        Other statements that this same test is a part of.
    """

    id: str
    source: str
    measure: str
    first: Side
    second: Side
    limit: str
    two_sided: bool = False
    converged: Side | None = None
    also: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """The manual's sentence."""
        return STATEMENTS[self.id.split(".")[0]]

    @property
    def test(self) -> str:
        """What is compared, in words; fixed before the data."""
        limit, measure = thresholds.HYPOTHESES[self.limit], MEASURES[self.measure]
        claim = f"{'within' if self.two_sided else 'above'} {limit.value:g} {limit.unit}"
        joint = "over" if measure.ratio else "minus"
        return f"{measure.words}: {self.first.words} {joint} {self.second.words}; supported {claim}"

    def judge(self, table: pd.DataFrame, prior: Prior) -> dict[str, Any]:
        """One row for the report; see ``judge``."""
        measure, limit = MEASURES[self.measure], thresholds.HYPOTHESES[self.limit]
        first, second = (side.sample(table, measure) for side in (self.first, self.second))
        numbers: tuple[float, ...] = (np.nan,) * 3
        note = self._obstacle(table, first, second)
        if note:
            verdict, p = UNMEASURED, np.nan
        elif first.failed or second.failed:
            verdict, p = statistics.compare_failures(*((first, second) if measure.worst > 0 else (second, first)))
            note = f"{first.failed} of {first.seeds} seeds against {second.failed} of {second.seeds} end in no number"
        else:
            found = statistics.difference(first, second, prior)
            verdict, p = statistics.decide(found, measure.to_scale(limit.value), self.two_sided)
            if verdict != UNMEASURED:
                numbers = tuple(measure.to_unit(number) for number in (found.effect, *found.interval()))
        effect, low, high, p = (float(number) if np.isfinite(number) else None for number in (*numbers, p))
        return {
            "id": self.id,
            "statement": self.statement,
            "also": list(self.also),
            "test": self.test,
            "effect": effect,
            "low": low,
            "high": high,
            "unit": limit.unit,
            "threshold": limit.value,
            "reason": limit.reason,
            "fixed": limit.fixed,
            "seeds": min(first.seeds, second.seeds),
            "note": note,
            "p": p,
            "verdict": verdict,
            "published": published.beside(self.id),
        }

    def _obstacle(self, table: pd.DataFrame, first: Sample, second: Sample) -> str:
        """Why these rows can give no verdict; empty where they can."""
        measure = MEASURES[self.measure]
        if not (first.seeds and second.seeds) or not (len(first.values) + len(second.values)):
            return "nothing was measured"
        if measure.worst == 0 and (first.failed or second.failed):
            return "a seed that diverged has no such number, and is not left out"
        sides = [side.table(table) for side in (self.first, self.second)]
        if measure.of_features and any(_did_not_train(rows) for rows in sides):
            return "a network did not train: its error is that of the mean digit"
        if self.converged and not _converged(self.converged.table(table)):
            return "the larger network was not trained to convergence"
        return ""


def _did_not_train(rows: pd.DataFrame) -> bool:
    """Whether the error of these rows is within 3 % of the mean digit's."""
    if "of_mean_digit" not in rows:
        return False
    return bool((rows["of_mean_digit"] > 1 - thresholds.CONDITIONS["did-not-train"].value / 100).any())


def _converged(rows: pd.DataFrame) -> bool:
    """Whether the last third of the epochs gained next to nothing."""
    return bool(rows["left"].mean() < thresholds.CONDITIONS["converged"].value)


def judge(tables: Mapping[str, pd.DataFrame], ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Judge every hypothesis whose table is at hand: those of one notebook, for Holm counts them together.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Source, see ``SOURCES``, to its table.
    ids : iterable of str, optional
        Keys of ``manual.STATEMENTS`` to judge; by default all.

    Returns
    -------
    list of dict
        In the manual's order: ``id``, ``statement``, ``also`` (other statements with the same test), ``test``,
        ``effect``, ``low``, ``high`` (95 % interval over seeds) in ``unit``, ``threshold``, its ``reason`` and the day
        it was ``fixed``, ``seeds`` (of the side with fewer), ``note``, ``p`` (the smallest level at which the interval
        gives the verdict), ``verdict``, ``holm``, the verdict that is left when all tests are counted together, and
        ``published``, what the published run says. Numbers that cannot be had are None.
    """
    wanted = set(STATEMENTS if ids is None else ids)
    chosen = [each for each in HYPOTHESES if each.source in tables and {each.id.split(".")[0], *each.also} & wanted]
    priors = _priors(tables)
    rows = [each.judge(tables[each.source], priors[each.source == "study", each.measure]) for each in chosen]
    tested = [row for row in rows if row["p"] is not None]
    for row, level in zip(tested, statistics.holm([row["p"] for row in tested]), strict=True):
        row["holm"] = row["verdict"] if level <= LEVEL else UNRESOLVED
    return [{"holm": UNMEASURED} | row for row in rows]


def _priors(tables: Mapping[str, pd.DataFrame]) -> dict[tuple[bool, str], Prior]:
    """What the settings say of the variance over seeds, by measure: those of the study, and those beside it."""
    priors = {}
    for of_study in (True, False):
        here = [table for source, table in tables.items() if (source == "study") == of_study]
        families = {
            name: dict(named for table in here for named in measure.samples(table)).values()
            for name, measure in MEASURES.items()
        }
        priors |= {(of_study, name): prior for name, prior in statistics.fit_priors(families).items()}
    return priors


def statement_verdicts(rows: Iterable[dict], key: str = "verdict") -> dict[str, str]:
    """One verdict per statement: a sentence with two parts is right if both are, wrong if one is wrong.

    ``key`` is "verdict", or "holm" for those that are left when all tests are counted together.
    """
    parts: dict[str, set[str]] = {}
    for row in rows:
        for statement in (row["id"].split(".")[0], *row["also"]):
            parts.setdefault(statement, set()).add(row[key])
    return {statement: next(verdict for verdict in ORDER if verdict in said) for statement, said in parts.items()}


# The sides ---------------------------------------------------------------------------------------------------------


def _setting(name: str, value: Any, where: str = "") -> Side:
    """The base, or the settings with one hyperparameter at its smallest, its largest or a named value."""
    varied = f"{name} at {where}" if where else name

    def rows(frame: pd.DataFrame) -> pd.DataFrame:
        stage = frame[frame["stage"] == "one-factor"]
        base = stage[stage["varied"] == "base"]
        if value == "base":
            return base
        turned = stage[stage["varied"] == varied]
        if value in ("smallest", "largest"):
            turned = pd.concat([base, turned])
            extreme = turned[name].min() if value == "smallest" else turned[name].max()
            return turned[turned[name] == extreme]
        turned = turned[turned[name] == value]
        return turned[turned["strength"] == turned["strength"].max()]

    return Side(f"{value} {name.replace('_', ' ')}{' at ' if where else ''}{where}", rows)


def _tested(name: str) -> Side:
    """The base, or the chosen setting, on test digits."""
    return Side(
        f"the {name} setting on test digits",
        lambda frame: frame[(frame["stage"] == "test") & (frame["varied"] == name)],
    )


def _compare(id: str, measure: str, name: str, first: Any, second: Any, limit: str = "", **more: Any) -> Hypothesis:
    where = more.pop("where", "")
    sides = [_setting(name, value, "" if value == "base" else where) for value in (first, second)]
    return Hypothesis(id, "study", measure, *sides, limit or measure, **more)


def _generalizes(id: str, name: str, better: Any, worse: Any, where: str = "") -> tuple[Hypothesis, Hypothesis]:
    """A smaller gap, and an error on held-out digits that is not larger."""
    return (
        _compare(f"{id}gap", "gap", name, worse, better, where=where),
        _compare(f"{id}error", "error", name, worse, better, "error-not-worse", where=where),
    )


def _vanishes(activation: str) -> Iterable[Hypothesis]:
    """The error that reaches the first of many hidden layers, beside ReLU's, before and after training."""
    for when in ("before", "after"):
        first, second = _setting("hidden_layers", 3), _setting("activation", activation, DEPTH)
        id = f"activation-sigmoid.{activation}-{when}"
        yield Hypothesis(id, "study", f"vanish_{when}", first, second, "vanishing")


def _slower(id: str, name: str, slow: Any, fast: Any) -> Iterable[Hypothesis]:
    """More epochs, and more seconds, to the same loss."""
    for unit in ("epochs", "seconds"):
        yield _compare(f"{id}{unit}", f"half_{unit}", name, slow, fast, "speed")


def _columns(id: str, source: str, measure: str, first: str, second: str, limit: str = "", **more: Any) -> Hypothesis:
    return Hypothesis(id, source, measure, Side(first), Side(second), limit or measure, **more)


DEPTH, STEPS = "3 hidden layers", "equal steps"

# At equal digits a small batch makes more steps; both comparisons have to hold.
HYPOTHESES = (
    *_generalizes("bottleneck-small.", "code_size", "smallest", "base"),
    _compare("bottleneck-large.richer", "probe", "code_size", "largest", "base"),
    _compare("bottleneck-large.overfits", "gap", "code_size", "largest", "base"),
    _compare(
        "layers-fewer",
        "train_error",
        "hidden_layers",
        "smallest",
        "largest",
        "error",
        converged=_setting("hidden_layers", "largest"),
    ),
    _compare("layers-more.deeper", "probe", "hidden_layers", "largest", "smallest"),
    _compare("layers-more.overfits", "gap", "hidden_layers", "largest", "smallest"),
    *_slower("activation-relu.sigmoid-", "activation", "sigmoid", "base"),
    *_slower("activation-relu.tanh-", "activation", "tanh", "base"),
    _compare("activation-leaky", "dead", "activation", "base", "leaky_relu"),
    *_vanishes("sigmoid"),
    *_vanishes("tanh"),
    *_generalizes("batch-small.", "batch_size", "smallest", "base"),
    *_generalizes("batch-small.steps-", "batch_size", "smallest", "base", where=STEPS),
    _compare("batch-large.stable", "rises", "batch_size", "smallest", "largest"),
    _compare("batch-large.overfits", "gap", "batch_size", "largest", "base"),
    _compare("batch-large.steps-overfits", "gap", "batch_size", "largest", "base", where=STEPS),
    _compare("rate-high.faster-0.01", "half_epochs", "learning_rate", "base", 0.01, "speed"),
    _compare("rate-high.faster-0.03", "half_epochs", "learning_rate", "base", 0.03, "speed"),
    _compare("rate-high.unstable-0.01", "rises", "learning_rate", 0.01, "base"),
    _compare("rate-high.unstable-0.03", "rises", "learning_rate", 0.03, "base"),
    _compare("rate-low.slow", "half_epochs", "learning_rate", "smallest", "base", "speed"),
    _compare("rate-low.stable", "rises", "learning_rate", "largest", "smallest"),
    _compare("regularization-l1", "near_zero", "regularization", "code_l1", "base"),
    *_generalizes("regularization-l2.", "regularization", "weight_decay", "base"),
    *_generalizes("regularization-dropout.", "regularization", "dropout", "base"),
    _columns("result-in-lab.denoised", "denoising", "psnr", "denoised", "noisy", "psnr-noisy"),
    _columns("result-in-lab.features", "features", "probe", "code", "untrained"),
    _columns("inference-in-lab.image", "denoising", "psnr", "denoised", "median"),
    _columns("inference-in-lab.features", "features", "probe", "code", "pixels"),
    Hypothesis(
        "result-post-lab.features",
        "study",
        "probe",
        _tested("chosen"),
        _tested("base"),
        "probe",
        also=("inference-post-lab",),
    ),
    Hypothesis("result-post-lab.error", "study", "error", _tested("base"), _tested("chosen"), "error"),
    Hypothesis("inference-post-lab.overfitting", "study", "gap", _tested("base"), _tested("chosen"), "gap-not-worse"),
    Hypothesis(
        "inference-post-lab.underfitting", "study", "train_error", _tested("base"), _tested("chosen"), "error-not-worse"
    ),
    _columns("pre-lab-2.key-features", "code-sizes", "probe", "small", "large", "probe-not-worse"),
    _columns("pre-lab-2.details", "code-sizes", "error", "small", "large"),
    _columns("pre-lab-3", "activations", "error", "linear", "nonlinear"),
    _columns("pre-lab-4.nonlinear", "pca", "error", "pca", "nonlinear"),
    _columns("pre-lab-4.linear", "pca", "error", "linear", "pca", "error-same", two_sided=True),
)
