"""Where jobs run: threads of this process, each waiting for its own child process, or the slots of a Dask cluster."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from lab_utils.course.student import Job, Result
from lab_utils.errors import LabError
from lab_utils.running.processes import kill_children

SLOT = "slot"
CONNECT_SECONDS = 30


@contextmanager
def open_executor(workers: int, scheduler: str | None) -> Iterator[Executor]:
    """Open the executor that a command line asks for.

    Parameters
    ----------
    workers : int
        Jobs at a time on this machine.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://10.0.0.1:8786"; then its workers' slots decide, not ``workers``.

    Raises
    ------
    LabError
        When Dask is not installed, nobody answers there, or no worker offers a slot.
    """
    if scheduler is None:
        pool = ThreadPoolExecutor(workers)
        try:
            yield pool
        except BaseException:  # Ctrl-C above all: start nothing more, and end what runs so that its thread returns
            pool.shutdown(wait=False, cancel_futures=True)
            kill_children()
            raise
        pool.shutdown()
        return
    client = _connect(scheduler)
    try:
        yield client.get_executor(resources={SLOT: 1}, pure=False)
    finally:
        client.close()


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
            'workers started with --resources "slot=N": N notebooks at a time on that worker',
            f'Start them as: dask worker {scheduler} --resources "slot=1"',
        )
    return client


def run_all(
    executor: Executor, function: Callable[[Job], Result], jobs: list[Job], unit: str
) -> Iterator[tuple[Job, Result]]:
    """Yield each job with its result as it ends, under a progress bar with the time left.

    Parameters
    ----------
    executor : Executor
        From ``open_executor``.
    function : callable
        Makes a job's result; must be importable by name, since Dask sends it elsewhere.
    jobs : list of Job
    unit : str
        What the bar counts.
    """
    futures = {executor.submit(function, job): job for job in jobs}
    with tqdm(total=len(jobs), unit=unit, smoothing=0, file=sys.stderr) as bar:
        for future in as_completed(futures):
            result = _result_of(futures[future], future)
            bar.initial += result.reused  # what is skipped takes no time and must not shorten the time left
            bar.update()
            yield futures[future], result


def _result_of(job: Job, future: Future) -> Result:
    """Return a job's result; whatever went wrong around it, a full disk or lost workers, is its own failure."""
    error = future.exception()
    if error is None:
        return future.result()
    return Result(job.student_id, job.name, job.folder, "error", f"{type(error).__name__}: {error}")
