"""Run one notebook: its own process, its own folder, a wall-clock limit, and a proof that it is complete."""

import errno
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from lab_utils import cache, files
from lab_utils.running import check, execution
from lab_utils.running.environment import child_environment, python_command
from lab_utils.running.limits import Limits
from lab_utils.running.processes import kill_job

STARTS = 3
"""Kernels rarely fail to start when many start at once; so often is one tried. A student's error is never retried."""
POLL_SECONDS = 0.1
FULL_DISK = 100_000
"""Bytes: with less than this left, a notebook that failed did so for want of room."""


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook.

    Attributes
    ----------
    status : str
        "complete", "raised", "died", "timeout", "out of memory", "incomplete", "error" or "did not start".
    seconds : float
        Wall-clock time of the run, with the start of the kernel; of one that was not repeated, the time it took then.
    message : str
        What happened, for a person; empty when complete.
    notebook : NotebookNode, optional
        The executed notebook, as far as it came.
    reused : bool
        Nothing was run now.
    """

    status: str
    seconds: float
    message: str = ""
    notebook: nbformat.NotebookNode | None = None
    reused: bool = False


def run_notebook(
    source: nbformat.NotebookNode,
    name: str,
    parameters: dict[str, Any],
    limits: Limits | None = None,
    *,
    earlier: Path | None = None,
    fresh: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Execute a notebook, unless it was executed before with the same code, parameters, digits and libraries.

    Parameters
    ----------
    source : NotebookNode
        From ``source.read_notebook``.
    name : str
        Which of the lab's notebooks it is, such as "02_in_lab".
    parameters : dict
        Values for the notebook's ``parameters`` cell, passed as they are: the text "1e5" stays text.
    limits : Limits, optional
    earlier : Path, optional
        Where an earlier result may lie; as the lab has written it, it serves as well as the cache.
    fresh : bool
        Run every cell, and train everything, again.
    on_progress : callable, optional
        Called with (running cell, number of cells) a few times a second.

    Returns
    -------
    Outcome
    """
    limits = limits or Limits()
    key = execution.execution_key(source, parameters)
    kept = None if fresh else _earlier(earlier, key) or _cached(key)
    if kept is not None:
        merged = execution.with_text_of(kept, source)
        return Outcome("complete", execution.seconds_of(kept), notebook=merged, reused=True)
    begun = time.monotonic()
    for _ in range(STARTS):
        status, message, executed = _run_once(source, name, parameters, limits, fresh, on_progress)
        if status != "did not start":
            break
    seconds = time.monotonic() - begun
    if status == "complete":
        executed = execution.with_text_of(executed, source)
        execution.stamp(executed, key, seconds)
        if cache.enabled():
            cache.put(key, {"notebook": nbformat.writes(executed)})
    return Outcome(status, seconds, message, executed)


def _earlier(path: Path | None, key: str) -> nbformat.NotebookNode | None:
    """The executed notebook of a folder of results, if these inputs made it and nobody has changed it."""
    if path is None or not path.is_file() or not files.is_ours(path):
        return None
    executed = nbformat.read(path, as_version=4)
    return executed if execution.key_of(executed) == key else None


def _cached(key: str) -> nbformat.NotebookNode | None:
    value = cache.get(key) if cache.enabled() else None
    return nbformat.reads(value["notebook"], as_version=4) if value else None


def _run_once(
    source: nbformat.NotebookNode,
    name: str,
    parameters: dict[str, Any],
    limits: Limits,
    fresh: bool,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[str, str, nbformat.NotebookNode | None]:
    with files.scratch() as scratch:
        nbformat.write(execution.unstamped(source), scratch / "source.ipynb")
        files.write_json(scratch / "job.json", {"parameters": parameters, "memory_limit": limits.memory})
        status, message = _run_child(scratch, limits, parameters, fresh, on_progress)
        executed = _read(scratch / "executed.ipynb")
        if status != "complete" and shutil.disk_usage(scratch).free < FULL_DISK:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(scratch))  # whatever else went wrong after it
        if status == "complete":
            faults = check.problems(scratch / "executed.ipynb", notebook=name, expected=parameters)
            status, message = ("incomplete", "; ".join(faults)) if faults else ("complete", "")
    return status, message, executed


def _run_child(
    scratch: Path,
    limits: Limits,
    parameters: dict[str, Any],
    fresh: bool,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[str, str]:
    """Start the child process in ``scratch``, wait for it, and leave no process of the job behind."""
    mark = uuid.uuid4().hex
    group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
    environment = child_environment(mark, scratch, limits.threads) | ({"DAE_LAB_USE_CACHE": "0"} if fresh else {})
    seconds = limits.seconds(parameters)
    deadline = time.monotonic() + seconds
    with open(scratch / "log.txt", "wb") as log:
        child = subprocess.Popen(
            python_command("lab_utils.running.child", offline=limits.offline),
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            **group,
        )
        try:
            while child.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                if on_progress:
                    on_progress(*_progress(scratch))
            timed_out = child.poll() is None
        finally:
            kill_job(mark)
            child.wait()
    verdict = _verdict(scratch, timed_out, seconds, child.returncode)
    if on_progress and verdict[0] == "complete":
        on_progress(cells := _progress(scratch)[1], cells)
    return verdict


def _verdict(scratch: Path, timed_out: bool, seconds: float, exit_code: int) -> tuple[str, str]:
    if timed_out:
        cell, cells = _progress(scratch)
        return "timeout", f"stopped after {seconds:g} s, in cell {cell} of {cells}"
    result = scratch / "result.json"
    if result.exists():
        told = json.loads(result.read_text(encoding="utf-8"))
        return told["status"], told["message"]
    log = (scratch / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "died", f"its process ended with exit code {exit_code}" + (f": {log[-1]}" if log else "")


def _progress(scratch: Path) -> tuple[int, int]:
    try:
        return tuple(json.loads((scratch / "progress.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return (0, 1)


def _read(path: Path) -> nbformat.NotebookNode | None:
    """An executed notebook, or None where there is none or only half: papermill may have been killed in the middle."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception:
        return None
