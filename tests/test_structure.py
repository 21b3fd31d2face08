"""The house keeps its plan: floors, lint, one truth for dependencies, notebooks that follow the conventions."""

import ast
import importlib.metadata
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

from lab_utils import manual, settings
from lab_utils.running import execution

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120)


def package(requirement: str) -> str:
    return re.split(r"[><=\[; ]", requirement)[0].lower()


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "ruff", "check", "."],
        ["-m", "ruff", "format", "--check", "."],
        ["-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    ],
    ids=["lint", "format", "floors"],
)
def test_tools_are_content(command):
    result = run(*command)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "module", ["lab_utils", *(f"lab_utils.{room}" for room in ("cli", "course", "report", "running", "settings"))]
)
def test_upper_floors_start_without_tensorflow(module):
    result = run("-c", f"import {module}, sys; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)")
    assert result.returncode == 0, result.stderr


def test_the_conda_door_leads_to_the_same_environment():
    text = (ROOT / "environment.yml").read_text()
    conda = yaml.safe_load(text)["dependencies"]
    assert sorted(re.findall(r"[><=]+[\d.]+", conda[0])) == sorted(PROJECT["requires-python"].split(","))
    assert conda[2]["pip"] == ["-c requirements.lock", "-e .[test,dask]"]
    asked = PROJECT["dependencies"] + [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    explained = set()
    for line in re.findall(r"^#   (\S.*?)  +\S", text, flags=re.MULTILINE):
        explained |= set(line.split(", "))
    assert explained == {package(requirement) for requirement in asked}


def test_every_package_that_is_imported_is_asked_for():
    asked = PROJECT["dependencies"] + [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    wanted = {package(requirement).replace("_", "-") for requirement in asked} | {"dae-lab", "pip"}
    owners = importlib.metadata.packages_distributions()
    for path in [*ROOT.glob("lab_utils/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names}:
                distributions = {owner.lower().replace("_", "-") for owner in owners.get(name, [])}
                assert not distributions or distributions & wanted, f"{path.name} imports {name}"


def test_the_lock_pins_every_dependency_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE))
    asked = PROJECT["dependencies"] + [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    assert {package(requirement) for requirement in asked} <= pinned
    assert "://" not in lock and "index" not in lock


def has(cell: nbformat.NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def lines_of(cell: nbformat.NotebookNode) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def defines_a_model(cell: nbformat.NotebookNode) -> bool:
    """The one cell that may be long: the layers of a network stand together."""
    return "layers." in cell.source and "keras" in cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestTextbook:
    """What makes a notebook read like a textbook, as far as it can be counted."""

    def test_its_cells_are_short(self, path):
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code" and not has(cell, "parameters")]
        sizes = [len(lines_of(cell)) for cell in code]
        assert statistics.median(sizes) <= 5
        assert all(size <= 12 or defines_a_model(cell) for size, cell in zip(sizes, code, strict=True))
        assert max(len(line) for cell in code for line in lines_of(cell)) <= 100
        words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
        assert words >= 8 * sum(sizes)
        figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
        assert figures >= sum(sizes) / 15

    def test_it_only_names_what_the_lab_does(self, path):
        """No function, no formatting of tables, no loop in a loop: these live in the lab, and are tested."""
        functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        loops = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                nodes = list(ast.walk(ast.parse(cell.source)))
                assert not any(isinstance(node, functions) for node in nodes), cell.id
                inner = [part for node in nodes if isinstance(node, loops) for part in ast.walk(node) if part != node]
                assert not any(isinstance(node, loops) for node in inner), cell.id
                joins = [node for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr)]
                assert len(joins) <= (path.stem == "04_beyond"), cell.id
                assert not any(isinstance(node, ast.JoinedStr) and "|" in ast.unparse(node) for node in nodes), cell.id

    def test_no_result_takes_the_name_of_a_parameter(self, path):
        """Else a cell that reads the parameters could not be run again."""
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and not has(cell, "parameters"):
                stored = {node.id for node in ast.walk(ast.parse(cell.source)) if _is_stored(node)}
                assert not (stored & set(settings.NOTEBOOKS[path.stem].model_fields)), cell.id

    def test_a_question_and_a_prediction_stand_before_a_result(self, path):
        cells = nbformat.read(path, as_version=4).cells
        places = [place for place, cell in enumerate(cells) if has(cell, "prediction")]
        assert len(places) >= 5
        for place in places:
            assert cells[place].source == manual.PREDICTION_PROMPT
            assert "**Question.**" in cells[place - 1].source and cells[place + 1].cell_type == "code"

    def test_every_work_that_is_linked_is_listed(self, path):
        texts = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
        (listed,) = [text for text in texts if text.startswith("### Works cited")]
        links = re.compile(r"\]\((https://[^\s]+?)\)(?=[\s,.;:)]|$)")
        assert {link for text in texts if text != listed for link in links.findall(text)} == set(links.findall(listed))

    def test_the_last_cell_says_what_is_missing(self, path):
        last = nbformat.read(path, as_version=4).cells[-1]
        assert last.source == "checklist.before_hand_in(lab)" or path.stem not in settings.SERIES
        assert last.id == "checklist" or path.stem not in settings.SERIES


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_is_clean(self, path):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        for cell in code:
            assert not any(out.output_type == "error" or out.get("name") == "stderr" for out in cell.outputs)
            assert not set(cell.metadata) - {"tags"}
        assert not {"papermill", "widgets"} & set(notebook.metadata)

    def test_is_no_older_than_the_code(self, path):
        notebook = nbformat.read(path, as_version=4)
        assert notebook.metadata["dae_lab"]["code"] == execution.code_of(notebook), "make refresh"

    def test_parameters_are_the_settings(self, path):
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        assert len(cells) == 1
        names = [line.split(" = ")[0] for line in cells[0].source.splitlines()]
        assert names == list(settings.NOTEBOOKS[path.stem].model_fields)
        assert all("  # " in line for line in cells[0].source.splitlines())
        namespace = {}
        exec(cells[0].source, namespace)
        given = {name: namespace[name] for name in names}
        assert settings.check(path.stem, given) == settings.check(path.stem, {})

    def test_answers_wait_for_the_student(self, path):
        cells = nbformat.read(path, as_version=4).cells
        answers = [cell for cell in cells if "answer" in cell.metadata.get("tags", [])]
        assert answers or path.stem not in settings.SERIES
        assert all(cell.source == manual.ANSWER_PROMPT and cell.metadata["answer"] for cell in answers)

    def test_compares_its_verdicts(self, path):
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        compared = [cell for cell in code if "nbval-ignore-output" not in cell.metadata.get("tags", [])]
        shown = [str(out.get("data", "")) for cell in compared for out in cell.outputs]
        assert any("| verdict" in text and "holds" in text for text in shown)


def test_every_question_of_the_manual_has_its_answer_cell():
    answers = {
        cell.metadata["answer"]
        for path in NOTEBOOKS
        for cell in nbformat.read(path, as_version=4).cells
        if "answer" in cell.metadata.get("tags", [])
    }
    assert set(manual.QUESTIONS) <= answers
