"""The six hyperparameters of the post-lab: their ranges, the base setting, and the settings that a search tries."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

STRENGTHS = {
    "code_l1": (1e-3, 1.0),
    "code_l2": (1e-3, 1.0),
    "weight_decay": (1e-7, 1e-3),
    "dropout": (0.05, 0.5),
}
"""The kinds of regularization, and the strengths that a search tries of each."""

ARGUMENTS = {"code_l1": "l1", "code_l2": "l2"}
"""What ``models.compact`` calls a kind, where it has another name."""

EQUAL_STEPS, DEPTH = "equal steps", "3 hidden layers"
"""What else is changed with a hyperparameter: ``varied`` is then "batch_size at equal steps"."""

RETUNED = ("activation", "hidden_layers", "batch_size")
"""Hyperparameters whose changed values are compared at a learning rate of their own, see ``rates``."""

RATES: dict[tuple[str, Any], float] = {
    ("hidden_layers", 3): 1.5e-3,
    ("activation", "sigmoid"): 6e-3,
    ("batch_size", 16): 1.5e-3,
    ("batch_size", 256): 6e-3,
    (f"batch_size at {EQUAL_STEPS}", 256): 6e-3,
    (f"activation at {DEPTH}", "tanh"): 1.5e-3,
}
"""The learning rate of each (what is varied, its value), from ``make rates`` (one seed, 8,192 digits, 12 epochs, full
MNIST, 2026-11-28). Where none is named the base's own was best, as it was for the base."""


@dataclass(frozen=True)
class Setting:
    """One choice of the six hyperparameters; the defaults are the base setting.

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
        "none", "code_l1", "code_l2" (penalties on the code), "weight_decay" (L2 on the weights) or "dropout" (of hidden
        units); see ``models.compact``.
    strength : float
        Weight of the penalty, or the fraction dropped; 0 with "none".
    passes : float
        Epochs, as a multiple of the budget's: 1 but where batch sizes are compared at equal steps.
    """

    code_size: int = 32
    hidden_layers: int = 1
    activation: str = "relu"
    batch_size: int = 64
    learning_rate: float = 3e-3
    regularization: str = "none"
    strength: float = 0.0
    passes: float = 1.0

    def model(self) -> dict[str, Any]:
        """What ``models.compact`` is asked for."""
        shape = {"code_size": self.code_size, "hidden_layers": self.hidden_layers, "activation": self.activation}
        return shape | self.penalty()

    def penalty(self) -> dict[str, float]:
        """The regularization as ``models.compact`` takes it."""
        kind = self.regularization
        return {} if kind == "none" else {ARGUMENTS.get(kind, kind): self.strength}


BASE = Setting()


@dataclass(frozen=True)
class Hyperparameter:
    """One row of the search space.

    Parameters
    ----------
    name : str
        A field of ``Setting``.
    distribution : BaseDistribution
        What random and TPE search draw from.
    turned : tuple
        Values that one-factor-at-a-time tries, beside the base.
    grid : tuple
        Values of the grid search.
    """

    name: str
    distribution: BaseDistribution
    turned: tuple
    grid: tuple


# In "regularization" a value is (kind, strength): the two belong together.
HYPERPARAMETERS = (
    Hyperparameter("code_size", IntDistribution(4, 256, log=True), (8, 128), (16, 32, 64)),
    Hyperparameter("hidden_layers", IntDistribution(1, 4), (3,), (1, 2)),
    Hyperparameter(
        "activation",
        CategoricalDistribution(("relu", "leaky_relu", "sigmoid", "tanh")),
        ("leaky_relu", "sigmoid", "tanh"),
        ("relu", "tanh"),
    ),
    Hyperparameter("batch_size", CategoricalDistribution((16, 32, 64, 128, 256)), (16, 256), (32, 128)),
    Hyperparameter("learning_rate", FloatDistribution(1e-4, 3e-2, log=True), (3e-4, 1e-2, 3e-2), (1e-3, 3e-3, 1e-2)),
    Hyperparameter(
        "regularization",
        CategoricalDistribution(("none", *STRENGTHS)),
        (("code_l1", 0.03), ("code_l2", 0.03), ("weight_decay", 1e-5), ("dropout", 0.2)),
        (("none", 0.0), ("dropout", 0.1)),
    ),
)
HYPERPARAMETER_NAMES = tuple(each.name for each in HYPERPARAMETERS)


