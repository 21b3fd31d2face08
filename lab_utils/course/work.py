"""What one notebook of a student holds: which of the lab's it is, whose, the answers, the code, the facts."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from pydantic import ValidationError

from lab_utils.errors import LabError
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.report import cells
from lab_utils.running import check
from lab_utils.running.execution import changed_since, declared
from lab_utils.running.source import read_notebook
from lab_utils.settings import NOTEBOOKS

Notebook = nbformat.NotebookNode


@dataclass(frozen=True)
class Work:
    """One notebook of a student.

    Attributes
    ----------
    name : str
        Which of the lab's notebooks it is, such as "02_in_lab".
    notebook : NotebookNode
        Without outputs.
    values : dict
        Its parameters: those of its record, else those that its cells declare.
    answers : dict
        Text by the answer's id; empty where only the prompt stands.
    changes : dict
        Lines of a difference by the id of the code cell, for cells that are not the lab's.
    edited : list of str
        Ids of cells whose output was changed after the run.
    record : Record, optional
        What it put out at its end; None where it did not run so far.
    attachments : dict
        Pictures that were pasted into an answer, by the answer's id.
    """

    name: str
    notebook: Notebook
    values: dict[str, Any]
    answers: dict[str, str]
    changes: dict[str, list[str]]
    edited: list[str]
    record: check.Record | None
    attachments: dict[str, dict[str, Any]]

    @property
    def facts(self) -> dict[str, check.FactRow]:
        """The record's facts by their ids."""
        return {fact.id: fact for fact in self.record.facts} if self.record else {}

    def said(self, name: str) -> str:
        """A parameter as text, without outer spaces, and no longer than any is; empty where it is not given."""
        return str(self.values.get(name) or "").strip()[:200]


def read_work(path: Path, labs: Mapping[str, list[Any]], hint: str = "") -> Work:
    """Read a student's notebook.

    Parameters
    ----------
    path : Path
    labs : mapping
        The cells of the lab's notebooks by name.
    hint : str
        The name of the file, where its content does not tell which notebook it is.

    Raises
    ------
    LabError
        It cannot be read, its record is not valid, or it is none of the lab's.
    """
    notebook = read_notebook(path)
    name = which(notebook, labs, hint or path.name)
    lab = labs[name]
    roles = cells.recognise(notebook.cells, lab)
    for cell, role in zip(notebook.cells, roles, strict=True):  # an editor may have dropped the tags
        if not cell.metadata.get("tags") and role.tags:
            cell.metadata["tags"] = sorted(role.tags)
    try:
        record = check.read_record(notebook)
        values = declared(notebook) | (record.settings if record else {})
    except (ValidationError, ValueError, SyntaxError) as error:
        what = f"What '{path.name}' shows cannot be read: {str(error).splitlines()[0][:200]}."
        raise LabError(what, "a notebook as the lab has made it", "Run it again.") from error
    edited = changed_since(notebook) or []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return Work(
        name,
        notebook,
        values,
        answers_in(notebook.cells, roles),
        {key: _difference(old, new) for key, old, new in cells.changes(notebook.cells, roles, lab)},
        edited,
        record,
        {
            role.answer: cell.attachments
            for cell, role in zip(notebook.cells, roles, strict=True)
            if role.answer and "attachments" in cell
        },
    )


def which(notebook: Notebook, labs: Mapping[str, list[Any]], hint: str) -> str:
    """The lab's notebook that has most code in common with this one; its file's name decides where that is equal.

    Raises
    ------
    LabError
        None has any, and its file has none of their names.
    """
    code = _code(notebook.cells)
    shared = {name: (len(code & _code(lab)), name in hint) for name, lab in labs.items()}
    best = max(shared, key=shared.__getitem__)
    if not any(shared[best]):
        raise LabError(
            f"'{hint[:100]}' is none of the lab's notebooks.", ", ".join(NOTEBOOKS), "Hand in what was handed out."
        )
    return best


def answers_in(notebook: list[Any], roles: list[cells.Role]) -> dict[str, str]:
    """What the student wrote for each answer, with own text below it, as the report joins them; no prompt."""
    found: dict[str, list[str]] = {}
    current = ""
    for cell, role in zip(notebook, roles, strict=True):
        if role.answer:
            current = role.answer
        elif "question" in role.tags:
            current = ""
        if current and (role.answer or (role.own and cell.cell_type != "code")):
            found.setdefault(current, []).append(cell.source)
    return {id: _without_prompt("\n\n".join(texts)) for id, texts in found.items()}


def _without_prompt(text: str) -> str:
    return "" if text.strip().strip("*").strip() == ANSWER_PROMPT.strip("*") else text.strip()


def _code(notebook: list[Any]) -> set[str]:
    sources = {re.sub(r"\s+", " ", cell.source).strip() for cell in notebook if cell.cell_type == "code"}
    return sources - {""}


def _difference(old: str, new: str) -> list[str]:
    return list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]
