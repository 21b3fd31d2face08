"""The machine that a result was made on: what decides its last bits, its seconds and its bytes."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import psutil

LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "scikit-image")

NUMERIC_SETTINGS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "TF_ENABLE_ONEDNN_OPTS",
    "ONEDNN_MAX_CPU_ISA",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
"""Environment variables that change how sums are split, and so the last bits of a training."""


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
    """Bytes: the largest resident set that this process has had."""
    if platform.system() == "Windows":
        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_progress() -> bool:
    """Whether somebody watches: a terminal, or a kernel that Jupyter's server started, and no CI."""
    return "CI" not in os.environ and (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)


def description() -> dict[str, str | int]:
    """What to say beside a measured number, and what two runs must share to be equal to the last bit.

    Returns
    -------
    dict
        CPU model, its best bfloat16 instruction set, cores, operating system, Python, the versions of
        `LIBRARIES`, and those of `NUMERIC_SETTINGS` that are set. Nothing that names the machine or its user.
    """
    flags = _cpuinfo()
    model = next((line.split(":")[1].strip() for line in flags.splitlines() if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "bfloat16": next((kind for kind in ("amx_bf16", "avx512_bf16") if kind in flags), "none"),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
        **{name: os.environ[name] for name in NUMERIC_SETTINGS if name in os.environ},
    }


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
