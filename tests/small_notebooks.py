"""Small real notebooks for the tests of the batch: papermill runs them as it runs the lab's own, without TensorFlow."""

from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils.manual import ANSWER_PROMPT
from lab_utils.running.environment import JOB_MARK
from lab_utils.running.limits import Limits
from lab_utils.running.runner import Outcome, run_notebook
from lab_utils.running.source import read_notebook
from lab_utils.settings import NOTEBOOKS, SERIES

PARAMETERS = """\
student_name = ""
student_id = ""
seed = 13
profile = "quick"
epochs = 3
"""
RECORD = """\
from lab_utils.facts import Facts, Record
from lab_utils.settings import check

facts = globals().get("claims") or Facts()
facts.add("epochs-are-few", "The epochs are few", epochs, "<=", 4)
given = dict(student_name=student_name, student_id=student_id, seed=seed, profile=profile, epochs=epochs)
digits = globals().get("digits") or {{"source": "none", "subset": True, "counts": {{}}}}
Record(check({name!r}, given), digits, facts, globals().get("hypotheses"))
"""


def make_notebook(path: Path, body: str = "sum(range(10))", *, record: bool = True) -> Path:
    """Write one notebook named as the lab's are: parameters, a body, an answer cell, the record."""
    name = path.stem if path.stem in NOTEBOOKS else "01_pre_lab"
    cells = [
        new_markdown_cell(f"# Experiment 13: {path.stem}", id="title"),
        new_code_cell(PARAMETERS, id="parameters", metadata={"tags": ["parameters"]}),
        new_markdown_cell("Why?", id="question", metadata={"tags": ["question"]}),
        new_markdown_cell(ANSWER_PROMPT, id="answer", metadata={"tags": ["answer"], "answer": f"{name[3:]}-1"}),
        new_code_cell(body, id="body"),
    ]
    if record:
        cells.append(new_code_cell(RECORD.format(name=name), id="record"))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


def make_series(folder: Path, **bodies: str) -> Path:
    """Write the three notebooks; ``pre``, ``lab`` and ``post`` give their bodies."""
    for name, key in zip(SERIES, ("pre", "lab", "post"), strict=True):
        make_notebook(folder / f"{name}.ipynb", bodies.get(key, "sum(range(10))"))
    return folder


def run_small(path: Path, parameters: dict[str, object] | None = None, **limits) -> Outcome:
    """Run a notebook from its file; ``limits`` are those of ``Limits``."""
    options = {name: limits.pop(name) for name in ("on_progress", "fresh", "earlier") if name in limits}
    name = path.stem if path.stem in NOTEBOOKS else "01_pre_lab"
    return run_notebook(read_notebook(path), name, parameters or {}, Limits(**limits), **options)


def job_processes(ancestor: int) -> list[psutil.Process]:
    """Notebook processes below a process: children, and kernels in sessions of their own."""
    return [process for process in psutil.Process(ancestor).children(recursive=True) if _has_mark(process)]


def _has_mark(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and JOB_MARK in process.environ()
    except psutil.NoSuchProcess:
        return False
