"""The environment of a notebook's process: what may pass, and what the lab sets because it needs it so."""

import importlib.util
import os
import re
import site
import sys
from pathlib import Path

from lab_utils import files, machine

JOB_MARK = "DAE_LAB_JOB"

PASSES = re.compile(
    r"PATH|HOME|USER|USERNAME|LOGNAME|LANG|LC_\w+|TZ|TERM|CI|VIRTUAL_ENV|CONDA_\w+|LD_LIBRARY_PATH|DYLD_\w+"
    r"|SYSTEMROOT|WINDIR|COMSPEC|PATHEXT|SYSTEMDRIVE|PROGRAMDATA|PROGRAMFILES|PROCESSOR_\w+|NUMBER_OF_PROCESSORS"
    r"|USERPROFILE|HOMEDRIVE|HOMEPATH|APPDATA|LOCALAPPDATA|XDG_CACHE_HOME"
    r"|(HTTP|HTTPS|NO|ALL)_PROXY|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS|NPM_CONFIG_\w+"
    r"|OPENBLAS_(CORETYPE|L2_SIZE)|MKL_\w+|CUDA_\w+|NVIDIA_\w+|DAE_LAB_\w+|" + "|".join(machine.NUMERIC_SETTINGS),
    re.IGNORECASE,
)
"""Names of variables that a child gets from its parent: the system's, the network's, the processor's, and our own."""

INLINE = "module://matplotlib_inline.backend_inline"


def child_environment(mark: str, scratch: Path, threads: int) -> dict[str, str]:
    """The environment of a process that runs a notebook.

    Nothing that a person has set for other purposes reaches it: no backend of Matplotlib or Keras, no settings of
    Jupyter and IPython, no module path.

    Parameters
    ----------
    mark : str
        Unique to this job; every process below inherits it, so that none of them is ever lost.
    scratch : Path
        The job's own folder: temporary files of all libraries and the settings of Jupyter, IPython and Keras go there.
    threads : int
        Threads that TensorFlow, OpenMP and joblib may use.
    """
    passed = {name: value for name, value in os.environ.items() if PASSES.fullmatch(name)}
    folders = ("TMPDIR", "TEMP", "TMP", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    return (
        passed
        | dict.fromkeys((*folders, "KERAS_HOME"), str(scratch))
        | machine.share(threads)
        | {
            JOB_MARK: mark,
            "DAE_LAB_CACHE": str(files.home()),
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "PYTHONSAFEPATH": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": "tensorflow",
            "MPLBACKEND": INLINE,
            "MATPLOTLIBRC": str(_default_matplotlibrc()),
        }
    )


def _default_matplotlibrc() -> Path:
    """Matplotlib's own settings, found without importing it; a person's would change every figure."""
    return Path(importlib.util.find_spec("matplotlib").origin).parent / "mpl-data" / "matplotlibrc"


def python_command(module: str, *arguments: str, offline: bool = False) -> list[str]:
    """The command that runs the ``main`` of one of this package's modules with this Python, as a child of this process.

    The package is found where this process has it, after the standard library: a ``random.py`` that somebody keeps
    beside it must not stand in for Python's. Before anything else the child leaves the network, if it shall be
    ``offline``, and ties its life to this process.
    """
    leave = "from lab_utils.running.isolation import leave_network; leave_network(); " if offline else ""
    start = (
        "import sys; "
        f"place = next((i for i, p in enumerate(sys.path) if p in {site.getsitepackages()!r}), len(sys.path)); "
        f"sys.path.insert(place, {str(files.PACKAGE.parent)!r}); "
        f"{leave}from lab_utils.mapping import end_with_parent; end_with_parent({os.getpid()}); "
        f"from {module} import main; main()"
    )
    return [sys.executable, "-c", start, *arguments]
