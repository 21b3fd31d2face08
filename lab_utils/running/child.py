"""Execute one notebook with papermill, in a process of its own.

The parent (``runner``) prepares the working folder and is the only judge of time; this process writes what happened.

=================  ==============================================================
``job.json``       in: parameters, memory limit in bytes (or null)
``source.ipynb``   in: the notebook
``executed.ipynb`` out: the notebook with its outputs, as far as it came
``progress.json``  out: [index of the running cell, number of cells]
``result.json``    out: status and message, written last
=================  ==============================================================
"""

import json
import re
import sys
import threading
import time
from pathlib import Path

from lab_utils.lean import skip_format_checkers

skip_format_checkers()

import papermill
import psutil
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from lab_utils.files import write_json
from lab_utils.running.environment import python_command
from lab_utils.running.processes import kill

START_SECONDS = 120
MEMORY_POLL_SECONDS = 0.4
OUT_OF_MEMORY = re.compile(r"MemoryError|ResourceExhaustedError")  # Python's and NumPy's; TensorFlow's
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class LabKernelManager(AsyncKernelManager):
    """Start the kernel with this Python, whatever a kernel specification on this machine says."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the kernel's command line."""
        return python_command("lab_utils.running.kernel", "-f", self.connection_file, *(extra_arguments or []))


class MemoryWatch(threading.Thread):
    """Kill everything below this process once it holds more than ``limit`` bytes.

    Resident memory is polled: an address-space limit (RLIMIT_AS) would stop TensorFlow, which reserves far more
    than it uses.

    Parameters
    ----------
    limit : int
        Bytes of resident memory that this process and all below it may hold together.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(daemon=True)
        self.limit, self.peak = limit, 0

    def run(self) -> None:
        """Poll until the limit is passed."""
        me = psutil.Process()
        while self.peak <= self.limit:
            time.sleep(MEMORY_POLL_SECONDS)
            family = [me, *me.children(recursive=True)]
            self.peak = max(self.peak, sum(resident(process) for process in family))
        for process in family[1:]:
            kill(process)


def resident(process: psutil.Process) -> int:
    """Return a process' resident memory in bytes; 0 once it is gone."""
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def execute(parameters: dict[str, object]) -> tuple[str, str]:
    """Run ``source.ipynb`` and return its status and what to tell the reader."""
    started = []

    def note_progress(cell_index: int, **_: object) -> None:
        started.append(cell_index)
        write_json(Path("progress.json"), [cell_index, cells])

    cells = len(json.loads(Path("source.ipynb").read_text(encoding="utf-8"))["cells"]) + bool(parameters)
    try:
        papermill.execute_notebook(
            "source.ipynb",
            "executed.ipynb",
            parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=START_SECONDS,
            kernel_manager_class=LabKernelManager,
            on_cell_start=note_progress,
        )
    except PapermillExecutionError as error:
        status = "out of memory" if OUT_OF_MEMORY.search(error.ename) else "raised"
        return status, f"cell {error.cell_index}: {error.ename}: {ANSI.sub('', error.evalue)}"
    except DeadKernelError as error:
        return "died", f"the kernel ended while cell {started[-1]} was running ({error})"
    except OSError as error:  # a full disk, say
        return "error", f"{error.strerror or error}: {error.filename or Path.cwd()}"
    except Exception as error:
        status = "error" if started else "did not start"
        return status, f"{type(error).__name__}: {error}"
    return "complete", ""


def main() -> None:
    """Execute the notebook of the working folder."""
    job = json.loads(Path("job.json").read_text(encoding="utf-8"))
    watch = MemoryWatch(job["memory_limit"] or sys.maxsize)
    watch.start()
    status, message = execute(job["parameters"])
    if watch.peak > watch.limit:
        status, message = "out of memory", f"held {watch.peak / 1e9:.1f} GB; the limit is {watch.limit / 1e9:.1f} GB"
    elif status == "died":
        message += f"; until then it held at most {watch.peak / 1e9:.1f} GB"
    write_json(Path("result.json"), {"status": status, "message": message})
