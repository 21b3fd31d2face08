"""The processes of one job: how they are found and ended."""

import os
from contextlib import suppress
from pathlib import Path

import psutil

from lab_utils.running.environment import JOB_MARK


def kill_job(mark: str) -> None:
    """Kill every process that carries a job's mark, and wait until they are gone; a kernel has a session of its own."""
    while victims := [process for process in psutil.process_iter() if _mark_of(process) == mark]:
        for process in victims:
            kill(process)
        psutil.wait_procs(victims, timeout=5)


def _mark_of(process: psutil.Process) -> str | None:
    if process.pid == os.getpid():
        return None
    try:
        return process.environ().get(JOB_MARK)
    except (psutil.Error, OSError):  # another user's process, or one that has just ended
        return None


def kill(process: psutil.Process) -> None:
    """Kill a process; one that has just ended by itself is as good."""
    with suppress(psutil.NoSuchProcess):
        process.kill()


def usable_memory() -> int:
    """Return nine tenths of the memory, in bytes, of this machine or of the container this process lives in."""
    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return int(0.9 * (total if text == "max" else min(total, int(text))))
