"""The students' version of the notebooks, and the instructor's page of model answers beside it."""

import ast
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell

from lab_utils import files, manual
from lab_utils.course.names import folder_name
from lab_utils.course.roster import read_roster
from lab_utils.course.rubric import read_rubric
from lab_utils.errors import LabError
from lab_utils.readings import checklist
from lab_utils.running.execution import EXECUTION, unstamped
from lab_utils.running.source import find_notebooks, read_notebook, without_answers

Notebook = nbformat.NotebookNode

NBGRADER = {"schema_version": 3, "grade": True, "solution": True, "locked": False, "task": False}
"""What nbgrader calls a manually graded answer; its schema 3 is that of nbgrader 0.6 and later."""
BLUE = '<div style="border-left: 6px solid #1f77b4; background: #1f77b422; padding: 4px 10px">{}</div>'
BEGIN = "{whose} Write your answers into the cells below the blue lines."
END = """\
Done? Save all notebooks, and run <code>dae-lab submit</code> in their folder: it says what is missing, and makes the
one file to hand in."""
FOR_ALL = "Before anything else put <b>your name and your ID</b> into the cell of parameters below."
FOR_ONE = "Made for <b>{}</b> ({}), with parameters of their own: try others, but hand in a run with these."
BOX = "Your answer, in the cell below ({:g} points)"


def release(
    out: Path, notebooks: Path, *, roster: Path | None = None, rubric: Path | None = None
) -> tuple[list[Path], list[Path | None]]:
    """Write the students' notebooks, one series for all or one for each of a roster, and ``instructor.md``.

    Parameters
    ----------
    out : Path
        Gets ``students`` (to hand out) and ``instructor.md`` (to keep).
    notebooks : Path
        Folder of the lab's notebooks, which stay as they are.
    roster : Path, optional
        Each of its students gets a folder, with their name, ID, seed and parameters filled in.
    rubric : Path, optional
        The points of each answer; by default the lab's own.

    Returns
    -------
    list of Path, list of (Path or None)
        What was written, and where files are now found that a person had changed.

    Raises
    ------
    LabError
        Before anything is written: notebooks, a roster or a rubric that cannot be used.
    """
    sources = {name: read_notebook(path) for name, path in find_notebooks(notebooks).items()}
    points = read_rubric(rubric, [id for source in sources.values() for id in answer_ids(source)])
    students = read_roster(roster, list(sources)) if roster else []
    made = {out / "instructor.md": _instructors(sources, points).encode()}
    for student in students:
        whose = FOR_ONE.format(escape(student.name), escape(student.student_id))
        folder = out / "students" / folder_name(student.student_id)
        for name, source in sources.items():
            own = blank(source, points, whose, student.parameters[name])
            made[folder / f"{name}.ipynb"] = nbformat.writes(own).encode()
    for name, source in sources.items() if not students else ():
        made[out / "students" / f"{name}.ipynb"] = nbformat.writes(blank(source, points, FOR_ALL, {})).encode()
    return list(made), [files.put(path, content) for path, content in made.items()]


def blank(source: Notebook, points: Mapping[str, float], whose: str, parameters: Mapping[str, Any]) -> Notebook:
    """A notebook as a student gets it: no answers, no model answers, no outputs; nbgrader's metadata on each box."""
    notebook, _ = without_answers(unstamped(source))
    cells, notebook.cells = notebook.cells, []
    for cell in cells:
        if "model-answer" in _tags(cell):
            continue
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "parameters" in _tags(cell):
            cell.source = with_values(cell.source, parameters)
        if "answer" in _tags(cell):
            id = cell.metadata["answer"]
            cell.metadata["nbgrader"] = NBGRADER | {"grade_id": id, "points": points[id], "cell_type": cell.cell_type}
            notebook.cells.append(_told(BOX.format(points[id]), f"{id}-box"))
        notebook.cells.append(cell)
    notebook.cells.insert(1, _told(BEGIN.format(whose=whose), "begin"))
    notebook.cells.append(_told(END, "end"))
    notebook.metadata[EXECUTION] = {checklist.CELLS: checklist.cell_digests(notebook.cells)}
    return notebook


def _told(html: str, id: str) -> Notebook:
    """A cell in colour; the report leaves it out. JupyterLab gives no colour to a cell by its tags."""
    return new_markdown_cell(BLUE.format(html), id=id, metadata={"tags": ["report-skip"]})


def with_values(source: str, values: Mapping[str, Any]) -> str:
    """The source of a cell of parameters with other values; its comments stay.

    Raises
    ------
    LabError
        A value of more than one line, which cannot be replaced in place.
    """
    lines = source.encode().splitlines(keepends=True)  # ast counts columns in bytes
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(target, ast.Name) or target.id not in values:
            continue
        place = node.value
        if place.end_lineno != place.lineno:
            raise LabError(f"{target.id} takes several lines.", "one parameter a line", "Join them.")
        line = lines[place.lineno - 1]
        new = repr(values[target.id]).encode()
        lines[place.lineno - 1] = line[: place.col_offset] + new + line[place.end_col_offset :]
    return b"".join(lines).decode()


def answer_ids(notebook: Notebook) -> list[str]:
    """Ids of the answers that a notebook asks for, in order."""
    return [cell.metadata["answer"] for cell in notebook.cells if "answer" in _tags(cell)]


def model_answers(notebook: Notebook) -> dict[str, str]:
    """The model answers by the id of the answer that each stands behind; a cell may hold those of the last few."""
    found: dict[str, str] = {}
    answers: list[str] = []
    for cell in notebook.cells:
        answers += [cell.metadata["answer"]] if "answer" in _tags(cell) else []
        if "model-answer" in _tags(cell):
            texts = manual.model_answers(cell.source)
            found |= dict(zip(answers[-len(texts) :], texts, strict=False))
    return found


def questions(notebook: Notebook) -> dict[str, str]:
    """The questions by the id of the answer that follows each."""
    found: dict[str, str] = {}
    asked = ""
    for cell in notebook.cells:
        asked = cell.source if "question" in _tags(cell) else asked
        if "answer" in _tags(cell):
            found[cell.metadata["answer"]] = asked
    return found


def _instructors(sources: Mapping[str, Notebook], points: Mapping[str, float]) -> str:
    models = {id: text for source in sources.values() for id, text in model_answers(source).items()}
    asked = {id: text for source in sources.values() for id, text in questions(source).items()}
    lines = ["# For instructors: questions, points and model answers", "", f"{sum(points.values()):g} points in all."]
    for id, worth in points.items():
        question = manual.QUESTIONS.get(id) or _without_heading(asked[id].splitlines())
        model = models.get(id, "*No model answer: it rests on the numbers of the student's own run.*")
        lines += ["", f"## {id} ({worth:g} points)", "", question, "", *(f"> {line}" for line in model.splitlines())]
    return "\n".join(lines) + "\n"


def _without_heading(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if not line.startswith("#")).strip()


def _tags(cell: Notebook) -> list[str]:
    return cell.metadata.get("tags", [])
