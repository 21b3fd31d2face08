"""``python -m lab_utils.running.kernel -f FILE``: an IPython kernel that does not outlive the process that started it.

ipykernel looks for its parent once a second from a thread, which never gets a turn while native code holds the
interpreter. On Linux the operating system is asked to do it instead; elsewhere ipykernel's own poll remains.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process as soon as its parent is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ["JPY_PARENT_PID"]):  # it went before the request was made
        os._exit(1)


def main() -> None:
    """Start the kernel, exactly as ``python -m ipykernel_launcher`` does."""
    if sys.platform == "linux":
        die_with_parent()
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # a file in the working folder must not stand in for a library; IPython adds it back last
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
    os._exit(0)  # the notebook has its outputs; TensorFlow's own clean-up would take a second more


if __name__ == "__main__":
    main()
