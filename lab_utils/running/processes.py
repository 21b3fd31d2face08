"""Processes of one job: how they are marked, ended, and kept within their share."""

import json
import os
import site
from contextlib import suppress
from pathlib import Path

import psutil

JOB_MARK = "DAE_LAB_JOB"
PACKAGE = Path(__file__).resolve().parents[1]


def child_environment(mark: str, scratch: Path, threads: int) -> dict[str, str]:
    """Return the environment for a notebook's process.

    Parameters
    ----------
    mark : str
        Unique to this job; every process below inherits it, so that none of them is ever lost.
    scratch : Path
        The job's own folder. Jupyter's and IPython's files go there: parallel kernels otherwise meet in them.
    threads : int
        Threads that TensorFlow and OpenMP may use. threadpoolctl does not reach TensorFlow; these variables do.
    """
    paths = [] if str(PACKAGE.parent) in site.getsitepackages() else [str(PACKAGE.parent)]
    paths += [path for path in [os.environ.get("PYTHONPATH")] if path]
    return {
        **os.environ,
        JOB_MARK: mark,
        "PYTHONPATH": os.pathsep.join(paths),  # the notebook sees the same lab_utils as this process
        "PYTHONHASHSEED": "0",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "IPYTHONDIR": str(scratch / "ipython"),
    }


def kill_job(mark: str | None = None) -> None:
    """Kill every process that carries a job's mark, the kernel in its own session included.

    Parameters
    ----------
    mark : str, optional
        Without it: the mark of this process itself, which is then the last to go.
    """
    wanted = mark or os.environ[JOB_MARK]
    while victims := [process for process in psutil.process_iter() if _mark_of(process) == wanted]:
        for process in victims:
            kill(process)
        psutil.wait_procs(victims, timeout=5)
    if mark is None:
        os._exit(1)


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


def kill_children() -> None:
    """Kill the notebook processes that this process has started; each takes its kernel with it."""
    for process in psutil.Process().children():
        if _mark_of(process):
            kill(process)


def usable_memory() -> int:
    """Return nine tenths of the memory, in bytes, of this machine or of the container this process lives in."""
    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return int(0.9 * (total if text == "max" else min(total, int(text))))


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, whole or not at all; for a file that no other process writes at the same time."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(part, path)
