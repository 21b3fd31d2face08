"""One notebook in a process of its own: every way to end is told as what it is, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from small_notebooks import job_processes, make_notebook

from lab_utils.running import check
from lab_utils.running.runner import run_notebook

TEXTS = {"student_id": "1e5", "student_name": 'No "{x}" \\ \n$x$ தமிழ்', "seed": 7, "epochs": 2}


def test_a_complete_run_keeps_text_as_text_and_braces_as_braces(tmp_path):
    source = make_notebook(tmp_path / "{seed} in" / "01_pre_lab.ipynb")
    output = tmp_path / "{student_id}" / "out {0}.ipynb"
    seen = []
    outcome = run_notebook(source, output, TEXTS, on_progress=lambda cell, cells: seen.append((cell, cells)))
    assert outcome.status == "complete", outcome
    assert check.problems(output, notebook="01_pre_lab", expected=TEXTS) == []
    assert os.listdir(output.parent) == [output.name]
    assert seen == sorted(seen) and seen[-1][1] == 7


def test_the_child_environment_holds_the_thread_budget_and_the_folder_is_its_own(tmp_path):
    body = "import os; print({n: os.environ[n] for n in os.environ}['OMP_NUM_THREADS'], os.environ['PYTHONHASHSEED'])"
    body += "\nprint(os.environ['TF_NUM_INTRAOP_THREADS'], os.environ['TF_NUM_INTEROP_THREADS'])"
    body += "\nopen('left behind', 'w').close()"
    output = tmp_path / "out" / "01_pre_lab.ipynb"
    assert run_notebook(make_notebook(tmp_path / "01_pre_lab.ipynb", body), output, {}, threads=3).status == "complete"
    cells = {cell.id: cell for cell in nbformat.read(output, as_version=4).cells}
    assert cells["body"].outputs[0].text == "3 0\n3 3\n"
    assert os.listdir(output.parent) == [output.name]


FILL = "import numpy as np\nkept = []\nwhile True: kept.append(np.ones(4_000_000))"
NATIVE_HANG = "import ctypes; ctypes.PyDLL(None).sleep(1000)"  # holds the interpreter: no thread of it gets a turn
SPAWN = "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True); 1/0"


@pytest.mark.parametrize(
    ("body", "status", "said", "limits"),
    [
        ("raise ValueError('not {this}')", "raised", "ValueError: not {this}", {}),
        (SPAWN, "raised", "ZeroDivisionError", {}),
        ("import os; os._exit(3)", "died", "cell 5 was running (Kernel died); until then it held at most 0", {}),
        (NATIVE_HANG, "timeout", "after 12 s, in cell 5 of 7", {"seconds_limit": 12}),
        (FILL, "out of memory", "the limit is 0.5 GB", {"memory_limit": 500_000_000}),
        ("import numpy; numpy.ones(10**15)", "out of memory", "MemoryError", {}),
    ],
)
def test_each_failure_is_told_as_what_it_is(tmp_path, body, status, said, limits):
    output = tmp_path / "out" / "01_pre_lab.ipynb"
    outcome = run_notebook(make_notebook(tmp_path / "01_pre_lab.ipynb", body), output, {"seed": 1}, **limits)
    assert outcome.status == status and said in outcome.message, outcome
    assert not output.exists()
    assert set(os.listdir(output.parent)) <= {"01_pre_lab.failed.ipynb"}
    assert job_processes(os.getpid()) == []


def test_a_notebook_without_its_record_is_incomplete(tmp_path):
    output = tmp_path / "out" / "01_pre_lab.ipynb"
    outcome = run_notebook(make_notebook(tmp_path / "01_pre_lab.ipynb", record=False), output, {})
    assert outcome.status == "incomplete" and "record" in outcome.message and not output.exists()


def test_a_kernel_that_fails_to_start_is_tried_again_and_a_students_error_is_not(tmp_path, monkeypatch):
    """A ``sitecustomize`` ends the first two kernels as they start; the notebook counts its own runs."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys, pathlib\n"
        "log = pathlib.Path(__file__).with_name('starts')\n"
        "if 'lab_utils.running.kernel' in ' '.join(sys.orig_argv):\n"
        "    with open(log, 'a') as file: file.write('x')\n"
        "    if len(log.read_text()) < 3: os._exit(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    runs = tmp_path / "runs"
    body = f"open({str(runs)!r}, 'a').write('x'); raise KeyError('mine')"
    outcome = run_notebook(make_notebook(tmp_path / "01_pre_lab.ipynb", body), tmp_path / "out.ipynb", {})
    assert outcome.status == "raised", outcome
    assert (tmp_path / "site" / "starts").read_text() == "xxx"
    assert runs.read_text() == "x"


@pytest.mark.parametrize("victim", ["parent", "child", "both"])
def test_nothing_outlives_a_kill(tmp_path, victim):
    """SIGKILL to the process that asked, or to the child, or to both: the kernel goes as well, even a hung one."""
    source = make_notebook(tmp_path / "01_pre_lab.ipynb", f"open({str(tmp_path / 'up')!r}, 'w')\n" + NATIVE_HANG)
    program = "import sys; from pathlib import Path; from lab_utils.running.runner import run_notebook\n"
    program += "run_notebook(Path(sys.argv[1]), Path(sys.argv[2]), {})"
    parent = subprocess.Popen([sys.executable, "-c", program, str(source), str(tmp_path / "out" / "x.ipynb")])
    while not (tmp_path / "up").exists():
        assert parent.poll() is None
        time.sleep(0.05)
    processes = job_processes(parent.pid)
    assert len(processes) == 2  # the child and its kernel
    child = psutil.Process(parent.pid).children()[0]
    if victim != "parent":
        child.send_signal(signal.SIGKILL)
    if victim != "child":
        parent.kill()
    parent.wait(timeout=10)
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    assert not (tmp_path / "out" / "x.ipynb").exists()
