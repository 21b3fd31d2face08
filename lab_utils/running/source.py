"""Notebooks as they come from people: read with care, before any process is started."""

import ast
import json
import re
from pathlib import Path

import nbformat
from nbformat.validator import normalize

from lab_utils import manual
from lab_utils.errors import LabError
from lab_utils.settings import NOTEBOOKS, SERIES

LARGEST_BYTES = 100_000_000
MERGE_MARKS = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)
IDENTITY = re.compile(r"^(student_name|student_id|date)(\s*=\s*)(?:\"[^\"\n]*\"|'[^'\n]*')", re.MULTILINE)


def find_notebooks(folder: str | Path, optional: bool = False) -> dict[str, Path]:
    """Return the report's notebooks in a folder by name, in their order; and, if wanted, the others that are there.

    Raises
    ------
    LabError
        When one is not there.
    """
    sources = {name: Path(folder).expanduser().resolve() / f"{name}.ipynb" for name in NOTEBOOKS}
    missing = [sources[name].name for name in SERIES if not sources[name].is_file()]
    if missing:
        raise LabError(
            f"{', '.join(missing)} not found in {Path(folder).resolve()}.",
            "a folder with " + ", ".join(sources[name].name for name in SERIES),
            "Start the command in that folder, or name it with --notebooks.",
        )
    return {name: path for name, path in sources.items() if name in SERIES or (optional and path.is_file())}


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, and refuse what could not be run.

    Parameters
    ----------
    path : Path

    Returns
    -------
    NotebookNode
        In nbformat 4, with the parameters cell known to be Python.

    Raises
    ------
    LabError
        There is no such file, or it is empty, not UTF-8, in the middle of a merge, or no notebook; or its parameters
        cell has a syntax error.
    """
    if not path.is_file():
        raise LabError(f"There is no notebook '{path}'.", "one of the lab's notebooks", "Check the name.")
    if path.stat().st_size > LARGEST_BYTES:
        raise _unreadable(path, f"it is larger than {LARGEST_BYTES / 1e6:.0f} MB", "Clear its outputs.")
    content = path.read_bytes()
    if not content.strip():
        raise _unreadable(path, "it is empty", "Get it from the repository again.")
    if MERGE_MARKS.search(content):
        raise _unreadable(path, "it holds the marks of a merge (<<<<<<<)", "Finish the merge in git.")
    try:
        notebook = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
        if not isinstance(notebook.get("cells"), list):
            raise ValueError("it has no cells")
        _, notebook = normalize(notebook, relax_add_props=True, strip_invalid_metadata=True)
        nbformat.validate(notebook, relax_add_props=True)
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not in UTF-8", "Save it as UTF-8, as Jupyter does.") from None
    except Exception as error:  # nbformat raises a dozen kinds, and all mean the same to the reader
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise _unreadable(path, why[0][:200], "Get it from the repository again.") from error
    _check_parameters(notebook, path)
    return notebook


def _check_parameters(notebook: nbformat.NotebookNode, path: Path) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            try:
                ast.parse(cell.source)
            except SyntaxError as error:
                line = cell.source.splitlines()[error.lineno - 1].strip() if error.lineno else ""
                place = f"line {error.lineno}: {line[:80]}"
                raise LabError(
                    f"The parameters cell of {path.name} is not Python: {error.msg} in {place}",
                    'one parameter a line, such as student_name = "A. Student"',
                    "Correct that line; text stands between quotes.",
                ) from None


def _unreadable(path: Path, why: str, next_step: str) -> LabError:
    return LabError(f"'{path}' is not a notebook that can be read: {why}.", "a Jupyter notebook", next_step)


def without_answers(notebook: nbformat.NotebookNode) -> tuple[nbformat.NotebookNode, int]:
    """A copy of a notebook in which no answer, name, ID or date of a person stands, and how many did.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    NotebookNode, int
    """
    blank = nbformat.from_dict(json.loads(json.dumps(notebook)))
    found = 0
    for cell in blank.cells:
        tags = cell.metadata.get("tags", [])
        source = cell.source
        if "answer" in tags:
            cell.source = manual.ANSWER_PROMPT
            cell.pop("attachments", None)
        elif "prediction" in tags:
            cell.source = manual.PREDICTION_PROMPT
        elif "parameters" in tags:
            cell.source = IDENTITY.sub(r'\1\2""', source)
        found += cell.source != source
    return blank, found
