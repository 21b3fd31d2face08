"""What is already done: keys of the inputs, and the proof that a finished file is the one those inputs made."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lab_utils.running import check
from lab_utils.running.processes import PACKAGE, write_json

DONE = "done.json"


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_hash() -> str:
    """Return one hash of everything in ``lab_utils`` and of the lock file, where there is one.

    It is taken afresh each time: a worker that lives for days must notice an update on the disk.
    """
    files = sorted(path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files += [path for path in [PACKAGE.parent / "requirements.lock"] if path.exists()]
    named = [(path.relative_to(PACKAGE.parent).as_posix(), file_hash(path)) for path in files]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def notebook_key(source: Path, parameters: dict[str, Any], package: str) -> str:
    """Return the hash of all that decides what a notebook's run produces.

    Parameters
    ----------
    source : Path
        The notebook.
    parameters : dict
        Its parameters.
    package : str
        From ``package_hash``.
    """
    inputs = [file_hash(source), sorted(parameters.items()), package]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def read_done(folder: Path) -> dict[str, Any]:
    """Return what ``done.json`` in a folder says; an empty record without one."""
    try:
        return json.loads((folder / DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"notebooks": {}}


def write_done(folder: Path, done: dict[str, Any]) -> None:
    """Write ``done.json``, whole or not at all."""
    write_json(folder / DONE, done)


def notebook_is_proven(folder: Path, notebook: str, key: str, parameters: dict[str, Any]) -> bool:
    """Return whether a folder holds a notebook that these inputs made and whose content is complete.

    Parameters
    ----------
    folder : Path
        With ``<notebook>.ipynb`` and ``done.json``.
    notebook : str
        Its name, such as "02_in_lab".
    key : str
        From ``notebook_key``.
    parameters : dict
        What it was run with.
    """
    entry = read_done(folder)["notebooks"].get(notebook)
    path = folder / f"{notebook}.ipynb"
    if entry is None or entry["key"] != key or not path.exists() or file_hash(path) != entry["sha256"]:
        return False
    return not check.problems(path, notebook=notebook, expected=parameters)


def files_are_proven(folder: Path, files: dict[str, str]) -> bool:
    """Return whether a folder holds every file of a {name: SHA-256} table, unchanged."""
    return all((folder / name).exists() and file_hash(folder / name) == digest for name, digest in files.items())
