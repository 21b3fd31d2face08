"""A finished study as Optuna studies in a database, one per stage, for Optuna's dashboard."""

import json

import optuna
import sqlalchemy
from optuna.trial import TrialState, create_trial

from lab_utils.errors import LabError
from lab_utils.places import masked_storage
from lab_utils.study.plan import Trial
from lab_utils.study.space import distributions, to_params

NAME = "post-lab"
FIXED = {"one-factor", "grid", "random", "tpe"}
"""Stages whose trials more trials leave as they are; what is confirmed and tested follows from what was found."""


def export(scored: list[tuple[Trial, dict]], address: str) -> None:
    """Add the trials that a database does not hold yet.

    Parameters
    ----------
    scored : list of (Trial, dict)
    address : str
        An SQLAlchemy address, such as "sqlite:///study.db" or "postgresql://user@host/lab".

    Raises
    ------
    LabError
        There is no such database, no driver for it, or it holds another study: then nothing is added.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.RDBStorage(address)
        try:
            _add(scored, storage)
        finally:
            storage.engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError, RuntimeError) as error:
        raise LabError(
            f"storage = {masked_storage(address)!r} cannot be used: {type(error).__name__}.",
            "an SQLAlchemy address, such as sqlite:///study.db",
            "Check the path or the server; for other databases than SQLite install their driver.",
        ) from None  # the first cause would print the password


def _add(scored: list[tuple[Trial, dict]], storage: optuna.storages.RDBStorage) -> None:
    stages: dict[str, list[tuple[Trial, dict]]] = {}
    for trial, scores in scored:
        stages.setdefault(trial.stage, []).append((trial, scores))
    studies = {
        stage: optuna.create_study(
            storage=storage, study_name=f"{NAME}/{stage}", direction="minimize", load_if_exists=True
        )
        for stage in stages
    }
    held = {stage: {_place(stage, trial): trial for trial in study.trials} for stage, study in studies.items()}
    for trial, _ in scored:
        there = held[trial.stage].get(_place_of(trial))
        if there and (there.params != to_params(trial.setting) or there.user_attrs.get("seed") != trial.seed):
            raise LabError(
                f"The database holds another study: trial {trial.number} of {NAME}/{trial.stage} differs.",
                "a database without a study, or with this one (more trials are allowed)",
                "Export to another database.",
            )
    for stage, rows in stages.items():
        studies[stage].add_trials([_frozen(*row) for row in rows if _place_of(row[0]) not in held[stage]])


def _place_of(trial: Trial) -> str:
    return _name(trial.stage, trial.number, to_params(trial.setting), trial.seed)


def _place(stage: str, stored: optuna.trial.FrozenTrial) -> str:
    told = stored.user_attrs
    return _name(stage, told.get("number"), stored.params, told.get("seed"))


def _name(stage: str, number: int | None, params: dict, seed: int | None) -> str:
    """What a trial is known by: its number, or in the stages that follow from the others what it is."""
    return str(number) if stage in FIXED else json.dumps([params, seed], sort_keys=True)


def _frozen(trial: Trial, scores: dict) -> optuna.trial.FrozenTrial:
    params = to_params(trial.setting)
    known = {name: domain for name, domain in distributions() if name in params}
    told = {"number": trial.number, "varied": trial.varied, "seed": trial.seed, "scores": scores}
    state = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}[scores["state"]]
    value = scores["error"]
    if value is None:  # it diverged
        state = TrialState.FAIL
    return create_trial(
        state=state,
        value=value,
        params=params,
        distributions=known,
        user_attrs=told,
        intermediate_values=dict(enumerate(scores["curve"])),
    )
