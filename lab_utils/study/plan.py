"""What a study does: its stages, in order, and the trials that each stage consists of."""

import json
from dataclasses import asdict, dataclass, field, replace

import optuna
import pandas as pd

from lab_utils.errors import LabError
from lab_utils.study.digits import Budget
from lab_utils.study.ledger import Ledger
from lab_utils.study.space import BASE, Setting, grid_settings, one_factor_settings
from lab_utils.study.tables import as_setting, results, seeds_mean

SEARCHES = ("grid", "random", "tpe")
STAGES = ("one-factor", *SEARCHES, "confirm", "test")
FINALISTS = 2
STARTUP_TRIALS = 5

Planned = list[tuple[str, Setting | None, int]]


@dataclass(frozen=True)
class Plan:
    """A study from end to end.

    Parameters
    ----------
    stages : tuple of str
        Some of ``STAGES``, in that order. "one-factor" turns each knob of the base setting in turn; "grid", "random"
        and "tpe" search, each with the same number of trials; "confirm" repeats the best settings found;
        "test" scores the chosen setting and the base on test digits, once.
    profile : str
        "quick" or "full": which values one-factor-at-a-time tries.
    trials : int
        Trials of each search.
    repeats : int
        Seeds of one-factor, confirm and test: ``seed + 1`` to ``seed + repeats``, the same in all three, so that
        differences pair up. The searches use ``seed`` itself: what they found is confirmed with seeds they never saw.
    seed : int
    prune : bool
        Stop a search's trial whose validation error is above the median of the earlier ones at the same epoch.
    name : str
        Prefix of the Optuna studies, "<name>/<stage>": several studies can share one database.
    budget : Budget
    data : str
        Checksum of the digits; ``run.run_study`` fills it in. To continue with other digits is refused.
    """

    stages: tuple[str, ...] = STAGES
    profile: str = "quick"
    trials: int = 12
    repeats: int = 3
    seed: int = 13
    prune: bool = True
    name: str = "post-lab"
    budget: Budget = field(default_factory=Budget)
    data: str = ""

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown or not self.stages or list(self.stages) != sorted(self.stages, key=STAGES.index):
            raise LabError(
                f"stages = {self.stages} is not allowed.", f"some of {STAGES}, in this order", "Choose again."
            )

    def to_json(self) -> str:
        """The plan as text, for worker processes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        return cls(**values | {"stages": tuple(values["stages"]), "budget": Budget(**values["budget"])})

    def seeds(self) -> list[int]:
        """Seeds of the stages that repeat."""
        return [self.seed + i for i in range(1, self.repeats + 1)]

    def waves(self) -> list[tuple[str, ...]]:
        """Stages that may run at the same time; each wave needs the results of those before it."""
        waves = (("one-factor", *SEARCHES), ("confirm",), ("test",))
        return [wave for wave in (tuple(s for s in self.stages if s in wave) for wave in waves) if wave]

    def sizes(self) -> dict[str, int]:
        """Trials of each stage, at most: "confirm" and "test" can turn out smaller."""
        known = {"one-factor": len(one_factor_settings(self.profile)), "confirm": FINALISTS, "test": 2}
        return {stage: known[stage] * self.repeats if stage in known else self.trials for stage in self.stages}

    def book(self, storage: optuna.storages.RDBStorage, stage: str) -> Ledger:
        """The ledger of one stage; stages before "confirm" and "test" must be complete when these are opened.

        Raises
        ------
        LabError
            When the database holds a study of this name with other settings.
        """
        ledger = Ledger(storage, f"{self.name}/{stage}", self._planned(storage, stage))
        told = json.loads(replace(self, stages=(stage,)).to_json()) | {"trials": None}
        kept = ledger.study.user_attrs.get("plan")
        if kept is None:
            ledger.study.set_user_attr("plan", told)
        elif kept != told:
            differ = [name for name in told if kept.get(name) != told[name]]
            raise LabError(
                f"The database holds a study {ledger.study.study_name!r} with other settings: {', '.join(differ)}.",
                "to continue a study with the settings it was begun with (more trials are allowed)",
                "Use another name or another database, or the settings of before.",
            )
        return ledger

    def _planned(self, storage: optuna.storages.RDBStorage, stage: str) -> Planned:
        if stage == "one-factor":
            return self._repeated(one_factor_settings(self.profile))
        if stage == "grid":
            points = grid_settings(self.seed)
            rounds = (divmod(i, len(points)) for i in range(self.trials))
            return [("", points[place], self.seed + turn) for turn, place in rounds]
        if stage in SEARCHES:
            return [("", None, self.seed)] * self.trials
        earlier = self.results(storage, STAGES[: STAGES.index(stage)])
        if stage == "confirm":
            return self._repeated([("", setting) for setting in finalists(earlier)])
        contenders = dict.fromkeys((BASE, choose(earlier)))  # one entry where the base itself was chosen
        return self._repeated([("base" if setting == BASE else "chosen", setting) for setting in contenders])

    def _repeated(self, settings: list[tuple[str, Setting]]) -> Planned:
        return [(varied, setting, seed) for varied, setting in settings for seed in self.seeds()]

    def results(self, storage: optuna.storages.RDBStorage, stages: tuple[str, ...] | None = None) -> pd.DataFrame:
        """Finished trials of the plan's stages (of those in ``stages``), one row each: see ``tables.results``."""
        chosen = [stage for stage in self.stages if stages is None or stage in stages]
        known = {study.study_name for study in storage.get_all_studies()}
        named = {stage: f"{self.name}/{stage}" for stage in chosen if f"{self.name}/{stage}" in known}
        return results({stage: optuna.load_study(storage=storage, study_name=name) for stage, name in named.items()})


def sampler(stage: str, seed: int, plan: int) -> optuna.samplers.BaseSampler:
    """The sampler of one trial. Each trial has a seed of its own, so that workers do not draw the same settings."""
    own = seed * 100_003 + plan
    if stage == "tpe":
        return optuna.samplers.TPESampler(seed=own % 2**32, n_startup_trials=STARTUP_TRIALS)
    return optuna.samplers.RandomSampler(seed=own % 2**32)


def pruner(plan: Plan, stage: str) -> optuna.pruners.BasePruner:
    """Median pruning for the searches; what is repeated over seeds to be compared is never cut short."""
    if plan.prune and stage in SEARCHES:
        return optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=plan.budget.epochs // 3)
    return optuna.pruners.NopPruner()


def finalists(frame: pd.DataFrame) -> list[Setting]:
    """The settings with the lowest validation error that the searches found, at most ``FINALISTS`` of them."""
    found = frame[frame["stage"].isin(SEARCHES) & (frame["state"] == "complete") & ~frame["diverged"].astype(bool)]
    best = found.sort_values(["error", "stage", "trial"])
    return list(dict.fromkeys(as_setting(row) for row in best.to_dict("records")))[:FINALISTS]


def choose(frame: pd.DataFrame) -> Setting:
    """The setting with the lowest mean validation error over seeds, of those repeated; a diverged seed rules it out."""
    means = seeds_mean(frame[frame["stage"].isin(("one-factor", "confirm"))], "error")
    return means.index[0] if len(means) else BASE
