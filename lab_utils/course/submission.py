"""The one file that a student hands in: checked, complete in itself, and the same bytes for the same work."""

import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab_utils import __version__, files
from lab_utils.course.names import folder_name, identity_key
from lab_utils.course.single import make_report
from lab_utils.course.student import Progress, Result
from lab_utils.course.work import Work, read_work
from lab_utils.errors import LabError
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.running.original import original
from lab_utils.running.source import find_notebooks

MANIFEST = "manifest.json"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive, the first that ZIP can say: the same work gives the same bytes."""


@dataclass(frozen=True)
class Submission:
    """What became of a hand-in.

    Attributes
    ----------
    result : Result
        Of the report.
    archive : Path, optional
        The file to upload; None where the notebooks did not complete.
    answered, asked : int
    warnings : tuple of str
        What is incomplete or unusual, and was put in all the same.
    """

    result: Result
    archive: Path | None = None
    answered: int = 0
    asked: int = 0
    warnings: tuple[str, ...] = ()


def submit(
    out: Path,
    notebooks: Path,
    parameters: Mapping[str, str],
    *,
    part: str | None = None,
    minutes: float | None = None,
    on_progress: Progress | None = None,
) -> Submission:
    """Check a student's notebooks, make the report, and put all of it into one archive in ``out``.

    Parameters
    ----------
    out : Path
    notebooks : Path
        Folder of the student's notebooks, with name, ID and answers in them.
    parameters : mapping
        As text; those that the notebooks do not say.
    part : str, optional
        "pre-lab", "in-lab" or "post-lab": hand in this one alone.
    minutes, on_progress
        As in ``single.make_report``.

    Raises
    ------
    LabError
        Before anything runs: no name, no ID, two IDs, or a notebook that cannot be read.
    """
    wanted = {n: path for n, path in find_notebooks(notebooks).items() if part in (None, n[3:].replace("_", "-"))}
    works = [read_work(path, {name: original(name)}, name) for name, path in wanted.items()]
    identity = {name: _one_of(name, works, parameters) for name in ("student_id", "student_name")}
    result = make_report(
        out, notebooks, {**parameters, **identity}, minutes=minutes, part=part, on_progress=on_progress
    )
    if result.status != "complete":
        return Submission(result)
    content = {f"notebooks/{path.name}": path.read_bytes() for path in wanted.values()}
    content |= {f"executed/{name}.ipynb": (result.folder / f"{name}.ipynb").read_bytes() for name in result.records}
    content |= {name: (result.folder / name).read_bytes() for name in result.files}
    warnings = _warnings(works, result)
    settings = next(iter(result.records.values()))["settings"]
    manifest = {
        "schema": 1,
        **identity,
        "seed": settings.get("seed"),
        "profile": settings.get("profile"),
        "versions": {"dae-lab": __version__, "python": platform.python_version()},
        "facts": {
            name: {fact["id"]: fact["measured"] for fact in record["facts"]} for name, record in result.records.items()
        },
        "unanswered": list(result.unanswered),
        "warnings": warnings,
        "files": {name: hashlib.sha256(content[name]).hexdigest() for name in sorted(content)},
    }
    content[MANIFEST] = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode()
    experiment = f"exp{settings.get('experiment_number', 13):02d}"
    name = "_".join(filter(None, [folder_name(identity["student_id"]), experiment, part]))
    archive = out / f"{name}.zip"
    files.say_set_aside([*result.set_aside, files.put(archive, packed(content))])
    asked = {id for work in works for id in work.answers} | set(result.unanswered)
    return Submission(result, archive, len(asked) - len(result.unanswered), len(asked), tuple(warnings))


def packed(content: Mapping[str, bytes]) -> bytes:
    """A ZIP archive of files by name, in order of their names; equal content gives equal bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, content[name])
    return stream.getvalue()


def _one_of(name: str, works: list[Work], parameters: Mapping[str, str]) -> str:
    """The student's ID or name: as given, else as the notebooks say it."""
    label = {"student_id": "ID", "student_name": "name"}[name]
    found = [text for text in [parameters.get(name, "").strip()] if text] or [w.said(name) for w in works]
    found = list(dict.fromkeys(text for text in found if identity_key(text)))
    if len(found) == 1:
        return found[0]
    what = f"The notebooks say {' and '.join(found)}" if found else f"No notebook says your {label}"
    raise LabError(
        f"{what}: nothing was made.",
        f"one {label}, the same in every notebook",
        f'Put it into the cell of parameters ({name} = "…") and save, or give it: -p {name} "…"',
    )


def _warnings(works: list[Work], result: Result) -> list[str]:
    """What a student should look at before the file is handed in; none of it stops anything."""
    written = {id: text for work in works for id, text in work.answers.items()}
    copies = [id for id in result.unanswered if written.get(id)]
    empty = [id for id in result.unanswered if not written.get(id)]
    left = [id for id, text in written.items() if ANSWER_PROMPT.strip("*.") in text and id not in result.unanswered]
    changed = [f"{work.name} ({', '.join(work.changes)[:200]})" for work in works if work.changes]
    told = [
        (empty, "Not answered: "),
        (copies, "Holds nothing but the notebook's own text, or what cannot be printed: "),
        (left, f"Still holds the words {ANSWER_PROMPT!r}: "),
        (changed, "Code that is not the lab's, which your instructor will see: "),
    ]
    return [text + ", ".join(ids) for ids, text in told if ids] + list(result.notes)
