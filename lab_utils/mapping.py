"""The map: one function over many jobs, in this process, in processes of this machine, or on a Dask cluster.

Trials of a study, students of a class and points of a sweep are maps over functions whose results are kept; so a map
that was interrupted is simply run again.
"""

import atexit
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil

from lab_utils import lean, machine
from lab_utils.errors import LabError

Job = TypeVar("Job")
Result = TypeVar("Result")

SLOT = "slot"
"""The resource that a Dask worker offers, as many times as it takes jobs at once."""

CONNECT_SECONDS = 30
ATTEMPTS = 3
"""How often a job is tried whose process was killed from outside; an error of the job itself is never retried."""

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 0.5


class Map:
    """``with Map(shared, workers=2) as run: for job, result in run(function, jobs): ...``

    Processes are started when they are first needed and serve all runs of the block.

    Parameters
    ----------
    shared : optional
        What all jobs need, such as the digits: sent to each process once.
    workers : int
        1 runs the jobs here, one after another; more in as many processes, each with an equal share of the cores.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://10.0.0.1:8786"; its workers' slots then decide, not ``workers``.
    on_lost : callable, optional
        ``on_lost(job, why)`` gives the result of a job whose process is killed again and again; without it that is an
        error. What the function itself raises is raised in any case.

    Raises
    ------
    LabError
        Dask is not installed, nobody answers there, or no worker offers a slot.
    """

    def __init__(
        self,
        shared: Any = None,
        *,
        workers: int = 1,
        scheduler: str | None = None,
        on_lost: Callable[[Any, str], Any] | None = None,
    ) -> None:
        self.shared, self.workers, self.on_lost = shared, workers, on_lost
        self.pool: ProcessPoolExecutor | None = None
        self.others = set(multiprocessing.active_children())
        self.client = _connect(scheduler) if scheduler else None
        self.common = self.client.scatter(shared, broadcast=True) if self.client else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.client:
            self.client.close()
        if self.pool and kind is None:
            self.pool.shutdown()
        elif self.pool:  # Ctrl-C, say: what still runs is not waited for
            self.pool.shutdown(wait=False, cancel_futures=True)
            end_processes([process.pid for process in set(multiprocessing.active_children()) - self.others])

    def __call__(self, function: Callable[[Job, Any], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result as it ends.

        Parameters
        ----------
        function : callable
            ``function(job, shared)``; where it runs elsewhere it is found again by its name.
        jobs : sequence

        Raises
        ------
        LabError
            A job is lost, and there is no ``on_lost``.
        """
        if self.client:
            yield from self._on_cluster(function, jobs)
        elif self.workers == 1 or (len(jobs) < 2 and self.pool is None):
            for job in jobs:
                yield job, function(job, self.shared)
        else:
            yield from self._in_processes(function, jobs)

    def _in_processes(self, function: Callable, jobs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Processes that are killed from outside are replaced, and the jobs that they had are begun again."""
        waiting, attempt = dict(enumerate(jobs)), 1
        while waiting:
            self.pool = self.pool or _start_pool(self.workers, self.shared)
            try:
                futures = {self.pool.submit(_call, function, job): place for place, job in waiting.items()}
                for future in as_completed(futures):
                    result = future.result()
                    attempt = 1
                    yield waiting.pop(futures[future]), result
            except BrokenProcessPool:
                self.pool.shutdown(cancel_futures=True)
                self.pool = None
                if attempt == ATTEMPTS:
                    yield from ((job, self._lost(job)) for job in waiting.values())
                    return
                attempt += 1

    def _on_cluster(self, function: Callable, jobs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        from distributed import KilledWorker
        from distributed import as_completed as as_ended

        resources = {SLOT: 1}
        futures = {self.client.submit(function, job, self.common, resources=resources, pure=False): job for job in jobs}
        for future in as_ended(list(futures)):
            job = futures[future]
            killed = isinstance(future.exception(), KilledWorker)
            yield job, self._lost(job) if killed else future.result()

    def _lost(self, job: Any) -> Any:
        why = "its process was killed, perhaps for want of memory"
        if self.on_lost is not None:
            return self.on_lost(job, why)
        raise LabError(
            f"A job did not end: {why}.",
            "processes that stay alive until their job is done",
            "Close other programs or use fewer workers, then run the same command again: it continues.",
        )


# Processes of this machine ---------------------------------------------------------------------------------------

_shared: Any = None


def _start_pool(workers: int, shared: Any) -> ProcessPoolExecutor:
    """Fresh processes, never forks: TensorFlow does not survive one."""
    share = machine.share(machine.cores() // workers)
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, _begin_worker, (share, pickle.dumps(shared)))


def _begin_worker(environment: dict[str, str], shared: bytes) -> None:
    global _shared
    os.environ.update(environment)  # before the pickle imports NumPy, which reads it once
    lean.skip_format_checkers()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent decides
    end_with_parent(multiprocessing.parent_process().pid)
    _shared = pickle.loads(shared)
    atexit.register(os._exit, 0)  # the results are delivered; TensorFlow's own end takes a second


def _call(function: Callable, job: Any) -> Any:
    return function(job, _shared)


def end_with_parent(parent: int) -> None:
    """End this process, whatever it is doing, as soon as its parent has ended, however that ended.

    Linux does it itself; elsewhere a thread looks twice a second.

    Parameters
    ----------
    parent : int
        Process ID of the parent, as the parent knows it: it may have ended before this process could look.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it had ended before Linux was asked
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while psutil.pid_exists(parent) and os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def end_processes(roots: Sequence[int]) -> None:
    """Kill processes and all below them, and wait until they are gone."""
    family = []
    for root in roots:
        try:
            process = psutil.Process(root)
            family += [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=5)


# A Dask cluster --------------------------------------------------------------------------------------------------


def _connect(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise LabError(
            "--scheduler needs Dask, which is not installed.", "the optional extra", "Run: pip install 'dae-lab[dask]'"
        ) from error
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise LabError(
            f"No Dask scheduler with a worker answers at {scheduler!r} ({type(error).__name__}).",
            "an address such as tcp://127.0.0.1:8786",
            'Start `dask scheduler` and `dask worker ADDRESS --resources "slot=1"`, then try again.',
        ) from error
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if not any(SLOT in worker.get("resources", {}) for worker in workers):
        client.close()
        raise LabError(
            f"No worker of {scheduler} offers a slot, so no job would ever start.",
            'workers started with --resources "slot=N": N jobs at a time on that worker',
            f'Start them as: dask worker {scheduler} --resources "slot=1"',
        )
    return client
