"""Execute a committed notebook with its defaults and write it back so that only real changes show in a diff."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from lab_utils.files import replaced
from lab_utils.readings import checklist
from lab_utils.running import execution
from lab_utils.running.limits import Limits
from lab_utils.running.runner import Outcome, run_notebook
from lab_utils.running.source import read_notebook

REFRESH_MINUTES = 20
PICTURE = "denoised"
"""Id of the cell whose figure the README shows."""
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""All of a notebook's metadata: the version of the Python that ran it would differ in every diff."""
CELL_METADATA = {"tags", "answer", "editable", "deletable", "jupyter"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def refresh(path: Path, limits: Limits, on_progress: Any = None) -> Outcome:
    """Re-execute a notebook in place; one that does not complete stays as it was.

    Parameters
    ----------
    path : Path
        One of the lab's notebooks.
    limits : Limits
        Of threads, minutes and memory.
    on_progress : callable, optional
        As in ``run_notebook``.
    """
    limits = replace(limits, minutes=limits.minutes or REFRESH_MINUTES)
    outcome = run_notebook(read_notebook(path), path.stem, {}, limits, fresh=True, on_progress=on_progress)
    if outcome.status == "complete":
        notebook = clean(outcome.notebook)
        told = {"code": execution.code_of(notebook), checklist.CELLS: checklist.cell_digests(notebook.cells)}
        notebook.metadata[execution.EXECUTION] = told
        with replaced(path) as part:
            nbformat.write(notebook, part)
        _save_picture(notebook, path.with_name(f"{PICTURE}.png"))
    return outcome


def _save_picture(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Keep the figure of the cell ``PICTURE``, if the notebook has it, for the README."""
    for cell in notebook.cells:
        if cell.id == PICTURE:
            images = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
            with replaced(path) as part:
                Path(part).write_bytes(base64.b64decode(images[0]))


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without what changes from run to run: timestamps, stderr, widget state, versions.

    Outputs and the ids of the cells stay; execution counts become 1, 2, 3, ....
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    count = 0
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in CELL_METADATA and value != []}
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count if cell.source.strip() else None
            cell.outputs = [_clean_output(output, count) for output in cell.outputs if _is_kept(output)]
    return notebook


def _is_kept(output: nbformat.NotebookNode) -> bool:
    return output.get("name") != "stderr" and WIDGET not in output.get("data", {})


def _clean_output(output: nbformat.NotebookNode, count: int) -> nbformat.NotebookNode:
    if output.output_type == "execute_result":
        output.execution_count = count
    return output
