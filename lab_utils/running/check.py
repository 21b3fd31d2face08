"""Is an executed notebook complete, and whose is it?  Only its content proves it.

After a timeout or a dead kernel papermill still saves a notebook whose metadata say "completed".
"""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat.validator import normalize
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import lab_utils
from lab_utils.facts import RECORD_MIME
from lab_utils.running.execution import changed_since
from lab_utils.running.original import original
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
    """One of the manual's statements, put to the test: a row of ``verdicts.hypotheses.judge``, which says more."""

    statement: str
    also: list[str] = []
    test: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    threshold: float | None = None
    reason: str = ""
    fixed: str = ""
    seeds: int | None = None
    note: str = ""
    p: float | None = None
    holm: str = ""
    published: str = ""


class Record(BaseModel):
    """The bundle that a complete notebook puts out at its end (``facts.Record``)."""

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
    found = _unfinished(nb) + _without_picture(nb, notebook) + _edited(nb)
    try:
        record = read_record(nb)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors()[:3])
        return [f"{name}: {p}" for p in [*found, f"its record is not valid ({where})."]]
    if record is None:
        return [f"{name}: {p}" for p in [*found, "it holds no record: it did not run to the end."]]
    return [f"{name}: {p}" for p in found + _foreign(record, notebook, expected or {})]


def read(path: Path | str) -> nbformat.NotebookNode:
    """The notebook of a file, converted to nbformat 4 and validated; missing and double ids of cells are repaired."""
    nb = nbformat.reads(Path(path).read_text(encoding="utf-8-sig"), as_version=4)
    _, nb = normalize(nb, relax_add_props=True, strip_invalid_metadata=True)
    nbformat.validate(nb, relax_add_props=True)
    return nb


def read_record(nb: nbformat.NotebookNode) -> Record | None:
    """The record of the last cell that has one, or None; what a student tries out below it does no harm.

    Raises
    ------
    pydantic.ValidationError
        The record lacks a field or has one of the wrong type.
    """
    outputs = [output for _, cell in _code_cells(nb) for output in cell.outputs]
    bundles = [output.data[RECORD_MIME] for output in outputs if RECORD_MIME in output.get("data", {})]
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


def _edited(nb: nbformat.NotebookNode) -> list[str]:
    """Cells whose outputs were changed after the run."""
    places = {cell.get("id"): place for place, cell in enumerate(nb.cells, start=1)}
    named = [f"{places[name]} ({name})" for name in changed_since(nb) or []]
    return [f"what it shows is not what was put out when it ran (cell {', '.join(named[:5])})."] if named else []


def _without_picture(nb: nbformat.NotebookNode, notebook: str) -> list[str]:
    """Cells that ran and should show a picture, but do not: matplotlib drew into another backend than the notebook's.

    A cell should show one if it is the lab's own, unchanged, and shows one there, or if it ends in a bare call of
    ``figures``.
    """
    drawn = {cell.id: cell.source.strip() for cell in original(notebook) if _has_picture(cell)}
    lost = [
        str(i)
        for i, cell in _code_cells(nb)
        if cell.execution_count is not None
        and not _has_picture(cell)
        and (drawn.get(cell.get("id")) == cell.source.strip() or _ends_in_a_figure(cell.source))
    ]
    return [f"figures are missing (cell {', '.join(lost[:5])}): unset MPLBACKEND."] if lost else []


def _has_picture(cell: nbformat.NotebookNode) -> bool:
    return any(mime.startswith("image/") for output in cell.get("outputs", []) for mime in output.get("data", {}))


def _ends_in_a_figure(source: str) -> bool:
    """Whether the last statement is a bare call such as ``figures.bars(...)``; ``use_style`` draws nothing."""
    try:
        last = ast.parse(source).body[-1]
    except (SyntaxError, ValueError, IndexError):
        return False
    call = last.value.func if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) else None
    of_figures = isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "figures"
    return of_figures and call.attr != "use_style"


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
