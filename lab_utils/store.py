"""The run store: what a training or an evaluation leaves behind, kept by all that it was made from.

Equal runs are made once. Nothing here knows of TensorFlow: a run is a JSON record and groups of arrays, and its key is
whatever the caller says it depends on. The store lies in the user's cache folder; deleting it costs time only.
"""

import hashlib
import io
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from filelock import FileLock
from platformdirs import user_cache_dir

from lab_utils import machine

logger = logging.getLogger(__name__)

LIMIT = 1_000_000_000
"""Bytes that the store may take; beyond it the entries that were not used for longest go."""

DIGEST = hashlib.sha256().digest_size

TRAINING_CODE = (
    *("models.py", "noise.py", "graph_noise.py"),
    *(f"training/{part}.py" for part in ("adam", "recipe", "steps", "loop")),
)
"""The files of this package that decide what a training computes: a change to any makes every run a new one."""

Kind = Literal["result", "checkpoint"]


class Kept(NamedTuple):
    """What was stored: a JSON-able record, and lists of arrays by the name of their group."""

    record: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]


def enabled(use_store: bool | None = None) -> bool:
    """Whether equal runs are to be taken from the store.

    Parameters
    ----------
    use_store : bool, optional
        The caller's wish. Without one ``DAE_LAB_USE_STORE`` (0 or 1) decides; without that the store is used
        everywhere but in continuous integration (``CI`` is set), which is there to train for real.
    """
    if use_store is not None:
        return use_store
    return os.environ.get("DAE_LAB_USE_STORE", "0" if os.environ.get("CI") else "1") != "0"


def folder() -> Path:
    """Where the store lies: ``DAE_LAB_STORE`` if set, else ``runs`` in the lab's cache folder."""
    if chosen := os.environ.get("DAE_LAB_STORE"):
        return Path(chosen).expanduser()
    cache = os.environ.get("DAE_LAB_CACHE") or user_cache_dir("dae-lab", appauthor=False)
    return Path(cache).expanduser() / "runs"


def digest(arrays: Sequence[np.ndarray]) -> str:
    """SHA-256 of arrays: their shapes, dtypes and bytes."""
    checksum = hashlib.sha256()
    for array in arrays:
        checksum.update(f"{array.dtype}{array.shape}".encode())
        checksum.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return checksum.hexdigest()


def code(files: Sequence[str]) -> str:
    """SHA-256 of source files of this package, named by their paths inside it."""
    return digest([np.fromfile(Path(__file__).parent / file, np.uint8) for file in files])


class Entry:
    """The place of one run: its result, or the checkpoint of one that has not finished.

    Parameters
    ----------
    origin : dict
        Everything that the run depends on, JSON-able. Runs with equal origins are one run.
    limit : int
        Bytes that the whole store may take once this entry is written.
    """

    def __init__(self, origin: dict[str, Any], limit: int = LIMIT) -> None:
        self.key = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()
        self.limit = limit

    def path(self, kind: Kind) -> Path:
        """The file of the result or of the checkpoint, whether it exists or not."""
        return folder() / f"{self.key}.{kind}"

    def read(self, kind: Kind) -> Kept | None:
        """What was stored, or None. A file whose checksum is wrong is deleted: what it held is made again."""
        path = self.path(kind)
        try:
            content = memoryview(path.read_bytes())
        except OSError:
            return None
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            logger.warning("The stored run '%s' is damaged; training it again.", path)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # used now: the last to be deleted for want of room
        return _unpack(content[DIGEST:])

    def write(self, kind: Kind, kept: Kept) -> None:
        """Store atomically: a reader finds all of it or nothing. A result replaces the checkpoint.

        A store that cannot be written (full disk, read-only folder) costs a training the next time, not this one:
        it is logged, not raised.
        """
        content = _pack(kept)
        temporary = folder() / f"{uuid.uuid4().hex}.tmp"
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                stream.write(hashlib.sha256(content).digest())
                stream.write(content)
            temporary.replace(self.path(kind))
            if kind == "result":
                self.path("checkpoint").unlink(missing_ok=True)
            _make_room(self.limit, keep=self.path(kind))
        except OSError as error:
            logger.warning("A run could not be stored in '%s': %s", folder(), error.strerror)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this entry, so that of several processes that need the run one trains and the others wait for it.

        A process that dies lets go. In a folder that cannot hold a lock it goes on without: then a run may be
        trained twice, and `write` is safe even so.
        """
        lock = FileLock(folder() / f"{self.key}.lock")
        try:
            folder().mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, NotImplementedError) as error:
            logger.info("No lock in '%s': %s", folder(), error)
        try:
            yield
        finally:
            if self.path("result").exists():  # nobody needs to wait any more
                with suppress(OSError):
                    Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()


def table(origin: dict[str, Any], make: Callable[[], pd.DataFrame], use_store: bool | None = None) -> pd.DataFrame:
    """A table of measurements from the store, or made now and kept.

    Parameters
    ----------
    origin : dict
        Everything that the table depends on, JSON-able; the machine and the library versions are added.
    make : callable
        Makes the table: plain values, without an index worth keeping.
    use_store : bool, optional
        See ``enabled``.
    """
    if not enabled(use_store):
        return make()
    entry = Entry(origin | {"machine": machine.description()})
    with entry.lock():
        if kept := entry.read("result"):
            return pd.DataFrame(kept.record["columns"])
        made = make()
        entry.write("result", Kept({"columns": made.to_dict("list")}, {}))
        return made


def _pack(kept: Kept) -> bytes:
    named = {f"{group}/{i:04}": array for group, arrays in kept.arrays.items() for i, array in enumerate(arrays)}
    stream = io.BytesIO()
    np.savez(stream, record=np.array(json.dumps(kept.record)), **named)
    return stream.getvalue()


def _unpack(content: memoryview) -> Kept:
    arrays: dict[str, list[np.ndarray]] = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as npz:
        record = json.loads(str(npz["record"]))
        for name in sorted(set(npz.files) - {"record"}):
            arrays.setdefault(name.split("/")[0], []).append(npz[name])
    return Kept(record, arrays)


def _make_room(limit: int, keep: Path) -> None:
    """Delete what was not used for longest until the store takes at most ``limit`` bytes."""
    found = []
    for path in folder().iterdir():
        with suppress(FileNotFoundError):  # another process makes room too
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        if size and path != keep:  # locks are empty
            path.unlink(missing_ok=True)
            total -= size
