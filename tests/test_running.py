"""One notebook in a process of its own: every way to end is told as what it is, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from small_notebooks import job_processes, make_notebook, run_small

from lab_utils import files
from lab_utils.errors import LabError
from lab_utils.running import check, execution
from lab_utils.running.source import read_notebook, without_answers

ROOT = Path(__file__).resolve().parents[1]
TEXTS = {"student_id": "1e5", "student_name": 'No "{x}" \\ \n$x$ தமிழ்', "seed": 7, "epochs": 2}


def outputs(outcome) -> list:
    return next(cell.outputs for cell in outcome.notebook.cells if cell.id == "body")


def test_a_complete_run_keeps_text_as_text_and_braces_as_braces(tmp_path, own_cache):
    source = make_notebook(tmp_path / "{seed} in" / "01_pre_lab.ipynb")
    seen = []
    outcome = run_small(source, TEXTS, on_progress=lambda cell, cells: seen.append((cell, cells)))
    assert outcome.status == "complete" and not outcome.reused, outcome
    nbformat.write(outcome.notebook, tmp_path / "out {0}.ipynb")
    assert check.problems(tmp_path / "out {0}.ipynb", notebook="01_pre_lab", expected=TEXTS) == []
    assert seen == sorted(seen) and seen[-1][1] == 7
    assert os.listdir(files.home() / "scratch") == []


def test_a_child_has_its_share_of_threads_and_a_folder_of_its_own(tmp_path):
    body = "import os; print(*(os.environ[name] for name in names), os.environ['PYTHONHASHSEED'])\nopen('left', 'w')"
    body = "names = ['OMP_NUM_THREADS', 'TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS']\n" + body
    outcome = run_small(make_notebook(tmp_path / "01_pre_lab.ipynb", body), threads=3)
    assert outcome.status == "complete" and outputs(outcome)[0].text == "3 3 3 0\n"
    assert os.listdir(tmp_path) == ["01_pre_lab.ipynb"]


LOOK = """\
import os, random, matplotlib.pyplot as plt
print(plt.get_backend(), os.environ.get("PYTHONPATH"), plt.rcParams["font.size"], hasattr(random, "randint"))
plt.plot([1]);
"""


FOREIGN = {
    "TF_NUM_INTRAOP_THREADS": "0",
    "OMP_NUM_THREADS": "0",
    "PYTHONPATH": "HERE",
    "PYTHONSTARTUP": "HERE/random.py",
    "PYTHONWARNINGS": "error",
    "MATPLOTLIBRC": "HERE/matplotlibrc",
    "JUPYTER_CONFIG_DIR": "HERE",
    "IPYTHONDIR": "HERE",
}


@pytest.mark.parametrize("backend", ["Agg", "TkAgg"])
def test_what_a_person_has_set_does_not_reach_a_notebook(tmp_path, monkeypatch, backend):
    (tmp_path / "random.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "matplotlibrc").write_text("font.size: 33")
    (tmp_path / "profile_default" / "startup").mkdir(parents=True)
    (tmp_path / "profile_default" / "startup" / "x.py").write_text("raise SystemExit('started')")
    for name, value in (FOREIGN | {"MPLBACKEND": backend}).items():
        monkeypatch.setenv(name, value.replace("HERE", str(tmp_path)))
    outcome = run_small(make_notebook(tmp_path / "01_pre_lab.ipynb", LOOK))
    assert outcome.status == "complete", outcome
    text, picture = outputs(outcome)
    assert "inline" in text.text and text.text.endswith(" None 10.0 True\n") and "image/png" in picture.data


def test_a_random_py_beside_the_package_is_not_pythons(tmp_path):
    """The package lies in a folder with a ``random.py``, as a repository in which somebody has put one."""
    (tmp_path / "lab_utils").symlink_to(ROOT / "lab_utils", target_is_directory=True)
    (tmp_path / "random.py").write_text("raise SystemExit('shadowed')")
    source = make_notebook(tmp_path / "nb" / "01_pre_lab.ipynb", "import random; random.randint(1, 6)")
    program = f"""
import sys
sys.path.append({str(tmp_path)!r}); sys.path.append({str(ROOT / "tests")!r})
from pathlib import Path
from small_notebooks import run_small
print(run_small(Path({str(source)!r})).status)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path / "nb")
    assert done.stdout == "complete\n", done


FILL = "import numpy as np\nkept = []\nwhile True: kept.append(np.ones(4_000_000))"
NATIVE_HANG = "import ctypes; ctypes.PyDLL(None).sleep(1000)"  # holds the interpreter: no thread of it gets a turn
SPAWN = "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True); 1/0"


@pytest.mark.skipif(os.name == "nt", reason="POSIX processes")
@pytest.mark.parametrize(
    ("body", "status", "said", "limits"),
    [
        ("raise ValueError('not {this}')", "raised", "ValueError: not {this}", {}),
        (SPAWN, "raised", "ZeroDivisionError", {}),
        ("import os; os._exit(3)", "died", "cell 5 was running (Kernel died); until then it held at most 0", {}),
        (NATIVE_HANG, "timeout", "after 12 s, in cell 5 of 7", {"minutes": 0.2}),
        (FILL, "out of memory", "the limit is 0.5 GB", {"memory": 500_000_000}),
        ("import numpy; numpy.ones(10**15)", "out of memory", "MemoryError", {}),
    ],
)
def test_each_failure_is_told_as_what_it_is(tmp_path, own_cache, body, status, said, limits):
    outcome = run_small(make_notebook(tmp_path / "01_pre_lab.ipynb", body), {"seed": 1}, **limits)
    assert outcome.status == status and said in outcome.message, outcome
    assert job_processes(os.getpid()) == [] and os.listdir(files.home() / "scratch") == []


