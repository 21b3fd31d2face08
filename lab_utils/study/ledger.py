"""The books of a study: who runs which trial, so that each planned trial is finished exactly once.

Optuna keeps the trials; a small table of leases beside them, in the same database, says which process is at work
on which planned trial. Two statements that every database executes atomically carry the whole promise:

* a lease is taken by inserting a row under a primary key (a second insert fails);
* a dead worker's lease is taken over by an update that names the owner and the beat it was read with
  (a second update changes no row).

A worker that is alive raises its beat every few seconds. Whoever wants a trial that is leased watches the beat: a beat
that has stood still for ``GRACE`` seconds on the watcher's own clock belongs to a worker that was killed. No clock is
compared with another, so the machines that share a study need not agree on the time. The trial that the dead worker
had begun is adopted, not repeated under a new number: a study of N trials holds N trials, whatever was killed.

Optuna's own heartbeat (``RDBStorage(heartbeat_interval=...)``) is not used: a worker killed before its first beat
leaves a trial that runs for ever, each retry adds a trial, and on SQLite two workers can take one waiting trial.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from lab_utils.errors import LabError
from lab_utils.study.space import Setting, distributions, to_params

BEAT, GRACE = 2.0, 12.0
LOCK_SECONDS = 120
OPEN_ATTEMPTS = 5

_tables = sql.MetaData()
LEASES = sql.Table(
    "dae_lab_leases",
    _tables,
    sql.Column("study", sql.String(200), primary_key=True),
    sql.Column("plan", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("owner", sql.String(40), nullable=False),
    sql.Column("beat", sql.Integer, nullable=False),
)


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Open a database that Optuna understands, and make its tables where they are missing.

    Parameters
    ----------
    url : str
        An SQLAlchemy address, such as "sqlite:///study.db" or "postgresql://user@host/lab".

    Raises
    ------
    LabError
        When there is no such database, or no driver for it.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    waits = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    for attempt in range(OPEN_ATTEMPTS):
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs=waits)
            _tables.create_all(storage.engine)
            return storage
        except (sql.exc.SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
            problem = error
        # Two processes that open a new database at once collide while they make its tables; the loser tries again.
        time.sleep(0.2 * (attempt + 1))
    raise LabError(
        f"storage = {url!r} cannot be opened: {str(problem).splitlines()[0]}",
        "an SQLAlchemy address, such as sqlite:///study.db",
        "Check the path or the server; for other databases than SQLite install their driver.",
    ) from problem


class Ledger:
    """Hands out the planned trials of one Optuna study.

    Parameters
    ----------
    storage : optuna.storages.RDBStorage
    name : str
        Name of the Optuna study; it is made if it is missing.
    planned : list of (str, Setting or None, int)
        What each trial varies, its setting (None lets the sampler choose) and its seed. The trial's number in the
        plan is its place in this list.

    Raises
    ------
    LabError
        When the study holds a trial that differs from what is planned under its number.
    """

    def __init__(
        self, storage: optuna.storages.RDBStorage, name: str, planned: list[tuple[str, Setting | None, int]]
    ) -> None:
        self.planned, self.engine, self.owner = planned, storage.engine, uuid.uuid4().hex
        self.study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
        self._watched: dict[int, tuple[str, int, float]] = {}
        self._refuse_another_plan()

    def finished(self) -> dict[int, FrozenTrial]:
        """Finished trials by their number in the plan."""
        return {plan: trial for plan, trial in self._trials().items() if trial.state.is_finished()}

    def complete(self) -> bool:
        """Whether every planned trial is finished."""
        return self.finished().keys() >= set(range(len(self.planned)))

    def claim(self) -> int | None:
        """Take the first planned trial that nobody alive is at work on; None when there is none at the moment."""
        finished = self.finished()
        held = self._leases()
        for plan in range(len(self.planned)):
            if plan in finished or not (self._take_over(plan, *held[plan]) if plan in held else self._take(plan)):
                continue
            if plan not in self.finished():  # it may have been finished between the reading and the taking
                return plan
        return None

    @contextmanager
    def at_work(self, plan: int) -> Iterator[optuna.Trial]:
        """Keep the lease alive while the trial runs; gives Optuna's trial, the one of a dead worker if there is one."""
        done = threading.Event()
        heart = threading.Thread(target=self._keep_beating, args=(plan, done), daemon=True)
        heart.start()
        try:
            yield self._begin(plan)
        except BaseException:
            self._release(plan)
            raise
        finally:
            done.set()
            heart.join()

    def finish(self, trial: optuna.Trial, state: TrialState, value: float | None, notes: dict[str, Any]) -> None:
        """Write down a trial's result, once: what a worker believed dead reports late changes nothing."""
        try:
            for name, note in notes.items():
                trial.set_user_attr(name, note)
            self.study.tell(trial.number, value, state)
        except (UpdateFinishedTrialError, ValueError):
            if trial.number not in {done.number for done in self.finished().values()}:
                raise

    def reported(self, plan: int) -> set[int]:
        """Epochs of a trial that are in the books already."""
        return set(self._trials()[plan].intermediate_values)

    def _release(self, plan: int) -> None:
        """Give a lease back without a result, as at Ctrl-C, so that nobody has to wait until it counts as dead."""
        mine = (LEASES.c.study == self.study.study_name) & (LEASES.c.plan == plan) & (LEASES.c.owner == self.owner)
        with self.engine.begin() as connection:
            connection.execute(sql.delete(LEASES).where(mine))

    def _refuse_another_plan(self) -> None:
        trials = self._trials()
        for plan, (_, setting, _) in enumerate(self.planned):
            if setting and plan in trials and trials[plan].params != to_params(setting):
                raise LabError(
                    f"Trial {plan} of study {self.study.study_name!r} was run with other settings than planned now.",
                    "to add trials to a search before its results were confirmed and tested",
                    "Use another name or another database: what was chosen and tested stays as it is.",
                )

    def _trials(self) -> dict[int, FrozenTrial]:
        return {trial.user_attrs["plan"]: trial for trial in self.study.get_trials(deepcopy=False)}

    def _leases(self) -> dict[int, tuple[str, int]]:
        query = sql.select(LEASES.c.plan, LEASES.c.owner, LEASES.c.beat)
        with self.engine.connect() as connection:
            rows = connection.execute(query.where(LEASES.c.study == self.study.study_name)).all()
        return {plan: (owner, beat) for plan, owner, beat in rows}

    def _take(self, plan: int) -> bool:
        lease = {"study": self.study.study_name, "plan": plan, "owner": self.owner, "beat": 0}
        try:
            with self.engine.begin() as connection:
                connection.execute(sql.insert(LEASES).values(lease))
        except sql.exc.IntegrityError:
            return False
        return True

    def _take_over(self, plan: int, owner: str, beat: int) -> bool:
        seen = self._watched.get(plan)
        if seen is None or seen[:2] != (owner, beat):
            self._watched[plan] = (owner, beat, time.monotonic())
            return False
        if time.monotonic() - seen[2] < GRACE:
            return False
        return self._change(plan, owner, beat, {"owner": self.owner, "beat": beat + 1})

    def _change(self, plan: int, owner: str, beat: int, values: dict[str, Any]) -> bool:
        lease = LEASES.c
        unchanged = (lease.study == self.study.study_name, lease.plan == plan, lease.owner == owner, lease.beat == beat)
        with self.engine.begin() as connection:
            return connection.execute(sql.update(LEASES).where(*unchanged).values(values)).rowcount == 1

    def _keep_beating(self, plan: int, done: threading.Event) -> None:
        while not done.wait(BEAT):
            owner, beat = self._leases().get(plan, ("", 0))
            if owner != self.owner or not self._change(plan, owner, beat, {"beat": beat + 1}):
                return

    def _begin(self, plan: int) -> optuna.Trial:
        begun = self._trials().get(plan)
        if begun is None:
            varied, setting, seed = self.planned[plan]
            params = to_params(setting) if setting else {}
            known = {name: domain for name, domain in distributions() if name in params}
            attrs = {"plan": plan, "varied": varied, "seed": seed}
            # One transaction makes the trial and says which one it is: a kill leaves both or neither.
            self.study.add_trial(
                create_trial(state=TrialState.RUNNING, params=params, distributions=known, user_attrs=attrs)
            )
            begun = self._trials()[plan]
        return optuna.Trial(self.study, begun._trial_id)
