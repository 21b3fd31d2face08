"""Run one notebook: its own process, its own folder, a wall-clock limit, and a proof that it is complete."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab_utils.running import check
from lab_utils.running.processes import child_environment, kill_job, write_json

STARTS = 3
"""Kernels rarely fail to start when many start at once; so often is one tried. A student's error is never retried."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook.

    Attributes
    ----------
    status : str
        "complete", "raised", "died", "timeout", "out of memory", "incomplete" or "did not start".
    seconds : float
        Wall-clock time, with the start of the kernel.
    message : str
        What happened, for a person; empty when complete.
    """

    status: str
    seconds: float
    message: str = ""


def run_notebook(
    source: Path,
    output: Path,
    parameters: dict[str, object],
    *,
    notebook: str | None = None,
    seconds_limit: float | None = None,
    threads: int = 1,
    memory_limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Execute a notebook and put the result in its place once its content proves it complete.

    A notebook that does not complete is left beside it as ``<name>.failed.ipynb``, for a person to look at.

    Parameters
    ----------
    source, output : Path
        The notebook to run, and where the executed one goes. Braces in either are ordinary characters.
    parameters : dict
        Values for the notebook's ``parameters`` cell, passed as they are: the text "1e5" stays text.
    notebook : str, optional
        Which of the lab's notebooks it is, such as "02_in_lab"; the stem of ``source`` by default.
    seconds_limit : float, optional
        After so many seconds the whole process group is killed.
    threads : int
        Thread budget of TensorFlow and OpenMP.
    memory_limit : int, optional
        Bytes of resident memory, all processes of the notebook together.
    on_progress : callable, optional
        Called with (running cell, number of cells) a few times a second.
    """
    source, output = Path(source), Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    begun = time.monotonic()
    for _ in range(STARTS):
        scratch = Path(tempfile.mkdtemp(prefix=".run-", dir=output.parent))
        try:
            shutil.copyfile(source, scratch / "source.ipynb")
            write_json(scratch / "job.json", {"parameters": parameters, "memory_limit": memory_limit})
            status, message = _run_child(scratch, seconds_limit, threads, on_progress)
            executed = scratch / "executed.ipynb"
            if status == "complete":
                faults = check.problems(executed, notebook=notebook or source.stem, expected=parameters)
                status, message = ("incomplete", "; ".join(faults)) if faults else ("complete", "")
            if status == "complete":
                os.replace(executed, output)
                failed.unlink(missing_ok=True)
            elif _is_json(executed):
                os.replace(executed, failed)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if status != "did not start":
            break
    return Outcome(status, time.monotonic() - begun, message)


def _run_child(
    scratch: Path, seconds_limit: float | None, threads: int, on_progress: Callable[[int, int], None] | None
) -> tuple[str, str]:
    """Start the child process in ``scratch``, wait for it, and leave no process of the job behind."""
    mark = uuid.uuid4().hex
    group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
    deadline = time.monotonic() + (seconds_limit or float("inf"))
    with open(scratch / "log.txt", "wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "lab_utils.running.child"],
            cwd=scratch,
            env=child_environment(mark, scratch, threads),
            stdin=subprocess.PIPE,  # never written to: it closes when this process ends, however it ends
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
            child.stdin.close()
            child.wait()
    return _verdict(scratch, timed_out, seconds_limit, child.returncode)


def _verdict(scratch: Path, timed_out: bool, seconds_limit: float | None, exit_code: int) -> tuple[str, str]:
    if timed_out:
        cell, cells = _progress(scratch)
        return "timeout", f"stopped after {seconds_limit:g} s, in cell {cell} of {cells}"
    result = scratch / "result.json"
    if result.exists():
        told = json.loads(result.read_text(encoding="utf-8"))
        return told["status"], told["message"]
    log = (scratch / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "died", f"its process ended with exit code {exit_code}" + (f": {log[-1]}" if log else "")


def _progress(scratch: Path) -> tuple[int, int]:
    path = scratch / "progress.json"
    return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else (0, 1)


def _is_json(path: Path) -> bool:
    """Return whether a notebook is whole: papermill writes in place and may have been killed in the middle."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
