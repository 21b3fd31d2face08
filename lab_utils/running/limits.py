"""What one notebook may use: threads, minutes, memory."""

import os
from dataclasses import dataclass

from lab_utils.running.processes import usable_memory

PROFILE_MINUTES = {"quick": 20, "full": 240}
"""Wall-clock limit of one notebook: far above what it needs, so that only a hang meets it."""


@dataclass(frozen=True)
class Limits:
    """What one notebook may use.

    Attributes
    ----------
    threads : int
        Thread budget of TensorFlow and OpenMP.
    minutes : float, optional
        Wall-clock limit; by default that of its profile, ``PROFILE_MINUTES``.
    memory : int, optional
        Bytes of resident memory; by default nearly all of the machine's.
    """

    threads: int = 1
    minutes: float | None = None
    memory: int | None = None


def shared_limits(workers: int, scheduler: str | None, minutes: float | None) -> Limits:
    """Share this machine's cores and memory among its workers; a Dask worker's machine is not known here."""
    if scheduler:
        return Limits(minutes=minutes)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = usable_memory() // workers
    return Limits(threads=max(1, cores // workers), minutes=minutes, memory=memory)
