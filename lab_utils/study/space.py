"""The six knobs of the post-lab: their ranges, the base setting, and the settings that a search tries."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

STRENGTHS = {"l1": (1e-3, 1.0), "l2": (1e-3, 1.0), "dropout": (0.05, 0.5)}


@dataclass(frozen=True)
class Setting:
    """One choice of the six knobs; the defaults are the base setting.

    Parameters
    ----------
    code_size : int
        Values in the code.
    hidden_layers : int
        Hidden layers in the encoder, and as many in the decoder.
    activation : str
        Of the hidden layers: "relu", "leaky_relu", "sigmoid" or "tanh".
    batch_size : int
        Digits per training step.
    learning_rate : float
        Of Adam, constant.
    regularization : str
        "none", "l1", "l2" (both on the code, see ``models.compact``) or "dropout" (of hidden units).
    strength : float
        Weight of the penalty, or the fraction dropped; 0 with "none".
    """

    code_size: int = 32
    hidden_layers: int = 1
    activation: str = "relu"
    batch_size: int = 64
    learning_rate: float = 3e-3
    regularization: str = "none"
    strength: float = 0.0

    def penalty(self) -> dict[str, float]:
        """The regularization as ``models.compact`` takes it."""
        return {} if self.regularization == "none" else {self.regularization: self.strength}


BASE = Setting()


@dataclass(frozen=True)
class Knob:
    """One row of the search space.

    Parameters
    ----------
    name : str
        A field of ``Setting``.
    distribution : BaseDistribution
        What random and TPE search draw from.
    quick, full : tuple
        Values that one-factor-at-a-time tries in each profile, beside the base.
    grid : tuple
        Values of the grid search.
    """

    name: str
    distribution: BaseDistribution
    quick: tuple
    full: tuple
    grid: tuple


# In "regularization" a value is (kind, strength): the two belong together. Both profiles end at the same extremes,
# so that the hypotheses test the same differences.
KNOBS = (
    Knob("code_size", IntDistribution(4, 256, log=True), (8, 128), (8, 16, 64, 128), (16, 32, 64)),
    Knob("hidden_layers", IntDistribution(1, 4), (3,), (2, 3), (1, 2)),
    Knob(
        "activation",
        CategoricalDistribution(("relu", "leaky_relu", "sigmoid", "tanh")),
        ("leaky_relu", "sigmoid", "tanh"),
        ("leaky_relu", "sigmoid", "tanh"),
        ("relu", "tanh"),
    ),
    Knob("batch_size", CategoricalDistribution((16, 32, 64, 128, 256)), (16, 256), (16, 32, 128, 256), (32, 128)),
    Knob(
        "learning_rate",
        FloatDistribution(1e-4, 3e-2, log=True),
        (3e-4, 3e-2),
        (3e-4, 1e-3, 1e-2, 3e-2),
        (1e-3, 3e-3, 1e-2),
    ),
    Knob(
        "regularization",
        CategoricalDistribution(("none", *STRENGTHS)),
        (("l1", 0.03), ("l2", 0.03), ("dropout", 0.2)),
        (("l1", 0.01), ("l1", 0.03), ("l2", 0.01), ("l2", 0.03), ("dropout", 0.1), ("dropout", 0.2)),
        (("none", 0.0), ("dropout", 0.1)),
    ),
)
KNOB_NAMES = tuple(knob.name for knob in KNOBS)


def space_table() -> list[dict[str, str]]:
    """One row per knob (knob, range, scale, base, quick, full, grid), to be shown with ``facts.table``."""
    rows = []
    for knob in KNOBS:
        domain = knob.distribution
        choices = isinstance(domain, CategoricalDistribution)
        limits = ", ".join(map(str, domain.choices)) if choices else f"{domain.low:g} to {domain.high:g}"
        if knob.name == "regularization":
            limits += "; " + ", ".join(f"{kind} {low:g} to {high:g}" for kind, (low, high) in STRENGTHS.items())
        scale = "choice" if choices else "logarithmic" if domain.log else "linear"
        tried = {name: ", ".join(map(label, getattr(knob, name))) for name in ("quick", "full", "grid")}
        rows.append(
            {"knob": knob.name, "range": limits, "scale": scale, "base": label(getattr(BASE, knob.name))} | tried
        )
    return rows


def label(value: Any) -> str:
    """A knob's value as a short text, such as "0.002", "tanh" or "l1 0.1"."""
    if isinstance(value, tuple):
        kind, strength = value
        return kind if kind == "none" else f"{kind} {strength:g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def changed(setting: Setting, knob: str, value: Any) -> Setting:
    """The setting with one knob turned; for "regularization" the value is (kind, strength)."""
    if knob == "regularization":
        return replace(setting, regularization=value[0], strength=value[1])
    return replace(setting, **{knob: value})


def one_factor_settings(profile: str) -> list[tuple[str, Setting]]:
    """The base setting (varied "base"), then each knob's other values in turn: (knob varied, setting)."""
    turned = [(knob.name, changed(BASE, knob.name, value)) for knob in KNOBS for value in getattr(knob, profile)]
    return [("base", BASE), *turned]


def grid_settings(seed: int) -> list[Setting]:
    """Every point of the grid in an order drawn by ``seed``: a search with a smaller budget takes the first ones."""
    points = []
    for values in product(*(knob.grid for knob in KNOBS)):
        point = BASE
        for knob, value in zip(KNOBS, values, strict=True):
            point = changed(point, knob.name, value)
        points.append(point)
    order = np.random.default_rng(seed).permutation(len(points))
    return [points[i] for i in order]


def suggest(trial: optuna.Trial) -> Setting:
    """Let the study's sampler choose every knob; a strength is asked for only where there is a penalty."""
    chosen: dict[str, Any] = {}
    for name, domain in distributions():
        if name in STRENGTHS:
            continue
        chosen[name] = _suggest(trial, name, domain)
    kind = chosen["regularization"]
    if kind in STRENGTHS:
        chosen["strength"] = _suggest(trial, kind, FloatDistribution(*STRENGTHS[kind], log=True))
    return Setting(**chosen)


def _suggest(trial: optuna.Trial, name: str, domain: BaseDistribution) -> Any:
    if isinstance(domain, CategoricalDistribution):
        return trial.suggest_categorical(name, domain.choices)
    ask = trial.suggest_int if isinstance(domain, IntDistribution) else trial.suggest_float
    return ask(name, domain.low, domain.high, log=domain.log)


def distributions() -> Iterator[tuple[str, BaseDistribution]]:
    """Names and distributions as Optuna stores them; each kind of penalty has a strength of its own."""
    yield from ((knob.name, knob.distribution) for knob in KNOBS)
    yield from ((kind, FloatDistribution(*limits, log=True)) for kind, limits in STRENGTHS.items())


def to_params(setting: Setting) -> dict[str, Any]:
    """A setting as Optuna's parameters."""
    params = {name: value for name, value in asdict(setting).items() if name != "strength"}
    return params | setting.penalty()