def space_table() -> list[dict[str, str]]:
    """One row per hyperparameter: itself, range, scale, base, one at a time, grid; shown with ``facts.table``."""
    rows = []
    for each in HYPERPARAMETERS:
        domain = each.distribution
        choices = isinstance(domain, CategoricalDistribution)
        limits = ", ".join(map(str, domain.choices)) if choices else f"{domain.low:g} to {domain.high:g}"
        if each.name == "regularization":
            limits += "; " + ", ".join(f"{kind} {low:g} to {high:g}" for kind, (low, high) in STRENGTHS.items())
        scale = "choice" if choices else "logarithmic" if domain.log else "linear"
        tried = {"one at a time": _labels(each.turned), "grid": _labels(each.grid)}
        base = label(getattr(BASE, each.name))
        rows.append({"hyperparameter": each.name, "range": limits, "scale": scale, "base": base} | tried)
    return rows


def label(value: Any) -> str:
    """A hyperparameter's value as a short text, such as "0.002", "tanh" or "l1 0.1"."""
    if isinstance(value, tuple):
        kind, strength = value
        return kind if kind == "none" else f"{kind} {strength:g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _labels(values: tuple) -> str:
    return ", ".join(map(label, values))


def changed(setting: Setting, name: str, value: Any) -> Setting:
    """The setting with one hyperparameter changed; for "regularization" the value is (kind, strength)."""
    if name == "regularization":
        return replace(setting, regularization=value[0], strength=value[1])
    return replace(setting, **{name: value})


def one_factor_settings() -> list[tuple[str, Setting]]:
    """The base setting (varied "base"), then each hyperparameter's other values in turn: (what is varied, setting).

    Two things one at a time cannot show are added: batch sizes at the steps of the base, not its digits, and
    saturating activations where there is depth for a gradient to vanish in. Another activation, depth or batch size
    comes with the learning rate that suits it, as the base does (``RATES``).
    """
    values = {each.name: each.turned for each in HYPERPARAMETERS}
    turned = [(name, changed(BASE, name, value)) for name in values for value in values[name]]
    ends = min(values["batch_size"]), max(values["batch_size"])
    equal = [replace(BASE, batch_size=size, passes=size / BASE.batch_size) for size in ends]
    deep = [replace(BASE, activation=activation, hidden_layers=3) for activation in ("sigmoid", "tanh")]
    extra = [(f"batch_size at {EQUAL_STEPS}", setting) for setting in equal]
    extra += [(f"activation at {DEPTH}", setting) for setting in deep]
    return [("base", BASE), *((varied, _at_its_rate(varied, setting)) for varied, setting in (*turned, *extra))]


def _at_its_rate(varied: str, setting: Setting) -> Setting:
    """The setting at the learning rate that was found for what is varied."""
    value = getattr(setting, varied.split(" at ")[0])
    return replace(setting, learning_rate=RATES.get((varied, value), setting.learning_rate))


def grid_settings(seed: int) -> list[Setting]:
    """Every point of the grid in an order drawn by ``seed``: a search with a smaller budget takes the first ones."""
    points = []
    for values in product(*(each.grid for each in HYPERPARAMETERS)):
        point = BASE
        for each, value in zip(HYPERPARAMETERS, values, strict=True):
            point = changed(point, each.name, value)
        points.append(point)
    order = np.random.default_rng(seed).permutation(len(points))
    return [points[i] for i in order]


def suggest(trial: optuna.Trial) -> Setting:
    """Let the study's sampler choose every hyperparameter; a strength is asked for only where there is a penalty."""
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
    yield from ((each.name, each.distribution) for each in HYPERPARAMETERS)
    yield from ((kind, FloatDistribution(*limits, log=True)) for kind, limits in STRENGTHS.items())


def to_params(setting: Setting) -> dict[str, Any]:
    """A setting as Optuna's parameters."""
    params = {name: value for name, value in asdict(setting).items() if name not in ("strength", "passes")}
    return params if setting.regularization == "none" else params | {setting.regularization: setting.strength}
