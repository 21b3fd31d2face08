"""The notebooks from the outside: other parameters, bad parameters, no network, and a comparison that can fail."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def run(*command: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *command], env=os.environ | env, capture_output=True, text=True, timeout=300
    )


def first_cells(name: str, last: str, path: Path) -> nbformat.NotebookNode:
    """Write a copy of a notebook that ends with the cell of id ``last``."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    ids = [cell.id for cell in notebook.cells]
    notebook.cells = notebook.cells[: ids.index(last) + 1]
    nbformat.write(notebook, path)
    return notebook


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("-p", "epochs", "three"), "epochs = 'three' is not allowed"),
        (("-p", "student_id", "0012345"), "pass it by -r"),
    ],
)
def test_papermill_with_a_bad_parameter_fails_at_once_in_plain_words(given, said, tmp_path):
    started = time.monotonic()
    result = run("papermill", str(NOTEBOOKS / "02_in_lab.ipynb"), str(tmp_path / "x.ipynb"), *given)
    assert result.returncode != 0 and said in result.stderr
    assert "tensorflow" not in result.stderr.lower()
    assert time.monotonic() - started < 60


def test_without_network_npm_or_cache_it_says_what_it_used(tmp_path):
    first_cells("01_pre_lab", "data", tmp_path / "x.ipynb")
    empty = {"DAE_LAB_CACHE": str(tmp_path / "cache"), "DAE_LAB_OFFLINE": "1"}
    result = run("papermill", str(tmp_path / "x.ipynb"), str(tmp_path / "out.ipynb"), **empty)
    assert result.returncode == 0, result.stderr
    said = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1].outputs[0].data["text/markdown"]
    assert "Embedded subset of 5,000 MNIST digits" in said


def test_nbval_compares_numbers_and_verdicts(tmp_path):
    """The whole run compares the notebooks as they are; here a number that is printed, and a verdict, are others."""
    lab = nbformat.read(NOTEBOOKS / "02_in_lab.ipynb", as_version=4)
    model = next(cell for cell in lab.cells if cell.id == "program-model")
    assert "nbval-ignore-output" not in model.metadata.tags
    path = tmp_path / "x.ipynb"
    cells = [
        "from IPython.display import Markdown\nfrom lab_utils import facts\nclaims = facts.Facts()",
        f"print({model.outputs[0].text.strip()!r})",
        "fact = claims.add('gain', 'Denoising raises the PSNR', 9.5, '>=', 5, 'dB')",
        "Markdown(claims.verdict_table())",
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    papermill.execute_notebook(path, path, progress_bar=False, kernel_name="python3")
    command = ("pytest", "--nbval", str(path), "-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    assert run(*command).returncode == 0
    notebook = nbformat.read(path, as_version=4)
    printed, shown = notebook.cells[1].outputs[0], notebook.cells[-1].outputs[0].data
    printed.text = printed.text.replace("185,217", "185,218")
    shown["text/markdown"] = shown["text/markdown"].replace("| holds ", "| does not hold ")
    nbformat.write(notebook, path)
    result = run(*command)
    assert result.returncode == 1 and "185,218" in result.stdout and "2 failed, 2 passed" in result.stdout
