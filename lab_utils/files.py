"""Files: written whole or not at all, never over a person's work, and nothing temporary left behind."""

import hashlib
import json
import logging
import os
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from platformdirs import user_cache_dir

from lab_utils.errors import LabError

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parent

WRITTEN = ".dae-lab.json"
"""Name of the file that tells, in each folder of results, the SHA-256 of what the lab has written there."""

HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]
OWNED = re.compile(r"(?P<host>[0-9a-f]{12})-(?P<process>\d+)-.*")


def home() -> Path:
    """The lab's folder of files that can be made again: ``DAE_LAB_CACHE`` if set, else the system's place for them.

    Where nobody knows a home directory (a container that runs under a number without an account), it is a folder in
    the system's temporary one.

    Raises
    ------
    LabError
        For a ``DAE_LAB_CACHE`` under the home of somebody who is not there.
    """
    chosen = os.environ.get("DAE_LAB_CACHE")
    try:
        return Path(chosen or user_cache_dir("dae-lab", appauthor=False)).expanduser().resolve()
    except (RuntimeError, KeyError) as error:
        if not chosen:
            return Path(tempfile.gettempdir()).resolve() / f"dae-lab-{os.getuid()}"
        raise LabError(
            f"DAE_LAB_CACHE is '{chosen[:200]}': {error}", "the path of a folder", "Set it to another folder."
        ) from error


def digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its name if the block succeeds, and vanishes if not.

    The file has the permissions that the umask gives to any new file.
    """
    part = path.with_name(f".{HOST}-{os.getpid()}-{threading.get_ident()}-{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk is told without one
        raise
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, whole or not at all."""
    with replaced(path) as part:
        part.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def put(path: Path, content: bytes) -> Path | None:
    """Write a result; what a person has put or changed there is set aside first, never replaced.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    content : bytes

    Returns
    -------
    Path or None
        The dated name under which the file that was there is now found; None where the lab itself had written it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    made, aside = hashlib.sha256(content).hexdigest(), None
    if path.exists() and not is_ours(path):
        aside = _dated(path)
        os.replace(path, aside)
    elif path.exists() and digest(path) == made:
        return None
    known = _written(path.parent)
    # Noted before it is done: a process that is killed in between leaves a file that is known to be ours.
    known[path.name] = [made, *(digest for digest in known.get(path.name, []) if digest != made)][:2]
    write_json(path.parent / WRITTEN, known)
    with replaced(path) as part:
        part.write_bytes(content)
    return aside


def say_set_aside(paths: Iterable[Path | None]) -> None:
    """Tell of each file that `put` set aside."""
    for path in filter(None, paths):
        logger.warning("A file that somebody had changed was not replaced; it is now '%s'", path)


def is_ours(path: Path) -> bool:
    """Whether a file is as the lab has written it."""
    return digest(path) in _written(path.parent).get(path.name, [])


def _written(folder: Path) -> dict[str, list[str]]:
    try:
        told = json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {name: digests for name, digests in told.items() if isinstance(digests, list)}


def _dated(path: Path) -> Path:
    """A free name beside the path that says when the file was last changed."""
    stamp = time.strftime("%Y-%m-%d_%H%M%S", time.localtime(path.stat().st_mtime))
    names = (
        path.with_name(f"{path.stem}.yours-{stamp}{more}{path.suffix}") for more in ("", *(f"-{i}" for i in range(99)))
    )
    return next(name for name in names if not name.exists())


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for temporary files, deleted at the end; those of processes that were killed are deleted here, too."""
    place = home() / "scratch"
    place.mkdir(parents=True, exist_ok=True)
    sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{HOST}-{os.getpid()}-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete temporary files and folders in a folder whose process, on this machine, is gone."""
    for path in folder.iterdir():
        owner = OWNED.fullmatch(path.name.removeprefix("."))
        if owner and owner["host"] == HOST and not psutil.pid_exists(int(owner["process"])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
