"""What a study does: its stages, in order, and the trials that each stage consists of."""

from dataclasses import dataclass, field

import numpy as np
import optuna
import pandas as pd

from lab_utils.errors import LabError
from lab_utils.settings import PostLab
from lab_utils.study.digits import Budget
from lab_utils.study.space import BASE, Setting, grid_settings, one_factor_settings, suggest
from lab_utils.study.tables import FEWEST_TO_SEARCH, as_setting, at_budget, seeds_mean

SEARCHES = ("grid", "random", "tpe")
STAGES = ("one-factor", *SEARCHES, "confirm", "test")
FINALISTS = 2
BASE_SEEDS, TEST_SEEDS = 3, 2
"""How many times ``repeats`` the seeds are, of the base that every row is compared with, and of both sides tested."""

FRESH = {"one-factor": 0, "confirm": BASE_SEEDS, "test": BASE_SEEDS + 1}
"""Where the seeds of a stage begin, in multiples of ``repeats``: no stage sees another's."""

MOST_PROBE_DIGITS = 2_000


@dataclass(frozen=True)
class Trial:
    """One planned trial.

    Parameters
    ----------
    stage : str
        One of ``STAGES``.
    number : int
        Its place in the stage.
    varied : str
        Stage "one-factor": the hyperparameter that differs from the base, or "base"; stage "test": "base" or
        "chosen"; else empty.
    setting : Setting
    seed : int
        Of the weights, the order of digits and the training noise.
    limits : tuple of float
        Validation errors, by epoch, above which the trial is stopped; empty: it runs to its end.
    """

    stage: str
    number: int
    varied: str
    setting: Setting
    seed: int
    limits: tuple[float, ...] = ()

    @property
    def held_out(self) -> str:
        """The digits that it is scored on: "test" in the one final test, else "validation"."""
        return "test" if self.stage == "test" else "validation"


@dataclass(frozen=True)
class Plan:
    """A study from end to end.

    Parameters
    ----------
    stages : tuple of str
        Some of ``STAGES``, in that order. "one-factor" varies each hyperparameter of the base setting in turn; "grid",
        "random" and "tpe" search, each with the same number of trials; "confirm" repeats the best settings found;
        "test" scores the chosen setting and the base on test digits, once.
    trials : int
        Trials of each search. More of them only add trials.
    repeats : int
        Seeds of one-factor, confirm and test. The searches use ``seed`` itself; what they found is confirmed with seeds
        they never saw, and tested with seeds that no choice has seen. The base setting, which every row of one-factor
        is compared with, has ``BASE_SEEDS`` times as many; the two that are tested have ``TEST_SEEDS`` times as many.
    seed : int
    budget : Budget
    """

    stages: tuple[str, ...] = STAGES
    trials: int = 12
    repeats: int = 3
    seed: int = 13
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown or not self.stages or list(self.stages) != sorted(self.stages, key=STAGES.index):
            raise LabError(
                f"stages = {self.stages} is not allowed.", f"some of {STAGES}, in this order", "Choose again."
            )

    @classmethod
    def from_settings(cls, lab: PostLab, stages: tuple[str, ...] | None = None) -> "Plan":
        """The plan of the post-lab's parameters: the same for the notebook, ``dae-lab study`` and a full run.

        By default it has all stages, but "tpe" only where there are trials enough for it to learn from.
        """
        if stages is None:
            stages = tuple(stage for stage in STAGES if stage != "tpe" or lab.trials >= FEWEST_TO_SEARCH)
        budget = Budget(
            train_digits=lab.train_digits,
            epochs=lab.epochs,
            score_digits=lab.score_digits,
            probe_digits=min(lab.score_digits, MOST_PROBE_DIGITS),
            noise_kind=lab.noise_kind,
            noise_level=lab.noise_level,
        )
        return cls(stages, lab.trials, lab.repeats, lab.seed, budget)

    def sizes(self) -> dict[str, int]:
        """Trials of each stage, at most: "confirm" and "test" can turn out smaller."""
        one_factor = len(one_factor_settings()) + BASE_SEEDS - 1
        known = {"one-factor": one_factor, "confirm": FINALISTS, "test": 2 * TEST_SEEDS}
        return {stage: known[stage] * self.repeats if stage in known else self.trials for stage in self.stages}

    def stage_seed(self, stage: str) -> int:
        """The random state of a search's sampler: every search draws its own settings."""
        return int(np.random.SeedSequence((self.seed, STAGES.index(stage))).generate_state(1)[0])

    def known(self) -> list[Trial]:
        """The trials that depend on no result: one-factor, grid and random."""
        found = {
            "one-factor": lambda: self._repeated("one-factor", one_factor_settings()),
            "grid": self._grid,
            "random": self._random,
        }
        return [trial for stage in self.stages if stage in found for trial in found[stage]()]

    def confirm(self, earlier: pd.DataFrame) -> list[Trial]:
        """The best settings that the searches found, with fresh seeds."""
        settings = [("", setting) for setting in finalists(earlier)]
        return self._repeated("confirm", settings) if "confirm" in self.stages else []

    def test(self, earlier: pd.DataFrame) -> list[Trial]:
        """The chosen setting and the base; one of them where the base itself was chosen."""
        settings = dict.fromkeys((BASE, choose(earlier)))
        named = [("base" if setting == BASE else "chosen", setting) for setting in settings]
        return self._repeated("test", named) if "test" in self.stages else []

    def _repeated(self, stage: str, settings: list[tuple[str, Setting]]) -> list[Trial]:
        first = self.seed + 1 + self.repeats * FRESH[stage]
        pairs = []
        for varied, setting in settings:
            times = BASE_SEEDS if (stage, varied) == ("one-factor", "base") else TEST_SEEDS if stage == "test" else 1
            pairs += [(varied, setting, seed) for seed in range(first, first + times * self.repeats)]
        return [Trial(stage, number, *pair) for number, pair in enumerate(pairs)]

    def _grid(self) -> list[Trial]:
        points = grid_settings(self.seed)
        rounds = (divmod(number, len(points)) for number in range(self.trials))
        return [Trial("grid", i, "", points[place], self.seed + turn) for i, (turn, place) in enumerate(rounds)]

    def _random(self) -> list[Trial]:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=self.stage_seed("random")))
        return [Trial("random", number, "", suggest(study.ask()), self.seed) for number in range(self.trials)]


def finalists(frame: pd.DataFrame) -> list[Setting]:
    """The settings with the lowest validation error that the searches found, at most ``FINALISTS`` of them."""
    found = frame[frame["stage"].isin(SEARCHES) & (frame["state"] == "complete") & ~frame["diverged"].astype(bool)]
    best = found.sort_values(["error", "stage", "trial"])
    return list(dict.fromkeys(as_setting(row) for row in best.to_dict("records")))[:FINALISTS]


def choose(frame: pd.DataFrame) -> Setting:
    """The setting with the lowest mean validation error over seeds, of those repeated; a diverged seed rules it out.

    Batch sizes at equal steps are no choice: they train for more epochs than the others, or for fewer.
    """
    means = seeds_mean(at_budget(frame[frame["stage"].isin(("one-factor", "confirm"))]), "error")
    return means.index[0] if len(means) else BASE
