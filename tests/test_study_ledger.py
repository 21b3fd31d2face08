"""Each planned trial exactly once: several processes on one database, killed at any moment, and started again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from lab_utils.errors import LabError
from lab_utils.study import ledger
from lab_utils.study.ledger import Ledger, open_storage
from lab_utils.study.space import BASE

TRIALS = 40
PLANNED = [("base", BASE, seed) for seed in range(TRIALS)]

# What a worker does to the ledger, without the training: it claims, is busy for a moment, and writes down a result.
WORKER = """
import os, random, sys, time
from optuna.trial import TrialState
from lab_utils.errors import LabError
from lab_utils.study import ledger
from lab_utils.study.ledger import Ledger, open_storage
from lab_utils.study.space import BASE

ledger.BEAT, ledger.GRACE = 0.2, 2.0
book = Ledger(open_storage(sys.argv[1]), "s", [("base", BASE, seed) for seed in range(int(sys.argv[2]))])
print("ready", flush=True)
while not book.complete():
    plan = book.claim()
    if plan is None:
        time.sleep(0.05)
        continue
    with book.at_work(plan) as trial:
        with open(sys.argv[3], "a") as log:
            log.write(f"{plan} {os.getpid()}\\n")
        time.sleep(random.uniform(0.01, 0.2))
        book.finish(trial, TrialState.COMPLETE, float(plan), {"scores": {"error": float(plan)}})
"""


def start_workers(count: int, url: str, log: Path) -> list[subprocess.Popen]:
    command = [sys.executable, "-c", WORKER, url, str(TRIALS), str(log)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]


def trials_of(url: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(storage=open_storage(url), study_name="s").get_trials()


def test_workers_that_open_a_new_database_at_once_share_its_trials_without_overlap(tmp_path):
    url, log = f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "log"
    workers = start_workers(4, url, log)
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 4
    begun = [line.split() for line in log.read_text().splitlines()]
    assert Counter(int(plan) for plan, _ in begun) == Counter(range(TRIALS)), "each trial begun once"
    assert len({pid for _, pid in begun}) > 1, "more than one worker had work"
    assert sorted(trial.user_attrs["plan"] for trial in trials_of(url)) == list(range(TRIALS))


def test_after_kills_at_random_moments_every_trial_is_finished_once(tmp_path):
    url, log = f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "log"
    moments, killed = random.Random(7), 0
    for _ in range(4):
        workers = start_workers(3, url, log)
        for worker in workers:
            worker.stdout.readline()
        time.sleep(moments.uniform(0.05, 0.7))
        for worker in workers:
            killed += worker.poll() is None
            worker.kill()
            worker.wait()
    workers = start_workers(3, url, log)
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 3

    trials = trials_of(url)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert sorted(trial.user_attrs["plan"] for trial in trials) == list(range(TRIALS))
    assert all(trial.value == trial.user_attrs["plan"] == trial.user_attrs["seed"] for trial in trials)
    begun = Counter(int(line.split()[0]) for line in log.read_text().splitlines())
    assert killed > 0 and sum(begun.values()) - TRIALS <= killed, "only what was killed in mid-trial began again"


def test_a_live_worker_keeps_its_trial_and_a_dead_ones_is_adopted(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "BEAT", 0.1)
    monkeypatch.setattr(ledger, "GRACE", 0.6)
    storage = open_storage(f"sqlite:///{tmp_path / 'x.db'}")
    mine, other = (Ledger(storage, "s", PLANNED[:1]) for _ in range(2))
    assert mine.claim() == 0 and mine.planned[0] == PLANNED[0]
    with mine.at_work(0) as trial:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            assert other.claim() is None
            time.sleep(0.05)
        trial.report(0.5, 0)
    # Nobody beats any more: after the grace, and not before, the trial is the other's, with what it had reported.
    began = time.monotonic()
    while (claimed := other.claim()) is None:
        time.sleep(0.05)
    assert claimed == 0 and time.monotonic() - began >= 0.5
    with other.at_work(0) as adopted:
        assert adopted.number == trial.number and other.reported(0) == {0}
        other.finish(adopted, TrialState.COMPLETE, 1.0, {})
    mine.finish(trial, TrialState.COMPLETE, 2.0, {})  # the one believed dead reports late: nothing changes
    assert [done.value for done in mine.finished().values()] == [1.0]
    assert mine.complete() and mine.claim() is None


def test_an_error_in_a_trial_gives_it_back_at_once(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 'x.db'}")
    book = Ledger(storage, "s", PLANNED[:2])
    plan = book.claim()
    with pytest.raises(KeyboardInterrupt), book.at_work(plan):
        raise KeyboardInterrupt
    assert Ledger(storage, "s", PLANNED[:2]).claim() == plan


def test_a_plan_may_grow_or_shrink_but_not_change(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 'x.db'}")
    book = Ledger(storage, "s", PLANNED[:2])
    for _ in range(2):
        with book.at_work(book.claim()) as trial:
            book.finish(trial, TrialState.COMPLETE, 1.0, {})
    assert Ledger(storage, "s", PLANNED[:1]).complete()
    assert Ledger(storage, "s", PLANNED[:3]).claim() == 2
    with pytest.raises(LabError, match="other settings"):
        Ledger(storage, "s", [("", replace(BASE, code_size=8), 0)])


# The same with real trainings, and with the whole tree of processes killed.

STUDY = """
import sys
from pathlib import Path
from lab_utils.data import load_mnist
from lab_utils.study.plan import Plan
from lab_utils.study.tables import write_csv
from lab_utils.study.digits import Budget, Digits
from lab_utils.study.run import run_study

budget = Budget(train_digits=400, epochs=1, score_digits=200, probe_digits=200, width=16)
plan = Plan(stages=("tpe",), trials=8, budget=budget)
frame = run_study(plan, Digits.of(load_mnist("embedded"), budget), sys.argv[1], workers=2)
write_csv(frame, Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_a_study_killed_with_its_workers_continues(tmp_path):
    url, csv = f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "trials.csv"
    command = [sys.executable, "-c", STUDY, url, str(csv)]
    killed = subprocess.Popen(command, start_new_session=True)
    until = time.monotonic() + 100
    while finished_in(url) < 1 and time.monotonic() < until:
        time.sleep(0.2)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = finished_in(url)
    assert 1 <= before < 8 and not csv.exists()

    subprocess.run(command, check=True, timeout=200)
    frame = pd.read_csv(csv)
    assert sorted(frame["trial"]) == list(range(8))
    assert finished_in(url) == 8


def finished_in(url: str) -> int:
    try:
        study = optuna.load_study(storage=open_storage(url), study_name="post-lab/tpe")
    except (KeyError, LabError):  # not begun yet
        return 0
    return len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
