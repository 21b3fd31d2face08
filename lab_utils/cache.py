"""The cache: what the lab has computed, kept under a digest of everything that it was computed from.

A training, a score, a trial of the study and an executed notebook are pure functions of their inputs. `key` is the one
rule that says what counts as an input; `remember` computes a value once. Killed work continues because its finished
parts are here.

An entry is one file of arrays and JSON, which nothing can execute when it is read (joblib's and diskcache's entries are
pickles, and diskcache needs a database that locks, which shared home folders often do not). It is written beside its
place and renamed into it, so that a reader finds all of it or nothing; two processes that compute the same value write
the same file. Deleting the folder costs time only.
"""

import ast
import hashlib
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils import files, machine
from lab_utils.errors import LabError

if TYPE_CHECKING:  # each of the processes of a class would import it for nothing
    import pandas as pd

logger = logging.getLogger(__name__)

Value = dict[str, Any]
"""What an entry holds, by name: NumPy arrays, and whatever else JSON can say."""

LIMIT = 1_000_000_000
"""Bytes that all entries may take; beyond it those that were not used for longest go."""

TAG = "CACHEDIR.TAG"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Results of dae-lab. Deleting this folder costs time only.\n"
"""Tells backup programs that this is a cache (https://bford.info/cachedir/), and us that the folder is ours."""

ENTRY = re.compile(r"[0-9a-f]{64}\.entry")
CHECKSUM = hashlib.sha256().digest_size
JSON_MEMBER = "json"


class Unfingerprintable(TypeError):
    """An input that no digest can stand for, such as a function written in a notebook: it is computed, not cached."""


# What a key holds ------------------------------------------------------------------------------------------------


def key(module: str, inputs: Any) -> str:
    """The name of a value: SHA-256 of the inputs, the code that computes it, the libraries, the precision, the device.

    Parameters
    ----------
    module : str
        The module that computes the value (``__name__`` at the call): its source counts, and that of every module of
        this package that it imports, directly or not.
    inputs : JSON-able values, arrays, data frames and data classes, in dictionaries and lists as deep as you like
        Settings, seeds, digits, weights. Arrays count with their shape and dtype. Not among them: thread counts, names
        of layers, what a student answers.

    Raises
    ------
    Unfingerprintable
        For any other value.
    """
    told = [_plain(inputs), code_digest([module]), machine.description()]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def key_or_none(module: str, inputs: Callable[[], Any] | Any) -> str | None:
    """`key`, or None for inputs (or a function that gives them) that no digest can stand for."""
    try:
        return key(module, inputs() if callable(inputs) else inputs)
    except Unfingerprintable:
        return None


def _plain(value: Any) -> Any:
    """The value as JSON, arrays by their digest."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return ["array", array_digest(value)]
    if isinstance(value, np.generic):
        return value.item()
    if _is_table(value):
        return ["table", _plain(value.to_dict("list"))]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, _plain({name: getattr(value, name) for name in value.__dataclass_fields__})]
    raise Unfingerprintable(f"{type(value).__name__} has no digest")


def _is_table(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def array_digest(array: np.ndarray) -> str:
    """SHA-256 (hex) of an array: dtype, shape and bytes in C order."""
    checksum = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    checksum.update(np.ascontiguousarray(array).tobytes())
    return checksum.hexdigest()


def read_sources() -> dict[str, bytes]:
    """Source of every module of this package, by its dotted name, as it is on the disk now."""
    found = {}
    for path in files.PACKAGE.rglob("*.py"):
        parts = path.relative_to(files.PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_bytes()
    return found


SOURCES = read_sources()
"""The code that this process runs: read once, so that an update on the disk does not pass for it."""


def code_digest(modules: Iterable[str], sources: dict[str, bytes] = SOURCES) -> str:
    """SHA-256 (hex) of modules of this package and of all that they import of it.

    Parameters
    ----------
    modules : iterable of str
        Dotted names.
    sources : dict
        From ``read_sources``.
    """
    reached: set[str] = set()
    waiting = [name for name in modules if name in sources]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imports(sources[name], sources)
    return _digest_of({name: sources[name] for name in reached})


def package_digest() -> str:
    """SHA-256 (hex) of all code of this package."""
    return _digest_of(SOURCES)


def _digest_of(sources: dict[str, bytes]) -> str:
    told = [(name, hashlib.sha256(source).hexdigest()) for name, source in sorted(sources.items())]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def imported_modules(code: str, sources: dict[str, bytes] = SOURCES) -> set[str]:
    """Modules of this package that some Python source imports; none where it cannot be parsed."""
    try:
        return _imports(code.encode(), sources)
    except SyntaxError:
        return set()


_parsed: dict[bytes, set[str]] = {}


def _imports(source: bytes, sources: dict[str, bytes]) -> set[str]:
    names = _parsed.get(source)
    if names is None:
        names = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        _parsed[source] = names
    return names & sources.keys()


# Entries ---------------------------------------------------------------------------------------------------------


def enabled(use_cache: bool | None = None) -> bool:
    """Whether values may come from the cache: the caller's wish, else ``DAE_LAB_USE_CACHE`` (0 or 1), else yes."""
    return os.environ.get("DAE_LAB_USE_CACHE", "1") != "0" if use_cache is None else use_cache


