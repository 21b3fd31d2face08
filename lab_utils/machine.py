"""The machine that a result was made on: what decides its last bits, its seconds and its bytes."""

import functools
import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

import psutil

GPUS = Path("/proc/driver/nvidia/gpus")
LIBRARIES = (
    *("keras", "mlxtend", "numpy", "optuna", "pandas", "pywavelets"),
    *("scikit-image", "scikit-learn", "scipy", "tensorflow"),
)
"""What computes the lab's numbers; a test holds this against the imports."""

NUMERIC_SETTINGS = (
    *("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "TF_XLA_FLAGS", "XLA_FLAGS"),
    *("CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE"),
)
"""Environment variables that change how a number is computed. How many threads share the work is none of them."""

THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
"""How a process is told its share of the cores; TensorFlow, OpenMP and joblib each read their own."""


def precision() -> str:
    """Keras' dtype policy that suits this CPU: "mixed_bfloat16" where it multiplies bfloat16, else "float32".

    Only Linux tells (``/proc/cpuinfo``); elsewhere it is "float32". On a CPU with AMX the manual's model trains
    faster in bfloat16. Without oneDNN (``TF_ENABLE_ONEDNN_OPTS=0``) TensorFlow emulates it, many times slower.
    """
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return "float32"
    flags = _cpuinfo()
    return "mixed_bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"


def peak_memory() -> int:
    """Bytes: the largest resident set that this process has had.

    On Linux ``getrusage`` would not do: a process starts there with the peak of the one that started it.
    """
    if platform.system() == "Windows":
        return psutil.Process().memory_info().peak_wset
    if platform.system() == "Linux":
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def cores() -> int:
    """CPU cores that this process may use: affinity, container and ``LOKY_MAX_CPU_COUNT`` are respected."""
    import joblib

    return joblib.cpu_count()


def share(threads: int) -> dict[str, str]:
    """The environment variables that keep a child process to so many threads (at least one)."""
    return dict.fromkeys(THREAD_VARIABLES, str(max(1, threads)))


def default_progress() -> bool:
    """Whether somebody watches: a terminal, or a kernel that Jupyter's server started, and no CI."""
    return "CI" not in os.environ and (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)


def description() -> dict[str, str]:
    """What two computations must share to give equal numbers.

    Returns
    -------
    dict
        CPU model, its best bfloat16 instruction set, the precision that follows, GPUs, operating system, Python, the
        versions of `LIBRARIES`, and those of `NUMERIC_SETTINGS` that are set. Nothing that names the machine or its
        user, and no number of cores or threads.
    """
    flags = _cpuinfo()
    model = next((line.split(":")[1].strip() for line in flags.splitlines() if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "bfloat16": next((kind for kind in ("amx_bf16", "avx512_bf16") if kind in flags), "none"),
        "precision": precision(),
        "gpus": str(sum(1 for _ in GPUS.iterdir()) if GPUS.is_dir() else 0),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        **{name: os.environ[name] for name in NUMERIC_SETTINGS if name in os.environ},
    }


@functools.cache
def _version(library: str) -> str:
    return importlib.metadata.version(library)


@functools.cache
def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
