"""Run a study, in this process or in several, on a database that is named, or kept in the run store, or forgotten."""

import math
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import TrialState
from tqdm import tqdm

from lab_utils import machine, store
from lab_utils.errors import LabError
from lab_utils.study.digits import Digits
from lab_utils.study.ledger import Ledger, open_storage
from lab_utils.study.plan import Plan
from lab_utils.study.workers import start, thread_budget, watch, work

CODE = (
    *store.TRAINING_CODE,
    *(f"study/{part}.py" for part in ("digits", "ledger", "plan", "run", "space", "tables", "trial", "workers")),
    "features.py",
)
"""The files of this package that decide what a study finds."""


def run_study(
    plan: Plan, digits: Digits, storage: str = "", *, workers: int = 1, show_progress: bool | None = None
) -> pd.DataFrame:
    """Run what is left to run of a study, and return all of it.

    Parameters
    ----------
    plan : Plan
    digits : Digits
        From ``Digits.of(load_mnist(...), plan.budget)``.
    storage : str
        An SQLAlchemy address; with the same address and plan an interrupted study continues, and several processes
        or machines may work on one study at a time. Empty keeps the study in the run store, where an equal one is
        found again and an interrupted one continues; without the store (see ``store.enabled``) it keeps nothing.
    workers : int
        1 runs the trials in this process; more starts as many processes, each with an equal share of the cores. There
        are never more than the cores that this process may use.
    show_progress : bool, optional
        By default a bar with the best error and the time left in a terminal and in JupyterLab, silence elsewhere.

    Returns
    -------
    DataFrame
        One row per trial, see ``tables.results``; ``attrs["from_store"]`` says whether nothing was run now.

    Raises
    ------
    LabError
        When a worker fails, the database cannot be used or holds another study of that name.
    """
    plan, workers = replace(plan, data=digits.checksum()), min(workers, thread_budget())
    with tempfile.TemporaryDirectory(prefix="dae-lab-study-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)

        def run(address: str) -> pd.DataFrame:
            return _run(plan, digits, address, workers, show_progress, scratch)

        if storage:
            return run(storage)
        if store.enabled():
            return _run_once(store.Entry(origin(plan, workers)), run, scratch)
        return run(_sqlite(scratch / "study.db"))


def origin(plan: Plan, workers: int) -> dict[str, Any]:
    """Everything that the results of a study depend on. Workers count: a search learns from what is finished."""
    return {
        "plan": plan.to_json(),
        "workers": workers,
        "threads": thread_budget(),
        "code": store.code(CODE),
        "machine": machine.description(),
    }


def _run_once(entry: store.Entry, run: Callable[[str], pd.DataFrame], scratch: Path) -> pd.DataFrame:
    """The study of this entry: read from the store, or run on a database there, and kept when it is complete."""
    with entry.lock():
        if kept := entry.read("result"):
            (scratch / "study.db").write_bytes(kept.arrays["database"][0].tobytes())
            frame = run(_sqlite(scratch / "study.db"))
            frame.attrs["from_store"] = True
            return frame
        database = entry.path("checkpoint")
        if not _usable(database):
            database = scratch / "study.db"
        frame = run(_sqlite(database))
        entry.write("result", store.Kept({}, {"database": [np.fromfile(database, np.uint8)]}))
        return frame


def _usable(database: Path) -> bool:
    """Whether a study can be kept in this file; one that is damaged is deleted and begun again."""
    if not os.access(database.parent, os.W_OK):
        return False
    try:
        open_storage(_sqlite(database)).engine.dispose()
    except LabError:
        database.unlink(missing_ok=True)
    return True


def _sqlite(database: Path) -> str:
    return f"sqlite:///{database.as_posix()}"


def _run(
    plan: Plan, digits: Digits, storage: str, workers: int, show_progress: bool | None, scratch: Path
) -> pd.DataFrame:
    """Run what is left to run of a study on one database, and return all of it."""
    with ExitStack() as stack:
        books = open_storage(storage)
        stack.callback(books.engine.dispose)
        bar = stack.enter_context(_Progress(plan, show_progress))
        if workers == 1:
            work(plan, books, digits, on_trial=bar.show)
        else:
            watch(plan, books, start(plan, digits, storage, workers, scratch, stack), bar.show)
        frame = plan.results(books)
    frame.attrs["from_store"] = False
    return frame


class _Progress:
    """A bar over all stages: trials finished, best validation error, time left."""

    def __init__(self, plan: Plan, show: bool | None) -> None:
        self.plan, self.show_it = plan, show
        self.finished: dict[str, int] = {}
        self.best = math.inf
        self.bar: tqdm | None = None

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, ledgers: list[Ledger]) -> None:
        """Bring the bar up to date with the stages at hand."""
        for ledger in ledgers:
            stage = ledger.study.study_name.removeprefix(f"{self.plan.name}/")
            trials = ledger.finished().values()
            self.finished[stage] = len(trials)
            errors = (trial.value for trial in trials if trial.state == TrialState.COMPLETE and stage != "test")
            self.best = min(self.best, *errors, math.inf)
        done, planned = sum(self.finished.values()), sum(self.plan.sizes().values())
        if self.bar is None:
            hidden = not (machine.default_progress() if self.show_it is None else self.show_it)
            self.bar = tqdm(total=planned, initial=done, unit="trial", disable=hidden, smoothing=0.1)
        if done > self.bar.n:
            self.bar.set_postfix_str(f"best error {self.best:.4f}", refresh=False)
            self.bar.update(done - self.bar.n)
