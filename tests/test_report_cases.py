"""Odd but honest hand-ins: the lab's own notebooks, as committed, with what students do to them."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from lab_utils.report import model
from lab_utils.running import check
from lab_utils.running.original import FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The three notebooks as they were committed: complete, of nobody, nothing answered."""
    for name in model.PARTS:
        shutil.copy(FOLDER / f"{name}.ipynb", tmp_path)
    return tmp_path


def edit(folder: Path, change, name: str = "01_pre_lab") -> Path:
    path = folder / f"{name}.ipynb"
    nb = nbformat.read(path, as_version=4)
    change(nb)
    nbformat.write(nb, path)
    return path


def run_cell(source: str, *outputs, count: int = 99):
    return new_code_cell(source, execution_count=count, outputs=list(outputs))


def shown(mime: str, content: str, **others: str):
    return new_output("display_data", data={mime: content} | others)


# ---- what a complete notebook is -----------------------------------------------------------------------------


def test_a_scratch_cell_after_the_record_does_no_harm(folder: Path) -> None:
    path = edit(folder, lambda nb: nb.cells.append(run_cell("1 + 1", shown("text/plain", "2"))))
    assert check.problems(path, notebook="01_pre_lab") == []
    assert check.read_record(check.read(path)).notebook == "01_pre_lab"


def lose_pictures(nb) -> None:
    for cell in nb.cells:
        cell.outputs = [o for o in cell.get("outputs", []) if "image/png" not in o.get("data", {})]
        if cell.cell_type != "code":
            del cell["outputs"]


@pytest.mark.parametrize("name", model.PARTS)
def test_a_run_without_figures_is_incomplete(folder: Path, name: str) -> None:
    path = folder / f"{name}.ipynb"
    assert check.problems(path, notebook=name) == []
    edit(folder, lose_pictures, name)
    assert any("figures are missing" in problem for problem in check.problems(path, notebook=name))


def test_a_bare_call_of_figures_must_show_one(folder: Path) -> None:
    path = edit(folder, lambda nb: nb.cells.insert(5, run_cell("figures.strips(codes, 'mine');")))
    assert "figures are missing (cell 6)" in check.problems(path, notebook="01_pre_lab")[0]
    edit(folder, lambda nb: nb.cells.__setitem__(5, run_cell("figure = figures.strips(codes, 'mine')")))
    assert check.problems(path, notebook="01_pre_lab") == []


def test_notebooks_of_older_editors_are_read(folder: Path) -> None:
    path = edit(folder, lambda nb: None)
    path.write_text(path.read_text(encoding="utf-8").replace('"nbformat_minor": 5', '"nbformat_minor": 4'), "utf-8")
    assert check.problems(path, notebook="01_pre_lab") == []
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert check.problems(path, notebook="01_pre_lab") == []
