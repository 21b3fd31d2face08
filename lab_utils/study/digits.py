"""What the trials of a study work with: their digits and their budget."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from lab_utils.cache import array_digest
from lab_utils.errors import LabError
from lab_utils.noise import corrupt, to_unit


@dataclass(frozen=True)
class Budget:
    """What every trial of a study may spend; trials with different budgets do not compare.

    Parameters
    ----------
    train_digits : int
        Digits to train on.
    epochs : int
        Passes over them.
    score_digits : int
        Digits that each score is measured on (validation, or test), and as many training digits for the gap.
    probe_digits : int
        Labelled training digits that the linear probe is fitted on.
    noise_kind, noise_level : str, float
        See ``noise.KINDS``.
    width : int
        Units in each hidden layer.
    """

    train_digits: int = 4_096
    epochs: int = 3
    score_digits: int = 1_000
    probe_digits: int = 1_000
    noise_kind: str = "gaussian"
    noise_level: float = 0.5
    width: int = 128


@dataclass(frozen=True, eq=False)
class Digits:
    """The digits of a study: uint8 of shape (n, 28, 28), labels uint8 of shape (n,).

    Labels are used by the scores alone, never in training.
    """

    train: np.ndarray
    train_labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @classmethod
    def of(cls, mnist: Any, budget: Budget) -> "Digits":
        """The first digits of each split of ``data.load_mnist()``, as many as the budget asks for (or there are).

        Raises
        ------
        LabError
            When the budget asks for more labelled or scored digits than digits to train on.
        """
        if max(budget.probe_digits, budget.score_digits) > budget.train_digits:
            raise LabError(
                f"train_digits = {budget.train_digits} is less than the digits that scores need.",
                f"at least {max(budget.probe_digits, budget.score_digits)}",
                "Train on more digits, or score on fewer.",
            )
        sizes = {"train": budget.train_digits, "validation": budget.score_digits, "test": budget.score_digits}
        arrays: dict[str, np.ndarray] = {}
        for name, size in sizes.items():
            split = getattr(mnist, name)
            arrays |= {name: split.digits[:size], f"{name}_labels": split.labels[:size]}
        return cls(**arrays)

    @lru_cache(maxsize=16)  # noqa: B019  (a study has one of these, and its trials are all measured on the same noise)
    def pairs(
        self, split: str, budget: Budget, seed: int, start: int = 0, stop: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Noisy and clean digits of a part of a split, both (n, 28, 28, 1) float32, read-only."""
        digits = getattr(self, split)[start:stop]
        noisy, clean = corrupt(digits, budget.noise_kind, budget.noise_level, seed), to_unit(digits)
        for shared in (noisy, clean):
            shared.setflags(write=False)
        return noisy[..., None], clean[..., None]

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) of all digits and labels, with their shapes and dtypes."""
        parts = [array_digest(getattr(self, field.name)) for field in fields(self)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()
