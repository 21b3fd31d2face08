"""The cache: one verified mnist.npz for every notebook, run and process of this user.

The file is stored uncompressed. Measured on 2 cores: 55 MB load in 0.04 s; compressed, 11.5 MB need
0.23 s to load and 0.9 s to write, and every notebook, run and worker would pay that again.
"""

import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from lab_utils import files
from lab_utils.data import network
from lab_utils.data.files import npz_text, parse_npz, read_bounded
from lab_utils.data.records import MNIST_ARRAYS, Arrays, verify
from lab_utils.errors import LabError

logger = logging.getLogger(__name__)

STALL_REMEMBERED_SECONDS = 600.0
"""How long other processes keep off a network source that made one of them wait in vain."""

NEXT_STEP = "run 'dae-lab data' to fetch MNIST, or set data_source to 'auto'"


class CorruptCacheError(LabError):
    """The cached file is there but does not hold MNIST."""


def folder() -> Path:
    """Return the cache's folder, see ``files.home``."""
    return files.home()


def file() -> Path:
    """Return the path of the cached MNIST, whether it exists or not."""
    return folder() / "mnist.npz"


def read() -> tuple[Arrays, str]:
    """Read and verify the cached MNIST; change nothing.

    Returns
    -------
    arrays : dict of str to uint8 array
        The four arrays of `MNIST_ARRAYS`.
    origin : str
        Where they were fetched from.

    Raises
    ------
    CorruptCacheError
        If the file is truncated, damaged or not MNIST.
    LabError
        If there is no such file or it cannot be read.
    """
    path = file()
    try:
        content = read_bounded(path)
    except LabError as error:
        raise CorruptCacheError(error.what, error.allowed, NEXT_STEP) from error
    except FileNotFoundError:
        raise LabError("The cache holds no MNIST yet.", "a filled cache", NEXT_STEP) from None
    except OSError as error:
        raise LabError(
            f"The cache '{path}' cannot be read: {error.strerror}.",
            "a readable file, or another folder in the environment variable DAE_LAB_CACHE",
            "check the permissions of the cache's folder",
        ) from error
    try:
        arrays = parse_npz(content, "the cached file")
        origin = npz_text(content, "origin") or "a file put into the cache by hand"
        verify(arrays, "the cached file")
    except Exception as error:  # damaged bytes surface as any of a dozen types
        reason = error.what if isinstance(error, LabError) else f"it is damaged ({error})"
        raise CorruptCacheError(
            f"The cached file '{path}' is corrupt: {reason}", "MNIST, SHA-256 verified", NEXT_STEP
        ) from error
    return arrays, origin


def read_or_set_aside() -> tuple[Arrays, str]:
    """Read the cached MNIST; rename a corrupt file out of the way, so that it can be fetched again.

    Call it under `lock`: without it, the file set aside could be a good one that another process has
    just put there. Returns and raises what `read` does; the error then names the new name.
    """
    try:
        return read()
    except CorruptCacheError as error:
        aside = file().with_name(f"mnist.npz.corrupt-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            os.replace(file(), aside)
        except OSError as failure:
            outcome = f"it could not be set aside ({failure.strerror})"
        else:
            outcome = f"it was set aside as '{aside.name}'"
        message = f"{error.what} {outcome[0].upper()}{outcome[1:]}."
        logger.warning(message)
        raise CorruptCacheError(message, error.allowed, error.next_step) from error


def write(arrays: Arrays, origin: str) -> None:
    """Put verified arrays into the cache atomically: a reader finds the old file or the whole new one.

    A cache that cannot be written (full disk, read-only folder) costs a fetch the next time, not this run:
    it is logged, not raised.
    """
    content = {array.npz: arrays[array.name] for array in MNIST_ARRAYS}
    temporary = file().with_name(f"mnist.npz.{uuid.uuid4().hex}.tmp")
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez(stream, origin=np.array(origin), **content)
        os.replace(temporary, file())
    except OSError as error:
        logger.warning("MNIST could not be cached in '%s': %s", folder(), error.strerror)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def lock() -> Iterator[None]:
    """Hold the cache's lock, so that of several processes that find it empty one fetches for all.

    A holder that fetches shows that it lives (`heartbeat`). When it does not for twice the time that a
    network step may take without progress (it was suspended, say), or the folder cannot hold a lock, go
    on without: `write` is safe even then, only a fetch may happen twice. Not reentrant.
    """
    path = folder() / "mnist.npz.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = _acquire(FileLock(path), path)
    except (OSError, NotImplementedError) as error:  # read-only folder, file system without locks
        logger.info("No lock on '%s': %s", path, error)
        held = None
    try:
        yield
    finally:
        if held is not None:
            held.release()


def _acquire(file_lock: FileLock, path: Path) -> FileLock | None:
    waiting_since = time.time()
    while True:
        try:
            file_lock.acquire(timeout=0.5)
            return file_lock
        except Timeout:
            last_sign = max(waiting_since, _modified(path))
        if time.time() - last_sign > 2 * network.NO_PROGRESS_SECONDS:
            logger.warning("Another process holds '%s' and does not move; going on without it.", path)
            return None


def heartbeat() -> None:
    """Show the processes that wait for the lock that its holder makes progress."""
    with suppress(OSError):
        os.utime(folder() / "mnist.npz.lock")


def note_stall(source: str) -> None:
    """Tell other processes that a network source kept this one waiting in vain."""
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        (folder() / f"{source}.stalled").touch()


def stalled_lately(source: str) -> bool:
    """Return whether some process waited in vain for this network source in the last minutes."""
    return time.time() - _modified(folder() / f"{source}.stalled") < STALL_REMEMBERED_SECONDS


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
