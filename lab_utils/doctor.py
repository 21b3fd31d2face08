"""What on this machine would stop the lab, each with its fix."""

import importlib.metadata
import json
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

from lab_utils import machine, text
from lab_utils.data import cache, sources
from lab_utils.errors import LabError
from lab_utils.files import PACKAGE
from lab_utils.running.environment import INLINE
from lab_utils.running.processes import usable_memory

NEEDED_MEMORY = 3e9
NEEDED_DISK = 2e9
TENSORFLOW_SECONDS = 120
KERNEL_SECONDS = 60
KERAS = {"backend": "tensorflow", "floatx": "float32", "image_data_format": "channels_last"}
"""What the lab sets, whatever the file ``keras.json`` of a person says."""

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
    yield from _environment()
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
    return Finding("cores", True, f"{machine.cores()} usable", "")


def _environment() -> Iterator[Finding]:
    """What a person has set for other purposes. ``dae-lab`` keeps it from the notebooks; JupyterLab does not."""
    kept_off = "dae-lab report does without it; for JupyterLab: "
    backends = {"MPLBACKEND": ("", INLINE), "KERAS_BACKEND": ("", "tensorflow")}
    for name, allowed in backends.items():
        if os.environ.get(name, "") not in allowed:
            detail = f"{name}={os.environ[name]}"
            yield Finding("environment", False, detail, f"{kept_off}unset {name}.")
    for name in machine.THREAD_VARIABLES:
        value = os.environ.get(name, "1")
        if not value.isdigit() or int(value) < 1:
            yield Finding("environment", False, f"{name}={value}", f"{kept_off}unset {name}, or set a number from 1.")
    yield from _keras_file(kept_off)
    for folder in dict.fromkeys([Path.cwd(), PACKAGE.parent, PACKAGE.parent / "notebooks"]):
        for path in sorted(folder.glob("*.py")):
            if path.stem in sys.stdlib_module_names:
                detail = f"{path} has the name of a module of Python's own"
                yield Finding("environment", False, detail, f"{kept_off}rename the file.")


def _keras_file(kept_off: str) -> Iterator[Finding]:
    """Keras' own settings file, where it differs from what the lab sets."""
    folder = Path(os.environ.get("KERAS_HOME") or Path(os.path.expanduser("~"), ".keras"))
    try:
        told = json.loads((folder / "keras.json").read_text(encoding="utf-8"))
        other = {name: told[name] for name, value in KERAS.items() if told.get(name, value) != value}
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError) as error:
        yield Finding("Keras", False, f"{folder / 'keras.json'} cannot be read ({error})", f"{kept_off}delete it.")
        return
    if other:
        detail = ", ".join(f"{name} = {value!r}" for name, value in other.items())
        yield Finding("Keras", False, f"{folder / 'keras.json'}: {detail}", f"{kept_off}delete it.")


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
