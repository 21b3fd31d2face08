"""Files, folders and databases that a person names: as every process can use them, or why they cannot be."""

import re
from pathlib import Path

LONGEST_SHOWN = 120


def existing_path(text: str | Path) -> Path:
    """Return the absolute path of a file or folder that is there, ``~`` expanded.

    Raises
    ------
    ValueError
        Saying in a few words why there is nothing: an empty name, nobody of that name for ``~nobody/x``, a path
        that is too long for the system, a folder that may not be entered.
    """
    if not str(text).strip():
        raise ValueError("it is empty")
    try:
        path = Path(text).expanduser()
        path.stat()
        if path.is_dir():
            next(path.iterdir(), None)
        return path.resolve()
    except FileNotFoundError:
        raise ValueError("it is not there") from None
    except OSError as error:
        raise ValueError(f"the system says: {error.strerror}") from error
    except RuntimeError as error:  # pathlib's word for a home directory that nobody knows
        raise ValueError(f"{Path(text).parts[0][:LONGEST_SHOWN]} is nobody's home") from error


def storage_address(address: str) -> str:
    """Return the address of a study's database as every process can use it: an SQLite file by its absolute path.

    Parameters
    ----------
    address : str
        An SQLAlchemy address, such as "sqlite:///study.db".

    Raises
    ------
    ValueError
        Saying what is allowed instead: for an address that is none, a database without dialect or driver, an
        SQLite file in a folder that is not there, and one in memory. No password is in the message.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = make_url(address)
        url = url.set(drivername=url.drivername.lower())
        url.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ValueError("an SQLAlchemy address, such as sqlite:///study.db") from None
    except ImportError as error:
        raise ValueError(f"a database whose driver is installed; {error.name} is not") from None
    if url.get_backend_name() != "sqlite":
        return url.render_as_string(hide_password=False)
    if url.database in (None, "", ":memory:") or "mode=memory" in address or "file::memory:" in address:
        raise ValueError("a file, such as sqlite:///study.db: a database in memory ends with its process")
    if url.database.startswith("file:"):
        return url.render_as_string(hide_password=False)
    try:
        file = Path(url.database).expanduser()
        folder = existing_path(file.parent)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"a file in a folder that is there ({error})") from error
    return url.set(database=(folder / file.name).as_posix()).render_as_string(hide_password=False)


def masked_storage(address: str) -> str:
    """Return a database's address for messages: without its password, also where it does not parse."""
    masked = re.sub(r"(?s)^([\w+.-]*:/{0,2})?.*@", r"\1***@", address)
    masked = re.sub(r"(//[^/@:]*):(?![0-9]*(?:/|$))[^/]*", r"\1:***", masked)
    return re.sub(r"(?i)((?:pass|pwd|secret|token|key)[^=&]*=)[^&]*", r"\1***", masked)