def test_a_notebook_without_its_record_is_incomplete(tmp_path):
    outcome = run_small(make_notebook(tmp_path / "01_pre_lab.ipynb", record=False))
    assert outcome.status == "incomplete" and "record" in outcome.message


def test_a_students_error_is_not_tried_again(tmp_path):
    runs = tmp_path / "runs"
    source = make_notebook(
        tmp_path / "01_pre_lab.ipynb", f"open({str(runs)!r}, 'a').write('x'); raise KeyError('mine')"
    )
    assert run_small(source).status == "raised" and runs.read_text() == "x"


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("victim", ["parent", "child", "both"])
def test_nothing_outlives_a_kill(tmp_path, own_cache, victim):
    """SIGKILL to the process that asked, or to the child, or to both: the kernel goes as well, even a hung one."""
    source = make_notebook(tmp_path / "01_pre_lab.ipynb", f"open({str(tmp_path / 'up')!r}, 'w')\n" + NATIVE_HANG)
    program = (
        "import sys; from pathlib import Path; from small_notebooks import run_small\nrun_small(Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    parent = subprocess.Popen([sys.executable, "-c", program, str(source)], env=environment)
    until = time.monotonic() + 100
    while not (tmp_path / "up").exists():
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    processes = job_processes(parent.pid)
    assert len(processes) == 2  # the child and its kernel
    child = psutil.Process(parent.pid).children()[0]
    if victim != "parent":
        child.send_signal(signal.SIGKILL)
    if victim != "child":
        parent.kill()
    parent.wait(timeout=10)
    assert psutil.wait_procs(processes, timeout=5)[1] == []
    with files.scratch() as mine:
        assert os.listdir(own_cache / "scratch") == [mine.name]


# What is not run again


def test_answers_do_not_count_and_everything_else_does(tmp_path, own_cache):
    path = make_notebook(tmp_path / "01_pre_lab.ipynb", "import time; print(time.time())")
    first = run_small(path, {"seed": 1})
    notebook = nbformat.read(path, as_version=4)
    answer = next(cell for cell in notebook.cells if "answer" in cell.metadata.get("tags", []))
    answer.source = "My answer."
    notebook.cells.insert(2, nbformat.v4.new_markdown_cell("A note."))
    nbformat.write(notebook, path)
    again = run_small(path, {"seed": 1})
    assert again.reused and outputs(again) == outputs(first) and again.seconds == pytest.approx(first.seconds, abs=0.1)
    told = [cell.source for cell in again.notebook.cells]
    assert "My answer." in told and "A note." in told and len(told) == len(first.notebook.cells) + 1
    assert not run_small(path, {"seed": 2}).reused
    assert not run_small(path, {"seed": 1}, fresh=True).reused
    notebook.cells[-2].source += "\n1 + 1"
    nbformat.write(notebook, path)
    assert not run_small(path, {"seed": 1}).reused


def test_other_digits_and_other_code_are_another_run(tmp_path, monkeypatch):
    path = make_notebook(tmp_path / "01_pre_lab.ipynb", "from lab_utils import data")
    notebook = read_notebook(path)
    keys = {execution.execution_key(notebook, {"data_source": "embedded", "seed": seed}) for seed in (1, 2)}
    assert len(keys) == 2
    sources = dict(execution.cache.read_sources())
    before = execution.execution_key(notebook, {"data_source": "embedded"})
    for module, counts in (("lab_utils.data.files", True), ("lab_utils.report.html", False)):
        edited = sources | {module: sources[module] + b"\n# edited"}
        monkeypatch.setattr(execution.cache, "read_sources", lambda edited=edited: edited)
        assert (execution.execution_key(notebook, {"data_source": "embedded"}) != before) is counts


# What comes from people

BROKEN = {
    "empty": (b"", "it is empty"),
    "utf16": ("{}".encode("utf-16"), "not in UTF-8"),
    "conflict": (b'{"cells": [\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> theirs\n]}', "marks of a merge"),
    "half": (b'{"cells": [', "is not a notebook"),
    "other": (b'{"a": 1}', "is not a notebook"),
    "list": (b"[1, 2]", "is not a notebook"),
    "binary": (bytes(range(256)), "not in UTF-8"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_unreadable_notebook_is_refused_before_a_process_starts(tmp_path, name):
    content, said = BROKEN[name]
    path = tmp_path / "01_pre_lab.ipynb"
    path.write_bytes(content)
    with pytest.raises(LabError, match=said):
        read_notebook(path)


def test_a_byte_order_mark_is_accepted(tmp_path):
    path = make_notebook(tmp_path / "01_pre_lab.ipynb")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_notebook(path).cells) == 6


def test_a_missing_quote_in_the_parameters_is_shown_with_its_line(tmp_path):
    path = make_notebook(tmp_path / "01_pre_lab.ipynb")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = 'student_name = ""\nstudent_id = "0012345\nseed = 13'
    nbformat.write(notebook, path)
    with pytest.raises(LabError, match='line 2: student_id = "0012345'):
        read_notebook(path)


def test_nobody_elses_answers_and_name_are_left(tmp_path):
    path = make_notebook(tmp_path / "01_pre_lab.ipynb")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "student_name = \"Some One\"  # str\nstudent_id = '77'\nseed = 13"
    notebook.cells[3].source = "My answer."
    blank, found = without_answers(notebook)
    assert found == 2 and "Some One" not in json.dumps(blank) and "77" not in blank.cells[1].source
    assert "My answer" not in json.dumps(blank) and blank.cells[1].source.endswith("seed = 13")
    assert notebook.cells[3].source == "My answer." and without_answers(blank)[1] == 0
