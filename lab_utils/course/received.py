"""What was handed in, read and matched to the roster by what is in it; the names of files say nothing certain."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lab_utils import files
from lab_utils.course.names import identity_key, lookalike_keys
from lab_utils.course.unpack import MANIFEST, Package
from lab_utils.course.work import Work, read_work
from lab_utils.errors import LabError


@dataclass
class Handed:
    """One package, read.

    Attributes
    ----------
    label : str
    when : datetime
    student_id : str
        What its notebooks say, else its manifest; empty where nobody says it.
    sources, executed : dict
        By notebook's name: what the student wrote, and what ran. The same where there is one alone.
    notes : list of str
        What somebody should look at.
    problem : str
        Why it cannot be used.
    """

    label: str
    when: datetime
    student_id: str = ""
    sources: dict[str, Work] = field(default_factory=dict)
    executed: dict[str, Work] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.label} ({self.when:%Y-%m-%d %H:%M})"


def read_package(package: Package, labs: Mapping[str, list[Any]]) -> Handed:
    """Read the notebooks of a package; what is wrong with it is its own problem, and stops nobody.

    Parameters
    ----------
    package : Package
    labs : mapping
        The cells of the lab's notebooks by name.
    """
    handed = Handed(package.label, package.when, problem=package.problem)
    if "_LATE_" in package.label:
        handed.notes.append("late, says the name that Canvas gave it")
    manifest = _manifest(package, handed)
    works = []
    with files.scratch() as scratch:
        for name, content in package.files.items():
            if name == MANIFEST:
                continue
            place = scratch / "notebook.ipynb"
            place.write_bytes(content)
            try:
                works.append((name, read_work(place, labs, name)))
            except LabError as error:
                handed.notes.append(f"{name}: {error.what.replace(str(place), name)}")
            except Exception as error:  # whatever a notebook made to do harm makes a parser raise
                handed.notes.append(f"{name}: it cannot be read ({type(error).__name__})")
    for name, work in works:
        if work.record and (work.name not in handed.executed or "executed/" in name):
            handed.executed[work.name] = work
        if "executed/" not in name or work.name not in handed.sources:
            handed.sources[work.name] = work
    said = [work.said("student_id") for _, work in works]
    ids = list(
        dict.fromkeys(text for text in [*said, str(manifest.get("student_id") or "")[:200]] if identity_key(text))
    )
    if len({identity_key(text) for text in ids}) > 1:
        handed.notes.append(f"it names {len(ids)} IDs: {', '.join(id[:60] for id in ids)}")
    handed.student_id = max(ids, key=[*said, *ids].count, default="")
    if not works and not handed.problem:
        handed.problem = "; ".join(handed.notes) or "there is no notebook in it"
    elif not handed.student_id and not handed.problem:
        handed.problem = "nothing in it says whose it is"
    return handed


def _manifest(package: Package, handed: Handed) -> dict[str, Any]:
    """The manifest, if it is one; files that it tells another digest of were changed after `dae-lab submit`."""
    try:
        told = json.loads(package.files.get(MANIFEST, b"{}"))
        digests = told.get("files", {})
        changed = [n for n, c in package.files.items() if digests.get(n, d := hashlib.sha256(c).hexdigest()) != d]
    except (ValueError, AttributeError, RecursionError):
        handed.notes.append("its manifest cannot be read")
        return {}
    if changed:
        handed.notes.append(f"changed after it was packed: {', '.join(changed)[:200]}")
    return told


def by_student(
    handed: Iterable[Handed], roster: Mapping[str, str]
) -> tuple[dict[str, list[Handed]], list[tuple[Handed, str, str]]]:
    """Packages by student, and those that belong to none.

    Parameters
    ----------
    handed : iterable of Handed
    roster : mapping
        Name by student ID.

    Returns
    -------
    dict, list of (Handed, str, str)
        For each ID of the roster its packages, the newest first; and the others, with "foreign" or "refused" and why.
    """
    keys = {identity_key(id): id for id in roster}
    alike = {key: id for id in roster for key in lookalike_keys(id)}
    found: dict[str, list[Handed]] = {id: [] for id in roster}
    others = []
    for each in sorted(handed, key=lambda each: (each.when, each.label), reverse=True):
        if each.problem:
            named = [id for id in roster if len(id) > 3 and id in each.label]
            hint = f"; its name holds {', '.join(named)}" if named else ""
            others.append((each, "refused", each.problem + hint))
        elif (id := keys.get(identity_key(each.student_id))) is not None:
            found[id].append(each)
        else:
            near = next((alike[key] for key in lookalike_keys(each.student_id) if key in alike), None)
            others.append((each, "foreign", "not in the roster" + (f"; it looks like {near}" if near else "")))
    return found, others


def newest(packages: list[Handed], names: Iterable[str]) -> tuple[dict[str, Work], dict[str, Work], list[str]]:
    """Of a student's packages, the newest first: the newest source and run of these notebooks, and what to tell.

    Parts that were handed in one by one come together; an older package of which nothing is used is a double.
    """
    sources: dict[str, Work] = {}
    executed: dict[str, Work] = {}
    notes: list[str] = []
    for package in packages:
        fresh = [name for name in names if name in package.sources and name not in sources]
        if not fresh:
            notes.append(f"handed in before, and not used: {package}")
            continue
        notes += package.notes
        sources |= {name: package.sources[name] for name in fresh}
        executed |= {name: package.executed[name] for name in fresh if name in package.executed}
    return sources, executed, notes
