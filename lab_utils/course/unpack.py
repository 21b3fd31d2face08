"""What an LMS gives, as packages of files: a folder, a ZIP of ZIPs, loose notebooks. All of it is hostile.

Nothing is unpacked under a name that an archive says: its files are read into memory, in bounded size and number, and
whoever uses them gives them names of his own.
"""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from lab_utils.course.names import RESERVED
from lab_utils.errors import LabError

MOST_PACKAGES = 20_000  # files of a folder, or of the archive that an LMS makes
MOST_FILES = 200  # of one student
LARGEST_PACKAGE = 200_000_000  # bytes of one student, packed and unpacked
MOST_TIMES = 20  # so many times its own size may an LMS's archive unpack to: what is in it is packed already
CHUNK = 1_000_000
MANIFEST = "manifest.json"
JUNK = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
"""What operating systems put beside files, and everything hidden: neither read nor told."""
DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True)
class Package:
    """What came as one: an archive, or a loose file.

    Attributes
    ----------
    label : str
        Its path in what the LMS gave; says nothing certain.
    when : datetime
        When it was handed in, as far as the file or the LMS's archive tells.
    files : dict
        Content by name: its notebooks and its manifest.
    problem : str
        Why it was refused; then it has no files.
    """

    label: str
    when: datetime
    files: dict[str, bytes] = field(default_factory=dict)
    problem: str = ""


def find_packages(place: Path) -> Iterator[Package]:
    """Yield all that was handed in.

    Parameters
    ----------
    place : Path
        A folder or a ZIP archive. An archive that holds archives or loose notebooks (Moodle's and Canvas' "download
        all") is a class; one level of that.

    Raises
    ------
    LabError
        There is nothing to read, or more files than a class hands in.
    """
    if not place.exists():
        raise LabError(f"There is no '{place}'.", "a folder or a .zip of submissions", "Check the name.")
    if place.is_dir():
        paths = [path for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink()]
        for path in _bounded(paths, place):
            label = path.relative_to(place).as_posix()
            if not JUNK.search(label):
                yield from _of_file(path, label)
    else:
        yield from _of_file(place, place.name)


def _of_file(path: Path, label: str) -> Iterator[Package]:
    when = datetime.fromtimestamp(path.stat().st_mtime)
    if path.suffix.lower() == ".zip":
        yield from _of_archive(path, label, when)
    elif path.suffix.lower() == ".ipynb":
        yield _guarded(label, when, lambda: {path.name: _loose(path)})


def _of_archive(path: Path, label: str, when: datetime) -> Iterator[Package]:
    """One student's archive, or one that the LMS made of many."""
    try:
        with zipfile.ZipFile(path) as archive:
            inner = [entry for entry in archive.infolist() if _is(entry, ".zip")]
            if not inner and not _looks_like_a_class(archive):
                yield _guarded(label, when, lambda: read_archive(archive))
                return
            wanted = [entry for entry in archive.infolist() if _is(entry, ".zip") or _is(entry, ".ipynb")]
            if sum(entry.file_size for entry in wanted) > LARGEST_PACKAGE + MOST_TIMES * path.stat().st_size:
                raise Refused("it unpacks to many times its size")
            for entry in _bounded(wanted, path):
                yield _of_entry(archive, entry, f"{label}/{entry.filename}")
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        yield Package(_shown(label), when, problem=f"it is no archive that can be used: {error}")


def _looks_like_a_class(archive: zipfile.ZipFile) -> bool:
    """Whether notebooks of the same name lie in several folders, or more lie in it than one student has."""
    names = [PurePosixPath(e.filename).name for e in archive.infolist() if _is(e, ".ipynb")]
    folders = {PurePosixPath(e.filename).parent for e in archive.infolist() if _is(e, ".ipynb")}
    return not any(e.filename == MANIFEST for e in archive.infolist()) and (len(names) > 8 or len(folders) > 2)


def _of_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, label: str) -> Package:
    """A package in the archive of an LMS."""
    when = _time(entry)

    def content() -> dict[str, bytes]:
        raw = _content(archive, entry, LARGEST_PACKAGE)
        if _is(entry, ".ipynb"):
            return {PurePosixPath(entry.filename).name: raw}
        with zipfile.ZipFile(io.BytesIO(raw)) as inner:
            return read_archive(inner)

    return _guarded(label, when, content)


def read_archive(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The notebooks and the manifest of one student's archive, by name.

    Raises
    ------
    Refused
        The archive holds what no submission does; then nothing of it is used.
    """
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise Refused(f"it holds {len(entries):,} files")
    for entry in entries:
        _check(entry)
    if (size := sum(entry.file_size for entry in entries)) > LARGEST_PACKAGE:
        raise Refused(f"it unpacks to {size:,} bytes")
    left, found = LARGEST_PACKAGE, {}
    for entry in entries:
        if JUNK.search(entry.filename) or not (_is(entry, ".ipynb") or entry.filename == MANIFEST):
            continue
        if entry.filename in found:
            raise Refused(f"it holds {_shown(entry.filename)!r} twice")
        found[entry.filename] = _content(archive, entry, left)
        left -= len(found[entry.filename])
    return found


class Refused(ValueError):
    """What no submission holds, in words."""


def _check(entry: zipfile.ZipInfo) -> None:
    name, shown = entry.filename, _shown(entry.filename)
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or DRIVE.match(name) or ".." in parts:
        raise Refused(f"{shown!r} would be written outside of its folder")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused(f"{shown!r} is a link or a device")
    if entry.flag_bits & 1:
        raise Refused(f"{shown!r} is encrypted")
    if any(RESERVED.fullmatch(part.split(".")[0].rstrip(" $")) for part in parts):
        raise Refused(f"{shown!r} is the name of a device on Windows")
    if any(ord(character) < 32 for character in name) or len(name) > 500:
        raise Refused(f"{shown!r} is no name of a file")
    if _is(entry, ".zip"):
        raise Refused(f"{shown!r} is an archive in an archive")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    """One file, counted while it is unpacked: what an archive says of its size is only a claim."""
    pieces, size = [], 0
    with archive.open(entry) as stream:
        while piece := stream.read(CHUNK):
            size += len(piece)
            if size > left:
                raise Refused(f"{_shown(entry.filename)!r} unpacks to more than {left:,} bytes")
            pieces.append(piece)
    return b"".join(pieces)


def _guarded(label: str, when: datetime, content) -> Package:
    """A package of what a function gives, or of why there is nothing."""
    try:
        return Package(_shown(label), when, content())
    except (Refused, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        return Package(_shown(label), when, problem=str(error) or type(error).__name__)


def _loose(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_PACKAGE:
        raise Refused(f"it is larger than {LARGEST_PACKAGE:,} bytes")
    return path.read_bytes()


def _bounded(found: list, place: Path) -> list:
    if len(found) > MOST_PACKAGES:
        raise LabError(f"'{place}' holds {len(found):,} files.", f"at most {MOST_PACKAGES:,}", "Give one class alone.")
    return found


def _is(entry: zipfile.ZipInfo, suffix: str) -> bool:
    return entry.filename.lower().endswith(suffix) and not entry.is_dir() and not JUNK.search(entry.filename)


def _time(entry: zipfile.ZipInfo) -> datetime:
    try:
        return datetime(*entry.date_time)
    except ValueError:
        return datetime(1980, 1, 1)


def _shown(name: str) -> str:
    """A name for people: no control character, no endless line."""
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return plain if len(plain) <= 150 else f"{plain[:100]}…{plain[-40:]}"
