"""The students' version: nothing of an answer in it, all of the metadata; and the report ignores what is added."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from small_notebooks import make_notebook, make_series
from test_course import write_roster

from lab_utils.course import release as released
from lab_utils.course.release import release
from lab_utils.course.rubric import read_rubric
from lab_utils.errors import LabError
from lab_utils.manual import ANSWER_PROMPT, QUESTIONS, model_answers
from lab_utils.report.compose import compose
from lab_utils.running import original
from lab_utils.running.runner import run_notebook
from lab_utils.running.source import read_notebook
from lab_utils.settings import SERIES

LAB = original.FOLDER
SMALL_RUBRIC = "total = 6\n[all]\npre_lab-1 = 1\nin_lab-1 = 2\npost_lab-1 = 3\n"


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """The lab's own notebooks, released."""
    folder = tmp_path_factory.mktemp("release")
    release(folder, LAB)
    return folder


def cells(folder: Path) -> list[nbformat.NotebookNode]:
    return [cell for name in SERIES for cell in nbformat.read(folder / f"{name}.ipynb", as_version=4).cells]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def test_no_answer_and_no_model_answer_is_in_what_students_get(out):
    sources = [cell.source for cell in cells(LAB) if "model-answer" in tags(cell)]
    models = [text for source in sources for text in model_answers(source)]
    assert len(models) == len(QUESTIONS)
    told = "".join(path.read_text(encoding="utf-8") for path in (out / "students").iterdir())
    kept = (out / "instructor.md").read_text(encoding="utf-8")
    for model in models:
        first = model.splitlines()[0]
        assert first not in told and first in kept
    boxes = [cell for cell in cells(out / "students") if "answer" in tags(cell)]
    assert len(boxes) == 17 and {cell.source for cell in boxes} == {ANSWER_PROMPT}
    assert not any(cell.outputs for cell in cells(out / "students") if cell.cell_type == "code")


def test_a_cell_may_hold_the_model_answers_of_the_last_few_questions():
    def cell(text: str, **metadata) -> nbformat.NotebookNode:
        return nbformat.v4.new_markdown_cell(text, metadata=metadata)

    answers = [cell(ANSWER_PROMPT, tags=["answer"], answer=id) for id in ("a-1", "b-1", "b-2")]
    models = [
        cell(f"**Model answer{each}**\n\nFor {id}.", tags=["model-answer"]) for each, id in (("", "a"), (" 1", "b"))
    ]
    models[1].source += "\n\n**Model answer 2**\n\nFor c,\n\nin two paragraphs."
    notebook = nbformat.v4.new_notebook(cells=[answers[0], models[0], *answers[1:], models[1]])
    assert released.model_answers(notebook) == {"a-1": "For a.", "b-1": "For b.", "b-2": "For c,\n\nin two paragraphs."}
    told = released.model_answers(read_notebook(LAB / "02_in_lab.ipynb"))
    assert list(told) == [f"viva-{number}" for number in range(1, 6)] and "BERT" in told["viva-3"]


def test_every_answer_has_nbgraders_metadata_and_the_points_add_up(out):
    told = [cell.metadata.nbgrader for cell in cells(out / "students") if "answer" in tags(cell)]
    assert sum(each.points for each in told) == 50 and len({each.grade_id for each in told}) == 17
    assert all(each.schema_version == 3 and each.grade and each.solution for each in told)
    viva = [each.points for each in told if each.grade_id.startswith("viva")]
    assert sum(viva) == 10
    assert "nbgrader" not in "".join((LAB / f"{name}.ipynb").read_text(encoding="utf-8") for name in SERIES)


def test_the_first_and_the_last_thing_read_are_whose_it_is_and_how_it_is_handed_in(out):
    for name in SERIES:
        made = nbformat.read(out / "students" / f"{name}.ipynb", as_version=4).cells
        assert "your name and your ID" in made[1].source and "dae-lab submit" in made[-1].source
        assert "report-skip" in tags(made[1]) and "report-skip" in tags(made[-1])


def test_the_code_is_the_labs(out):
    def code(folder: Path) -> list[str]:
        return [cell.source for cell in cells(folder) if cell.cell_type == "code"]

    assert code(out / "students") == code(LAB)


def test_each_student_of_a_roster_gets_a_name_an_id_and_a_seed(tmp_path):
    (tmp_path / "rubric.toml").write_text(SMALL_RUBRIC)
    notebooks = make_series(tmp_path / "notebooks")
    roster = write_roster(tmp_path / "r.csv", [("0012345", 'O\'Neil "தமிழ்" <b>'), ("../x", "Two")])
    release(tmp_path / "out", notebooks, roster=roster, rubric=tmp_path / "rubric.toml")
    seeds = set()
    for folder in (path for path in (tmp_path / "out" / "students").iterdir() if path.is_dir()):
        notebook = read_notebook(folder / "02_in_lab.ipynb")
        (source,) = [cell.source for cell in notebook.cells if "parameters" in tags(cell)]
        values: dict = {}
        exec(source, values)
        assert (values["student_id"], values["student_name"]) in {("0012345", 'O\'Neil "தமிழ்" <b>'), ("../x", "Two")}
        assert "<b>&lt;b" not in notebook.cells[1].source and values["epochs"] == 3
        seeds.add(values["seed"])
    assert len(seeds) == 2 and 13 not in seeds


