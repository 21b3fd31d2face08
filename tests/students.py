"""A student at work: one kernel in which the cells of a notebook are run, again and again, as a person runs them."""

import contextlib
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from lab_utils.course.release import with_values
from lab_utils.facts import RECORD_MIME

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SMALL = {"data_source": "embedded", "train_digits": 500, "epochs": 1, "student_id": "0012345"}


class Student:
    """One kernel, in which the cells of a notebook are run."""

    def __init__(self, name: str, folder: Path, **given) -> None:
        self.notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        self.cells = {cell.id: cell for cell in self.notebook.cells if cell.cell_type == "code"}
        self.given = SMALL | given
        self.set(**self.given)
        resources = {"metadata": {"path": str(folder)}}
        self.client = NotebookClient(self.notebook, kernel_name="python3", resources=resources, timeout=300)

    def set(self, **given) -> None:
        """Write values into the cell of parameters."""
        self.cells["parameters"].source = with_values(self.cells["parameters"].source, given)

    def replace(self, id: str, old: str, new: str) -> None:
        assert old in self.cells[id].source
        self.cells[id].source = self.cells[id].source.replace(old, new)

    def run(self, cell) -> list[dict]:
        """Run a cell and return what it shows."""
        self.client.execute_cell(cell, 0)
        return [output.get("data", {}) for output in cell.outputs]

    def run_all(self, twice: bool = False, but: tuple[str, ...] = ()) -> dict[str, list[dict]]:
        """Run all cells in order, each once or twice in place; what each shows must be the same both times.

        What the cells ``but`` show is not looked at: a widget has a new name each time.
        """
        shown = {}
        for id, cell in self.cells.items():
            shown[id] = self.run(cell)
            assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.outputs
            if twice:
                again = self.run(cell)
                assert id in but or again == shown[id], id
        return {id: outputs for id, outputs in shown.items() if id not in but}

    def run_only(self, *ids: str) -> dict[str, list[dict]]:
        """Run some cells, in order, in the kernel in which all have been run."""
        return {id: self.run(self.cells[id]) for id in ids}

    def ask(self, expression: str) -> str:
        """What an expression is in the kernel, as text."""
        return self.run(nbformat.v4.new_code_cell(expression))[0]["text/plain"]


@contextlib.contextmanager
def student(name: str, folder: Path, **given):
    """A student whose notebook is not open in the Jupyter from which the tests may be run."""
    at_work = Student(name, folder, **given)
    alone = {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}
    with at_work.client.setup_kernel(env=alone):
        yield at_work


def told_what(shown: dict, facts: int = 3, hypotheses: int = 3) -> None:
    """It says what it was run with, what it found, and that a subset of MNIST is no MNIST."""
    record = shown["record"][0][RECORD_MIME]
    assert record["settings"]["student_id"] == "0012345" and record["data"]["subset"] is True
    assert len(record["facts"]) >= facts and len(record["hypotheses"]) >= hypotheses
    assert "results are not full-MNIST results" in str(shown)


def same(first: dict, second: dict) -> bool:
    return first["record"][0][RECORD_MIME] == second["record"][0][RECORD_MIME] and first == second
