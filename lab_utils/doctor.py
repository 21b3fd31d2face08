"""What on this machine would stop the lab, each with its fix."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.manager import KernelManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from lab_utils import text
from lab_utils.data import cache, sources
from lab_utils.errors import LabError
from lab_utils.running.limits import shared_limits
from lab_utils.running.processes import usable_memory

NEEDED_MEMORY = 3e9
NEEDED_DISK = 2e9
TENSORFLOW_SECONDS = 120
KERNEL_SECONDS = 60
INSTALL = "pip install -e . in the repository, or make report, which sets everything up"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is well, what was seen, and what to do if it is not."""

    name: str
    ok: bool
    detail: str
    fix: str


def examine() -> Iterator[Finding]:
    """Yield the findings one after another, the quick ones first; all of it takes about 15 seconds."""
    yield _python()
    yield _packages()
    yield _processor()
    yield _memory()
    for folder in (Path.cwd(), cache.folder(), Path(tempfile.gettempdir())):
        yield _folder(folder)
    yield _data()
    yield _pdf()
    yield _kernel()
    yield _tensorflow()


def _python() -> Finding:
    wanted = importlib.metadata.metadata("dae-lab")["Requires-Python"]
    version = platform.python_version()
    detail = f"{version} ({platform.system()} {platform.machine()}), {sys.executable}"
    return Finding("Python", version in SpecifierSet(wanted), detail, f"Install a Python {wanted}.")


def _packages() -> Finding:
    required = [Requirement(line) for line in importlib.metadata.requires("dae-lab")]
    required = [item for item in required if item.marker is None or item.marker.evaluate({"extra": ""})]
    wrong = []
    for item in required:
        try:
            version = importlib.metadata.version(item.name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        if version is None or version not in item.specifier:
            wrong.append(f"{item} (have {version or 'none'})")
    detail = f"{', '.join(wrong)}" if wrong else f"all {len(required)} present"
    return Finding("packages", not wrong, detail, INSTALL)


def _processor() -> Finding:
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    set_here = ", ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ)
    detail = f"{shared_limits(1, None, None).threads} usable cores; set here: {set_here or 'no thread variable'}"
    return Finding("threads", True, detail, "")


def _memory() -> Finding:
    usable = usable_memory()
    fix = f"The full profile needs {NEEDED_MEMORY / 1e9:.0f} GB; close other programs, or keep to profile quick."
    return Finding("memory", usable >= NEEDED_MEMORY, f"{usable / 1e9:.1f} GB usable", fix)


def _folder(folder: Path) -> Finding:
    """Write a file there, and look at the space."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return Finding("folder", False, f"{folder} cannot be written ({error.strerror})", "Work in another folder.")
    free = shutil.disk_usage(folder).free
    fix = f"Free some space: {NEEDED_DISK / 1e9:.0f} GB is needed."
    return Finding("folder", free >= NEEDED_DISK, f"{folder} can be written, {free / 1e9:.1f} GB free", fix)


def _data() -> Finding:
    cached = next(row for row in sources() if row["source"] == "cache")
    detail = f"cache: {cached['detail']}"
    fix = "Run dae-lab data to fetch it; until then the embedded 5,000 digits are used."
    return Finding("MNIST", bool(cached["available"]), detail, fix)


def _pdf() -> Finding:
    """Look whether the fonts of the report set names in India's scripts."""
    try:
        missing = text.lacking("தமிழ் తెలుగు देवनागरी العربية")
        import typst  # noqa: F401
    except (ImportError, OSError, LabError) as error:
        return Finding("PDF", False, f"{type(error).__name__}: {error}", INSTALL)
    detail = f"no glyph for {' '.join(missing)}" if missing else "typst and fonts are there"
    return Finding("PDF", not missing, detail, INSTALL)


def _kernel() -> Finding:
    """Start a notebook kernel and end it again."""
    manager = KernelManager(kernel_name="python3")
    try:
        manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=KERNEL_SECONDS)
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    except Exception as error:  # whatever Jupyter raises is what the reader must see
        return Finding("kernel", False, f"{type(error).__name__}: {error}", "pip install --force-reinstall ipykernel")
    return Finding("kernel", True, "a notebook kernel starts", "")


def _tensorflow() -> Finding:
    """Import TensorFlow in a process of its own: on an unsuitable processor the import kills it."""
    begun = time.monotonic()
    command = [sys.executable, "-c", "import tensorflow as tf; print(tf.__version__)"]
    fix = "TensorFlow needs a 64-bit processor with AVX; " + INSTALL
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TENSORFLOW_SECONDS)
    except subprocess.TimeoutExpired:
        return Finding("TensorFlow", False, f"its import takes more than {TENSORFLOW_SECONDS} s", fix)
    if done.returncode:
        return Finding("TensorFlow", False, f"import ended with {done.returncode}: {done.stderr[-200:].strip()}", fix)
    return Finding("TensorFlow", True, f"{done.stdout.strip()}, import took {time.monotonic() - begun:.1f} s", "")
