"""Is an executed notebook complete, and whose is it?  Only its content proves it.

After a timeout or a dead kernel papermill still saves a notebook whose metadata say "completed".
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import lab_utils
from lab_utils.facts import RECORD_MIME
from lab_utils.text import visible


class Verdict(BaseModel):
    """A fact or a hypothesis of the record; other fields are kept as they are."""

    model_config = ConfigDict(extra="allow")

    id: str
    verdict: str


class FactRow(Verdict):
    """One row of ``facts.Facts.rows``."""

    claim: str
    measured: float | None
    relation: str
    threshold: float | None
    unit: str = ""


class HypothesisRow(Verdict):
    """One of the manual's statements, put to the test."""

    statement: str
    test: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""


class Record(BaseModel):
    """The bundle that the last code cell of a complete notebook puts out (``facts.Record``)."""

    layout: int = Field(alias="schema", ge=1, le=1)
    notebook: str
    version: str
    settings: dict[str, Any]
    data: dict[str, Any]
    facts: list[FactRow]
    hypotheses: list[HypothesisRow] = []
    minutes: float | None = None


def problems(path: Path | str, *, notebook: str, expected: Mapping[str, Any] | None = None) -> list[str]:
    """What keeps an executed notebook from being complete, or from being this student's.

    Parameters
    ----------
    path : path of the executed notebook.
    notebook : str
        Which one it must be: "01_pre_lab", "02_in_lab" or "03_post_lab".
    expected : mapping, optional
        Parameters that its record must hold, such as ``{"student_id": "0012345", "seed": 7}``.

    Returns
    -------
    list of str
        One sentence each; empty for a complete notebook of this student and this version of ``lab_utils``.
    """
    name = Path(path).name
    try:
        nb = read(path)
    except FileNotFoundError:
        return [f"{name}: not there."]
    except Exception as error:  # nbformat raises many kinds; any of them means the same to the reader
        return [f"{name}: not a notebook that can be read ({type(error).__name__})."]
    found = _unfinished(nb)
    try:
        record = read_record(nb)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors()[:3])
        return [f"{name}: {p}" for p in [*found, f"its record is not valid ({where})."]]
    if record is None:
        return [f"{name}: {p}" for p in [*found, "its last code cell holds no record: it did not run to the end."]]
    return [f"{name}: {p}" for p in found + _foreign(record, notebook, expected or {})]


def read(path: Path | str) -> nbformat.NotebookNode:
    """The notebook of a file, converted to nbformat 4 and validated."""
    nb = nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4)
    nbformat.validate(nb)
    return nb


def read_record(nb: nbformat.NotebookNode) -> Record | None:
    """The record in the last non-empty code cell, or None.

    Raises
    ------
    pydantic.ValidationError
        The record lacks a field or has one of the wrong type.
    """
    code = _code_cells(nb)
    bundles = [o.data[RECORD_MIME] for o in code[-1][1].outputs if RECORD_MIME in o.get("data", {})] if code else []
    if not bundles:
        return None
    content = json.loads(bundles[-1]) if isinstance(bundles[-1], str) else bundles[-1]
    return Record.model_validate(content)


def _code_cells(nb: nbformat.NotebookNode) -> list[tuple[int, nbformat.NotebookNode]]:
    cells = enumerate(nb.cells, start=1)
    return [(i, cell) for i, cell in cells if cell.cell_type == "code" and cell.source.strip()]


def _unfinished(nb: nbformat.NotebookNode) -> list[str]:
    code = _code_cells(nb)
    not_run = [str(i) for i, cell in code if cell.execution_count is None]
    errors = [(i, o) for i, cell in code for o in cell.outputs if o.output_type == "error"]
    found = [visible(f"cell {i} stopped with {o.ename}: {o.evalue[:200]}") for i, o in errors]
    if not code:
        found.append("it has no code cell.")
    if not_run:
        found.append(f"{len(not_run)} of {len(code)} code cells never ran (cell {', '.join(not_run[:5])}).")
    return found


def _foreign(record: Record, notebook: str, expected: Mapping[str, Any]) -> list[str]:
    found = []
    if record.notebook != notebook:
        found.append(f"it is {record.notebook!r}, not {notebook!r}.")
    if record.version != lab_utils.__version__:
        found.append(f"it was made by lab_utils {record.version}, and this is {lab_utils.__version__}.")
    for parameter, value in expected.items():
        has = record.settings.get(parameter)
        if has != value or type(has) is not type(value):
            found.append(f"its {parameter} is {has!r}, not {value!r}.")
    return found
