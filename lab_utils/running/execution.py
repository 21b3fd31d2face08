"""What an executed notebook depends on, and how one that was executed before serves again."""

import ast
import hashlib
import json
from contextlib import suppress
from typing import Any

import nbformat

from lab_utils import cache
from lab_utils.errors import LabError

EXECUTION = "dae_lab"
"""Where a notebook's metadata tell the key of its execution and the seconds that it took."""


def execution_key(notebook: nbformat.NotebookNode, parameters: dict[str, Any]) -> str:
    """The key of a notebook's outputs: its code, its parameters, the images, and the code that it imports.

    What is written around the code, a student's answers above all, does not count. The code of this package is read
    afresh: a process that lives for days must notice an update.

    Parameters
    ----------
    notebook : NotebookNode
    parameters : dict
    """
    digits = others = None
    if "lab_utils.data" in _modules(notebook, cache.read_sources()):
        from lab_utils import data

        given = declared(notebook) | parameters
        with suppress(LabError):  # the notebook itself says what is wrong with a source
            digits = data.checksum(str(given.get("data_source") or "auto"))
            others = cache.array_digest(data.read_images(path)) if (path := given.get("other_images")) else None
    return cache.key("lab_utils.running.kernel", [code_of(notebook), parameters, digits, others])


def code_of(notebook: nbformat.NotebookNode) -> str:
    """SHA-256 (hex) of the code that a notebook runs: its cells, and what they import of this package."""
    sources = cache.read_sources()
    code = cache.code_digest(_modules(notebook, sources), sources)
    return hashlib.sha256(json.dumps([_code_cells(notebook), code]).encode()).hexdigest()


def _code_cells(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def _modules(notebook: nbformat.NotebookNode, sources: dict[str, bytes]) -> set[str]:
    return {name for cell in _code_cells(notebook) for name in cache.imported_modules(cell, sources)}


def declared(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """The plain values in the cell of parameters, and in the one that papermill has put behind it."""
    wanted = {"parameters", "injected-parameters"}
    values = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and wanted & set(cell.metadata.get("tags", [])):
            values |= _plain_values(cell.source)
    return values


def _plain_values(source: str) -> dict[str, Any]:
    values = {}
    for line in ast.parse(source).body:
        if isinstance(line, ast.Assign):
            with suppress(ValueError, TypeError, MemoryError, RecursionError):  # a computed value is none
                value = ast.literal_eval(line.value)
                values |= {target.id: value for target in line.targets if isinstance(target, ast.Name)}
    return values


def stamp(executed: nbformat.NotebookNode, key: str, seconds: float) -> None:
    """Note in an executed notebook what it was made from, how long that took, and a digest of what each cell shows."""
    shown = {cell.id: shown_by(cell) for cell in executed.cells if cell.cell_type == "code" and cell.outputs}
    executed.metadata[EXECUTION] = {"key": key, "seconds": round(seconds, 1), "shown": shown}


def unstamped(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook without what an earlier run of it noted."""
    metadata = {name: value for name, value in notebook.metadata.items() if name != EXECUTION}
    return nbformat.from_dict({**notebook, "metadata": metadata})


def shown_by(cell: nbformat.NotebookNode) -> str:
    """SHA-256 (hex) of what a code cell put out, as it stands in the notebook."""
    told = [[output.get(part) for part in ("data", "text", "metadata")] for output in cell.outputs]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def changed_since(executed: nbformat.NotebookNode) -> list[str] | None:
    """Ids of the cells that no longer show what they put out when they were run; None where nothing tells.

    This finds an output that was edited. It is no proof: who changes the noted digest too is not found out, but by
    running the notebook again.
    """
    told = executed.metadata.get(EXECUTION)
    shown = told.get("shown") if isinstance(told, dict) else None
    if not isinstance(shown, dict):
        return None
    now = {cell.id: shown_by(cell) for cell in executed.cells if cell.cell_type == "code"}
    return [name for name, digest in shown.items() if name in now and now[name] != digest]


def seconds_of(executed: nbformat.NotebookNode) -> float:
    """The seconds that the execution took; 0 where nothing tells."""
    told = executed.metadata.get(EXECUTION)
    seconds = told.get("seconds") if isinstance(told, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def key_of(executed: nbformat.NotebookNode) -> str | None:
    """The key that `stamp` noted, or None."""
    told = executed.metadata.get(EXECUTION)
    return told.get("key") if isinstance(told, dict) else None


def with_text_of(executed: nbformat.NotebookNode, source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An executed notebook with the text, the answers and the attachments of its source as they are now.

    Parameters
    ----------
    executed : NotebookNode
        Made from a notebook with the same code cells.
    source : NotebookNode
    """
    merged = nbformat.from_dict(json.loads(json.dumps(executed)))
    ran = [cell for cell in merged.cells if cell.cell_type == "code"]
    cells = []
    for cell in source.cells:
        if cell.cell_type != "code":
            cells.append(cell)
            continue
        while ran and ran[0].source != cell.source:  # the cell of parameters that papermill put in
            cells.append(ran.pop(0))
        cells.append(ran.pop(0))
    merged.cells = cells + ran
    return merged
