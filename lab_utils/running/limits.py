"""What one notebook may use: threads, minutes, memory."""

from dataclasses import dataclass
from typing import Any

from lab_utils import machine
from lab_utils.running.parameters import checked_minutes
from lab_utils.running.processes import usable_memory

PROFILE_MINUTES = {"quick": 20, "full": 240}
"""Wall-clock limit of one notebook: far above what it needs, so that only a hang meets it."""


@dataclass(frozen=True)
class Limits:
    """What one notebook may use.

    Attributes
    ----------
    threads : int
        Thread budget of TensorFlow, OpenMP and joblib.
    minutes : float, optional
        Wall-clock limit; by default that of its profile, ``PROFILE_MINUTES``.
    memory : int, optional
        Bytes of resident memory; by default nearly all of the machine's.
    offline : bool
        No network; only where ``isolation.possible``.
    """

    threads: int = 1
    minutes: float | None = None
    memory: int | None = None
    offline: bool = False

    def seconds(self, parameters: dict[str, Any]) -> float:
        """The wall-clock limit of a notebook with these parameters."""
        return 60 * (self.minutes or PROFILE_MINUTES[parameters.get("profile") or "quick"])


def shared_limits(workers: int, scheduler: str | None, minutes: float | None) -> Limits:
    """Share this machine's cores and memory among its workers; a Dask worker's machine is not known here.

    Raises
    ------
    LabError
        The minutes are no positive number.
    """
    minutes = checked_minutes(minutes)
    if scheduler:
        return Limits(minutes=minutes, memory=None)
    return Limits(max(1, machine.cores() // workers), minutes, usable_memory() // workers)
