"""The work of a study, trial after trial, and the processes that share it on one database.

A worker is this module run by a fresh Python (never a fork: TensorFlow does not survive one). It loads the digits
once, runs trial after trial, and ends when the study is complete or when the process that started it is gone.
"""

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from lab_utils import machine
from lab_utils.errors import LabError
from lab_utils.noise import corrupt, to_unit
from lab_utils.study.digits import Digits
from lab_utils.study.ledger import Ledger, open_storage
from lab_utils.study.plan import Plan, pruner, sampler
from lab_utils.study.space import suggest
from lab_utils.study.trial import SCORE_NOISE, Scores, run_trial

POLL, WAIT, LAST_WAIT = 0.2, 0.2, 5.0


def work(
    plan: Plan,
    books: optuna.storages.RDBStorage,
    digits: Digits,
    on_trial: Callable[[list[Ledger]], None] | None = None,
) -> None:
    """Run trials until every stage of the plan is complete; what others have in hand is waited for.

    ``on_trial`` is called with the ledgers at hand before the first and after every trial.
    """
    for stages in plan.waves():
        ledgers = {stage: plan.book(books, stage) for stage in stages}
        while not all(ledger.complete() for ledger in ledgers.values()):
            if on_trial:
                on_trial(list(ledgers.values()))
            if not any(_run_next(plan, stage, ledger, digits) for stage, ledger in ledgers.items()):
                time.sleep(WAIT)
        if on_trial:
            on_trial(list(ledgers.values()))


def _run_next(plan: Plan, stage: str, ledger: Ledger, digits: Digits) -> bool:
    """Run one trial of a stage, if there is one to be had."""
    number = ledger.claim()
    if number is None:
        return False
    ledger.study.sampler, ledger.study.pruner = sampler(stage, plan.seed, number), pruner(plan, stage)
    held_out = "test" if stage == "test" else "validation"
    with ledger.at_work(number) as trial:
        setting, seed = ledger.planned[number][1] or suggest(trial), ledger.planned[number][2]
        report = _reporter(trial, ledger.reported(number))
        try:
            scores = run_trial(setting, seed, plan.budget, digits, held_out=held_out, report=report)
        except optuna.TrialPruned:
            ledger.finish(trial, TrialState.PRUNED, None, {})
        else:
            ledger.finish(trial, TrialState.COMPLETE, _worth(scores, plan, digits), {"scores": _plain(scores)})
    return True


def _reporter(trial: optuna.Trial, reported: set[int]) -> Callable[[int, float], None]:
    def report(epoch: int, error: float) -> None:
        if epoch not in reported:  # a trial taken over from a dead worker has some already, the same ones
            trial.report(error, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    return report


def _worth(scores: Scores, plan: Plan, digits: Digits) -> float:
    """The value that Optuna minimizes. A diverged trial is worth what leaving the noise in is worth."""
    if math.isfinite(scores.error):
        return scores.error
    clean = digits.validation
    noisy = corrupt(clean, plan.budget.noise_kind, plan.budget.noise_level, SCORE_NOISE)
    return float(((noisy - to_unit(clean)) ** 2).mean())


def _plain(scores: Scores) -> dict[str, Any]:
    """Scores as JSON can hold them: NaN is none, and the curve is kept as Optuna's intermediate values."""
    values = {name: value for name, value in asdict(scores).items() if name != "curve"}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def start(
    plan: Plan, digits: Digits, storage: str, workers: int, folder: Path, stack: ExitStack
) -> list[tuple[subprocess.Popen, Path]]:
    """Start the workers, each with its log; the stack ends those that are still alive when it closes."""
    digits.save(folder / "digits.npz")
    job = {"plan": plan.to_json(), "storage": storage, "digits": str(folder / "digits.npz")}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    threads = str(max(1, thread_budget() // workers))
    limits = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), threads)
    command = [sys.executable, "-c", "from lab_utils.study.workers import main; main()", str(folder / "job.json")]
    started = []
    for number in range(workers):
        log = folder / f"worker-{number}.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=os.environ | limits
            )
        stack.callback(_end, process)
        started.append((process, log))
    return started


def thread_budget() -> int:
    """Threads that this process may use: what it was given, else the cores of the machine."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS") or machine.cores())


def _end(process: subprocess.Popen) -> None:
    """Let a worker that has finished go; end one that has not."""
    process.stdin.close()
    try:
        process.wait(timeout=LAST_WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def watch(
    plan: Plan,
    books: optuna.storages.RDBStorage,
    workers: list[tuple[subprocess.Popen, Path]],
    show: Callable[[list[Ledger]], None],
) -> None:
    """Show progress until the workers have completed every stage."""
    for stages in plan.waves():
        ledgers = [plan.book(books, stage) for stage in stages]
        while not all(ledger.complete() for ledger in ledgers):
            show(ledgers)
            for process, log in workers:
                if process.poll() not in (None, 0):
                    raise _failed(process, log)
            time.sleep(POLL)
        show(ledgers)


def _failed(process: subprocess.Popen, log: Path) -> LabError:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    reason = lines[-1] if lines else "it left no message (killed, perhaps for want of memory)"
    return LabError(
        f"A worker of the study ended with code {process.returncode}: {reason}",
        "workers that stay alive until the study is complete",
        "Run the same command again: it continues where this one stopped.",
    )


def main() -> None:
    """Entry point of a worker process: its one argument is the path of the job."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    books = open_storage(job["storage"])
    work(Plan.from_json(job["plan"]), books, Digits.load(Path(job["digits"])))
    books.engine.dispose()
    # TensorFlow's own clean-up at exit takes a second and has nothing left to save.
    os._exit(0)


def _leave_with_parent() -> None:
    """Leave when standard input closes, which happens however the parent ends."""
    os.read(sys.stdin.fileno(), 1)  # not sys.stdin.read(): its lock would abort an ordinary exit
    os._exit(1)
