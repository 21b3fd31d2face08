"""What makes two models equal, for the cache: architecture and weights, whatever their layers are called."""

import json
from typing import Any

import keras

from lab_utils.cache import Unfingerprintable, array_digest

LINKS = ("keras_history", "input_layers", "output_layers")
"""Where a configuration points at a layer by its name: the first part of each entry."""


def identity(model: keras.Model) -> dict[str, Any]:
    """The architecture and the weights of a model as they are now.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    dict
        JSON-able; equal for equal models. Keras counts on in a process ("dense_7"), so names of layers are replaced by
        numbers, and only where they are names: an activation "relu" stays what it is.

    Raises
    ------
    Unfingerprintable
        The model is not a functional one, or has a layer, function or lambda that is not Keras' own: its source may
        have changed while its name has not.
    """
    return {
        "architecture": architecture(model),
        "weights": [array_digest(variable.numpy()) for variable in model.variables],
    }


def architecture(model: keras.Model, random: bool = True) -> Any:
    """The first part of `identity`; without what is ``random``: how weights begin, and seeds, which are variables."""
    _refuse_foreign(model)
    config = json.loads(model.to_json())
    return _renamed(config if random else _without_random(config), {})


def _without_random(config: Any) -> Any:
    if isinstance(config, dict):
        kept = {key: part for key, part in config.items() if key != "seed" and not key.endswith("_initializer")}
        return {key: _without_random(part) for key, part in kept.items()}
    return [_without_random(part) for part in config] if isinstance(config, list) else config


def _refuse_foreign(model: keras.Model) -> None:
    if type(model).__module__ != "keras.src.models.functional":
        raise Unfingerprintable(f"{type(model).__name__} is no functional model")
    for layer in model._flatten_layers():
        for part in (type(layer), *(value for value in vars(layer).values() if callable(value))):
            if not str(getattr(part, "__module__", "")).startswith("keras."):
                raise Unfingerprintable(f"{layer.name} has code that is not Keras' own")


def _renamed(config: Any, names: dict[str, str], link: bool = False) -> Any:
    """The configuration with numbers for the names of layers; ``names`` collects them."""
    if isinstance(config, dict):
        return {
            key: _number(part, names) if key == "name" else _renamed(part, names, link or key in LINKS)
            for key, part in config.items()
        }
    if isinstance(config, list):
        if link and config and isinstance(config[0], str):
            return [_number(config[0], names), *config[1:]]
        return [_renamed(part, names, link) for part in config]
    return config


def _number(name: Any, names: dict[str, str]) -> Any:
    return names.setdefault(name, f"name {len(names)}") if isinstance(name, str) else name
