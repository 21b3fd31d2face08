"""The command from outside: what it prints, what it leaves, how it ends."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from small_notebooks import make_notebook, make_series

from lab_utils.files import WRITTEN
from lab_utils.running.refresh import clean


def dae_lab(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lab_utils", *map(str, arguments)]
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, env={**os.environ, "PYTHONPATH": path}
    )


VERBS = ("data", "run", "report", "refresh", "sweep", "doctor")
VERBS += ("release", "submit", "batch", "collect", "mark", "feedback", "export")


def test_help_is_instant_and_imports_nothing_heavy():
    program = (
        "import sys, runpy; sys.argv = ['dae-lab', '--help']\n"
        "try: runpy.run_module('lab_utils', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'pandas', 'papermill', 'nbformat', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 3
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_an_example(verb):
    done = dae_lab(verb, "--help")
    assert done.returncode == 0 and f"\n  dae-lab {verb}" in done.stdout


def test_no_verb_imports_tensorflow(tmp_path):
    """All that the verbs import, imported together."""
    program = (
        "import sys, lab_utils.cli, lab_utils.course.batch, lab_utils.course.single, lab_utils.running.refresh\n"
        "import lab_utils.course.marking, lab_utils.course.marksheet, lab_utils.course.feedback\n"
        "import lab_utils.course.sweep, lab_utils.running.display, lab_utils.doctor, lab_utils.data\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "assert 'papermill' not in sys.modules and 'distributed' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_bad_parameter_is_refused_within_two_seconds_of_work_and_without_a_traceback(tmp_path):
    notebooks = make_series(tmp_path / "notebooks")
    for arguments, said in [
        (["run", notebooks / "02_in_lab.ipynb", "-p", "epochs", "three"], "epochs = 'three'"),
        (["report", "--notebooks", notebooks, "-p", "student_name", "中"], "U+4E2D"),
        (["run", "nothing.ipynb"], "nothing.ipynb"),
        (["mark", tmp_path], "collected.json"),
        (["feedback", tmp_path], "collected.json"),
    ]:
        done = dae_lab(*arguments, cwd=tmp_path)
        assert done.returncode == 2 and said in done.stderr, done
        assert "Traceback" not in done.stderr and "Next:" in done.stderr
    assert not (tmp_path / "reports").exists()


def test_report_leaves_everything_and_says_where_and_what_is_missing(tmp_path, own_cache):
    """Started in a folder that holds ``notebooks``, with an ID that papermill's own command line would mangle."""
    make_series(tmp_path / "notebooks")
    done = dae_lab("report", "-p", "student_id", "1e5", "-p", "student_name", "No", "-p", "epochs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "reports" / "demo"
    names = {
        "01_pre_lab.ipynb",
        "02_in_lab.ipynb",
        "03_post_lab.ipynb",
        "1e5_exp13_report.html",
        "1e5_exp13_report.pdf",
    }
    assert set(os.listdir(out)) == names | {WRITTEN}
    assert all(name in done.stdout for name in names) and " min " in done.stdout and " pages" in done.stdout
    missing = done.stdout.split("Not answered")[1]
    assert all(answer in missing for answer in ("pre_lab-1", "in_lab-1", "post_lab-1"))
    assert "02_in_lab" in done.stderr  # the progress display
    assert "1e5" in (out / "1e5_exp13_report.html").read_text(encoding="utf-8")

    kept = dae_lab(
        "report", "--keep", "-p", "student_id", "1e5", "-p", "student_name", "No", "-p", "epochs", "2", cwd=tmp_path
    )
    assert kept.returncode == 0 and "02_in_lab" not in kept.stderr

    part = dae_lab("report", "--part", "in-lab", "--docx", "-p", "epochs", "2", "--out", "one", cwd=tmp_path)
    assert part.returncode == 0, part.stderr
    made = {"02_in_lab.ipynb", "in-lab_report.html", "in-lab_report.pdf", "in-lab_report.docx"}
    assert set(os.listdir(tmp_path / "one")) == made | {WRITTEN} and "in_lab-1" in part.stdout


def test_run_says_why_a_notebook_did_not_complete(tmp_path):
    source = make_notebook(tmp_path / "01_pre_lab.ipynb", "raise ValueError('mine')")
    done = dae_lab("run", source, "--out", tmp_path / "x" / "mine.ipynb")
    assert done.returncode == 1 and "raised: cell" in done.stderr and "ValueError: mine" in done.stderr
    assert set(os.listdir(tmp_path / "x")) == {"mine.failed.ipynb", WRITTEN}


def test_batch_ends_with_a_code_that_says_whether_all_succeeded(tmp_path):
    roster = tmp_path / "r.csv"
    roster.write_text("student_id,name\n1,One\n2,Two\n", encoding="utf-8")
    make_series(tmp_path / "notebooks", pre="raise ValueError('mine')")
    done = dae_lab("batch", roster, "--out", "class", cwd=tmp_path)
    assert done.returncode == 1 and "0 of 2 complete" in done.stdout
    assert "'1': raised" in done.stderr and (tmp_path / "class" / "index.html").exists()
    assert not list((tmp_path / "class" / "1").glob("*.pdf"))


def test_refresh_writes_notebooks_back_clean_and_the_same_each_time(tmp_path):
    noisy = "import sys; print('shown'); print('not shown', file=sys.stderr); 1 + 1"
    notebooks = make_series(tmp_path / "notebooks", pre=noisy)
    path = notebooks / "01_pre_lab.ipynb"
    assert dae_lab("refresh", "01_pre_lab", cwd=tmp_path).returncode == 0
    first = path.read_bytes()
    nb = nbformat.reads(first.decode(), as_version=4)
    assert [cell.id for cell in nb.cells] == ["title", "parameters", "question", "answer", "body", "record"]
    assert [cell.execution_count for cell in nb.cells if cell.cell_type == "code"] == [1, 2, 3]
    assert set(nb.metadata) == {"kernelspec", "language_info", "dae_lab"}
    assert nb.metadata.language_info == {"name": "python"} and set(nb.metadata.dae_lab) == {"cells", "code"}
    assert nb.cells[1].metadata == {"tags": ["parameters"]} and nb.cells[3].metadata.answer == "pre_lab-1"
    assert [output.output_type for output in nb.cells[4].outputs] == ["stream", "execute_result"]
    assert b"papermill" not in first and b"not shown\\n" not in first and b"iopub" not in first
    shutil.copy(path, tmp_path / "kept.ipynb")
    assert dae_lab("refresh", "01_pre_lab", cwd=tmp_path).returncode == 0
    assert path.read_bytes() == first


def test_refresh_leaves_a_notebook_that_fails_as_it_was(tmp_path):
    notebooks = make_series(tmp_path / "notebooks", lab="raise ValueError('mine')")
    before = (notebooks / "02_in_lab.ipynb").read_bytes()
    done = dae_lab("refresh", "02_in_lab", "--notebooks", notebooks)
    assert done.returncode == 1 and "ValueError: mine" in done.stderr
    assert (notebooks / "02_in_lab.ipynb").read_bytes() == before
    assert os.listdir(notebooks) == sorted(os.listdir(notebooks)) or len(os.listdir(notebooks)) == 3


def test_clean_removes_widget_state_and_injected_parameters(tmp_path):
    nb = nbformat.read(make_notebook(tmp_path / "01_pre_lab.ipynb"), as_version=4)
    injected = nbformat.v4.new_code_cell("seed = 1", metadata={"tags": ["injected-parameters"]})
    widget = nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}})
    nb.cells[4].outputs = [widget]
    nb.cells.insert(2, injected)
    nb.metadata["widgets"] = {"state": {}}
    cleaned = clean(nb)
    assert "seed = 1" not in [cell.source for cell in cleaned.cells]
    assert cleaned.cells[4].outputs == [] and "widgets" not in cleaned.metadata
    nbformat.validate(cleaned)


def test_data_says_what_there_is_and_where_it_came_from():
    done = dae_lab("data", "--source", "embedded")
    assert done.returncode == 0
    assert all(said in done.stdout for said in ("cache", "keras", "npm", "4,000", "CC BY-SA", "not full MNIST"))
