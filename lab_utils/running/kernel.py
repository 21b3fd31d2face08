"""An IPython kernel that does not outlive the process that started it."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Start the kernel as ``python -m ipykernel_launcher`` does, without its debugger."""
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # a file in the working folder must not stand in for a library; IPython adds it back last
    sys.modules["debugpy"] = None  # ipykernel would import it, and nobody is there to debug
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
    os._exit(0)  # the notebook has its outputs; TensorFlow's own clean-up would take a second more
