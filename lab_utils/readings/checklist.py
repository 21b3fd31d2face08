"""What is missing before a notebook is handed in, as far as the notebook itself can tell.

It reads one file, the notebook that is open in Jupyter, from the notebook's own folder. Where nobody has it open, as in
a run of ``dae-lab``, it reads none: answers may be written after the run, and ``dae-lab submit`` looks at them.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from IPython import get_ipython
from IPython.display import Markdown

from lab_utils import facts
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.places import masked_storage
from lab_utils.settings import NOTEBOOKS, Settings, check

CELLS = "cells"
"""Where ``metadata["dae_lab"]`` of a notebook of the lab says what its cells were."""
IDENTITY = ("student_name", "student_id", "date")
COMMAND = "dae-lab submit"


class State(NamedTuple):
    """What the saved notebook holds; ids of cells, and of answers."""

    answered: list[str]
    unanswered: list[str]
    not_run: list[str]
    changed: list[str] | None
    """None where the notebook does not say what the lab's code was."""


def before_hand_in(lab: Settings) -> Markdown:
    """Name, ID, answers, cells not run, changed parameters and code, and the command that hands in.

    Parameters
    ----------
    lab : Settings
        The parameters, as they were read.
    """
    name = next(name for name, model in NOTEBOOKS.items() if type(lab) is model)
    missing = "**missing**: put it into the cell of parameters"
    rows = [
        ("Name", facts.literal(lab.student_name) or missing),
        ("ID", facts.literal(lab.student_id) or missing),
        ("Changed parameters", changed_parameters(lab, name) or "none"),
    ]
    path = open_notebook()
    notebook = _read(path)
    rows += _state_rows(state(notebook, _ran())) if notebook else []
    table = facts.table(rows, ["before you hand in", ""], disable_numparse=True)
    return Markdown(f"{table}\n\n{_age(path) if notebook else _not_open()}\n\n{_command(lab)}")


def open_notebook() -> Path | None:
    """The file of the notebook that is open in Jupyter or VS Code, in the folder it runs in; None elsewhere."""
    shell = get_ipython()
    told = shell.user_ns.get("__vsc_ipynb_file__") if shell else None
    told = told or os.environ.get("JPY_SESSION_NAME")
    path = Path.cwd() / Path(str(told)).name if told else None
    return path if path and path.suffix == ".ipynb" and path.is_file() else None


def state(notebook: nbformat.NotebookNode, ran: Iterable[str]) -> State:
    """What is done in a saved notebook.

    Parameters
    ----------
    notebook : NotebookNode
    ran : iterable of str
        Source of every cell that was run in this kernel.
    """
    known = notebook.metadata.get("dae_lab", {}).get(CELLS, {})
    ran = {_tidy(source) for source in ran}
    written, last = {}, ""
    for cell in notebook.cells:
        answer = cell.metadata.get("answer", "") if "answer" in _tags(cell) else ""
        own = bool(known) and cell.get("id") not in known and cell.cell_type == "markdown"
        last = answer or (last if own else "")
        if last:
            written[last] = written.get(last, "") + cell.source.replace(ANSWER_PROMPT, "").strip()
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return State(
        [answer for answer, text in written.items() if text],
        [answer for answer, text in written.items() if not text],
        [cell.get("id", "") for cell in code if _tidy(cell.source) not in ran],
        _changed(code, known) if known else None,
    )


def cell_digests(cells: Iterable[Any]) -> dict[str, str]:
    """A short digest of each cell's code by its id; empty for text, and for the parameters, which are to be changed."""
    fixed = {cell.id: cell.cell_type == "code" and "parameters" not in _tags(cell) for cell in cells}
    return {cell.id: _digest(cell.source) if fixed[cell.id] else "" for cell in cells}


def changed_parameters(lab: Settings, name: str) -> str:
    """Parameters that are not as the notebook has them by default, as "epochs 10, seed 7"; no name, ID or date."""
    usual = check(name, {}).model_dump() | check(name, {"profile": lab.profile}).model_dump()
    given = lab.model_dump() | {"storage": masked_storage(getattr(lab, "storage", ""))}
    usual["profile"] = "quick"
    changed = {key: given[key] for key in usual if key not in IDENTITY and given[key] != usual[key]}
    return ", ".join(f"{key.replace('_', ' ')} {facts.literal(str(value))}" for key, value in changed.items())


def _state_rows(found: State) -> list[tuple[str, str]]:
    total = len(found.answered) + len(found.unanswered)
    missing = f" (missing: {_listed(found.unanswered)})" if found.unanswered else ""
    rows = [
        ("Answers", f"{len(found.answered)} of {total}{missing}"),
        ("Cells not run since the kernel started", _listed(found.not_run)),
    ]
    return rows if found.changed is None else [*rows, ("Changed code of the lab", _listed(found.changed))]


def _changed(code: list[Any], known: Mapping[str, str]) -> list[str]:
    there = {cell.get("id"): cell.source for cell in code}
    return [id for id, digest in known.items() if digest and _digest(there.get(id, "")) != digest]


def _listed(names: list[str]) -> str:
    return ", ".join(facts.literal(name) for name in names) or "none"


def _age(path: Path) -> str:
    saved = time.strftime("%H:%M:%S", time.localtime(path.stat().st_mtime))
    return (
        f"Answers and code are those of the *saved* file, {facts.literal(path.name)}, of {saved}, which may be older "
        "than the screen: save, then run this cell again."
    )


def _not_open() -> str:
    return "Answers, cells and code are listed here where this notebook is open in Jupyter."


def _command(lab: Settings) -> str:
    name = "" if lab.student_name and lab.student_id else " once name and ID are filled in"
    return f"To hand in{name}, save all three notebooks, and run in a terminal, in their folder: `{COMMAND}`"


def _ran() -> list[str]:
    shell = get_ipython()
    return list(shell.history_manager.input_hist_raw) if shell else []


def _read(path: Path | None) -> nbformat.NotebookNode | None:
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4) if path else None
    except (OSError, ValueError, AttributeError, nbformat.ValidationError):
        return None


def _tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def _tidy(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def _digest(source: str) -> str:
    return hashlib.sha256(_tidy(source).encode()).hexdigest()[:12]
