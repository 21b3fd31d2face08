"""Who is compared, and on how much."""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Contender:
    """One way from noisy digits to a trained denoiser.

    Parameters
    ----------
    name : str
        As tables and the figure show it.
    model : str
        A function of ``models`` or ``networks``; empty for the manual's program, which brings its own.
    recipe : dict
        What differs from ``training.Recipe``'s defaults.
    """

    name: str
    model: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)

    def with_epochs(self, epochs: int) -> "Contender":
        """The same for another number of epochs."""
        return replace(self, recipe=self.recipe | {"epochs": epochs})


def _contender(name: str, model: str, epochs: int, batch_size: int, learning_rate: float) -> Contender:
    recipe = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "schedule": "cosine"}
    return Contender(name, model, recipe)


PROGRAM = Contender("the manual's program")
CONTENDERS = (
    PROGRAM,
    _contender("the manual's model, our recipe", "manual", 6, 64, 3e-3),
    _contender("compact, dense, code 32", "compact", 10, 64, 2e-3),
    _contender("compact, convolutional, code 32", "compact_conv", 2, 64, 3e-3),
    _contender("reference", "reference", 1, 64, 4e-3),
)
AT_LENGTH = _contender("reference, the manual's time", "reference", 1, 64, 4e-3)


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured; the defaults are the full bench.

    Parameters
    ----------
    train, validation, test : int
        Digits of each split, at most. The manual's program trains on train and validation together, as it prints.
    program_epochs : int
        Of the manual's program.
    epochs : int
        The most that any other contender may take.
    steps : int
        Training steps in one reading of the step time, a multiple of 16.
    readings : int
        Readings of the step time, alternating between its contenders.
    trials : int
        Trials of the study in one process, at least 2: the first builds graphs and is not counted.
    trial_digits : int
        Digits that each of them trains on.
    """

    train: int = 55_000
    validation: int = 5_000
    test: int = 10_000
    program_epochs: int = 10
    epochs: int = 1_000
    steps: int = 32
    readings: int = 5
    trials: int = 8
    trial_digits: int = 4_096

    @classmethod
    def smoke(cls) -> "Sizes":
        """Just enough to see that everything works."""
        return cls(1_000, 200, 200, program_epochs=1, epochs=1, steps=16, readings=2, trials=2, trial_digits=1_000)