def folder() -> Path:
    """Where the entries lie: ``results`` in ``files.home()``."""
    return files.home() / "results"


def remember(make: Callable[[], Value], module: str, inputs: Any, use_cache: bool | None = None) -> Value:
    """A value from the cache, or computed now and kept.

    Parameters
    ----------
    make : callable
        Computes the value.
    module, inputs
        See `key`.
    use_cache : bool, optional
        See `enabled`.

    Returns
    -------
    dict
        Arrays and JSON by name.
    """
    name = key_or_none(module, inputs) if enabled(use_cache) else None
    if name is None:
        return make()
    value = get(name)
    if value is None:
        value = make()
        put(name, value)
    return value


def remember_table(make: "Callable[[], pd.DataFrame]", module: str, inputs: Any) -> "pd.DataFrame":
    """`remember` for a table of plain values whose index does not matter."""
    import pandas as pd

    return pd.DataFrame(remember(lambda: {"columns": make().to_dict("list")}, module, inputs)["columns"])


def get(name: str) -> Value | None:
    """The value of a key, or None. An entry that is damaged or somebody else's counts as none.

    Raises
    ------
    LabError
        The folder is not the cache's own: better before a long computation than after it.
    """
    path = folder() / f"{name}.entry"
    _refuse_foreign(path.parent)
    try:
        if not _is_ours(path):
            return None
        content = memoryview(path.read_bytes())
        if hashlib.sha256(content[CHECKSUM:]).digest() != content[:CHECKSUM]:
            raise ValueError("its checksum is wrong")
        value = _unpack(content[CHECKSUM:])
        os.utime(path)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever a damaged file makes NumPy, zipfile or json raise: it is computed again
        logger.warning("The entry '%s' of the cache cannot be used (%s); computing it again.", path.name, error)
        return None
    return value


def put(name: str, value: Value) -> None:
    """Keep a value under its key.

    A cache that cannot be written (full disk, read-only folder) costs time later, not this value: it is logged.

    Raises
    ------
    LabError
        The folder holds files that are not the cache's own: nothing is written to it or deleted in it.
    """
    place = folder()
    content = _pack(value)
    try:
        _refuse_foreign(place)
        _claim(place)
        with files.replaced(place / f"{name}.entry") as part:
            part.write_bytes(hashlib.sha256(content).digest() + content)
        files.sweep(place)
        _make_room(place, keep=f"{name}.entry")
    except OSError as error:
        logger.warning("A result could not be kept in '%s': %s", place, error.strerror)


def _refuse_foreign(place: Path) -> None:
    """Make sure that a folder, if it is there, is empty or the cache's own.

    In this order: the tag is there before anything else is, also while another process begins the folder.
    """
    if place.is_dir() and any(place.iterdir()) and not (place / TAG).exists():
        raise LabError(
            f"'{place}' holds files that are not the cache's.",
            "an empty folder, or one that the lab has made",
            "Set DAE_LAB_CACHE to another folder, or move these files.",
        )


def _claim(place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    if not (place / TAG).exists():
        (place / TAG).write_text(SIGNATURE, encoding="utf-8")


def _is_ours(path: Path) -> bool:
    """Whether the file belongs to this user; where the system has no owners, it does."""
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


def _make_room(place: Path, keep: str) -> None:
    """Delete the entries that were not used for longest, until the rest keeps within the limit."""
    entries = []
    for path in place.iterdir():
        with suppress(FileNotFoundError):  # another process makes room too
            if ENTRY.fullmatch(path.name):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LIMIT:
            return
        if path.name != keep:
            path.unlink(missing_ok=True)
            total -= size


def _pack(value: Value) -> bytes:
    arrays = {f"array/{name}": part for name, part in value.items() if isinstance(part, np.ndarray)}
    plain = {name: part for name, part in value.items() if not isinstance(part, np.ndarray)}
    stream = io.BytesIO()
    np.savez(stream, **{JSON_MEMBER: np.array(json.dumps(plain, default=_number))}, **arrays)
    return stream.getvalue()


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is neither an array nor JSON")


def _unpack(content: memoryview) -> Value:
    with np.load(io.BytesIO(content), allow_pickle=False) as npz:
        arrays = {name.removeprefix("array/"): npz[name] for name in npz.files if name != JSON_MEMBER}
        return json.loads(str(npz[JSON_MEMBER])) | arrays