def test_a_value_changes_and_its_comment_stays():
    source = 'name = "é"  # str: é = "x"\nseed = 13  # int\nelse_ = None\n'
    changed = released.with_values(source, {"name": "ü#'", "seed": 7, "other": 1})
    assert changed == 'name = "ü#\'"  # str: é = "x"\nseed = 7  # int\nelse_ = None\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SMALL_RUBRIC.replace("= 6", "= 7"), "add up to 6, and the total is 7"),
        (SMALL_RUBRIC.replace("in_lab-1 = 2\n", ""), "the answer in_lab-1 has no points"),
        (SMALL_RUBRIC + "typo-1 = 3\n", "there is no answer typo-1"),
        (SMALL_RUBRIC.replace("= 2", '= "two"'), "in_lab-1 = 'two'"),
        (SMALL_RUBRIC + "[more]\nin_lab-1 = 2\n", "in_lab-1 stands there twice"),
        ("total = [", "cannot be used"),
    ],
)
def test_a_rubric_that_does_not_add_up_is_refused_before_anything_is_written(tmp_path, text, said):
    (tmp_path / "rubric.toml").write_text(text)
    with pytest.raises(LabError, match="rubric") as refused:
        release(tmp_path / "out", make_series(tmp_path / "n"), rubric=tmp_path / "rubric.toml")
    assert said in str(refused.value) and not (tmp_path / "out").exists()


def test_the_labs_rubric_is_the_manuals():
    ids = [id for name in SERIES for id in released.answer_ids(read_notebook(LAB / f"{name}.ipynb"))]
    points = read_rubric(None, ids)
    sections = {"pre-lab": 12, "in-lab": 16, "post-lab": 12, "viva": 10}
    assert {key: sum(worth for id, worth in points.items() if id.startswith(key)) for key in sections} == sections


def test_the_report_ignores_a_model_answer_behind_the_box_and_keeps_the_text_below_it(tmp_path, monkeypatch):
    path = make_notebook(tmp_path / "n" / "02_in_lab.ipynb")
    monkeypatch.setattr(original, "FOLDER", path.parent)
    notebook = read_notebook(path)
    place = next(i for i, cell in enumerate(notebook.cells) if "answer" in tags(cell))
    model = nbformat.v4.new_markdown_cell("MODEL TEXT", metadata={"tags": ["model-answer"]})
    notebook.cells[place].source = "MY ANSWER"
    notebook.cells[place + 1 : place + 1] = [model, nbformat.v4.new_markdown_cell("AND MORE")]
    outcome = run_notebook(notebook, path.stem, {"student_id": "1"})
    assert outcome.status == "complete", outcome.message
    nbformat.write(outcome.notebook, tmp_path / path.name)
    (part,) = compose(tmp_path, names=["02_in_lab"]).parts
    assert [block.text for block in part.blocks if block.kind == "answer"] == ["MY ANSWER\n\nAND MORE"]
    assert "MODEL TEXT" not in str(part)


# ---- the real nbgrader -------------------------------------------------------------------------------------------

NBGRADER_ON = os.environ.get("DAE_LAB_TEST_NBGRADER") == "1"


@pytest.mark.skipif(not NBGRADER_ON, reason="DAE_LAB_TEST_NBGRADER=1 installs nbgrader (extra) in its own environment")
@pytest.mark.timeout(1800)
def test_nbgraders_own_commands_take_the_released_notebooks(out, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    binaries = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    lock = LAB.parent / "requirements.lock"
    (version,) = [line for line in lock.read_text().splitlines() if line.startswith("nbgrader==")]
    subprocess.run([binaries / "python", "-m", "pip", "install", "-q", version, "ipykernel"], check=True)
    course = tmp_path / "course"
    (course / "source" / "exp13").mkdir(parents=True)
    config = [
        "c = get_config()",
        'c.CourseDirectory.course_id = "dl"',
        f"c.ClearSolutions.text_stub = {ANSWER_PROMPT!r}",
        'c.CourseDirectory.db_url = "sqlite:///gradebook.db"',
        'c.Autograde.autograde_preprocessors = ["nbgrader.preprocessors.AssignLatePenalties", '
        '"nbgrader.preprocessors.SaveAutoGrades", "nbgrader.preprocessors.CheckCellMetadata"]',
    ]
    (course / "nbgrader_config.py").write_text("\n".join(config))
    for name in SERIES:
        target = course / "source" / "exp13" / f"{name}.ipynb"
        target.write_bytes((out / "students" / target.name).read_bytes())
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_DATA_DIR": str(tmp_path),
    }

    def nbgrader(*command: str) -> str:
        done = subprocess.run(
            [binaries / "nbgrader", *command], cwd=course, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr
        return done.stderr

    nbgrader("generate_assignment", "exp13")
    handed_in = course / "submitted" / "0012345" / "exp13"
    handed_in.mkdir(parents=True)
    for path in (course / "release" / "exp13").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert text.count("Write your answer here") >= 4
        (handed_in / path.name).write_text(text.replace(ANSWER_PROMPT, "Mine."), encoding="utf-8")
    nbgrader("autograde", "exp13", "--create")
    nbgrader("generate_feedback", "exp13")
    nbgrader("export")
    exported = (course / "grades.csv").read_text()
    assert "0012345" in exported and ",50.0" in exported
    assert len(list((course / "feedback" / "0012345" / "exp13").glob("*.html"))) == 3
