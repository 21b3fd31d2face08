"""A class: one student's failure stops nobody, what is done is not done again, and no kill leaves half a file."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pypdf import PdfReader
from small_notebooks import job_processes, make_notebook, make_series

from lab_utils import files, machine
from lab_utils.course.batch import run_class
from lab_utils.course.names import folder_name
from lab_utils.course.summary import SCRIPT
from lab_utils.files import WRITTEN
from lab_utils.report import html
from lab_utils.running import check

NOTEBOOK_FILES = {"01_pre_lab.ipynb", "02_in_lab.ipynb", "03_post_lab.ipynb"}
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
KILLS = int(os.environ.get("DAE_LAB_TEST_KILLS", "2"))
"""How often the kill test kills; more takes longer and finds rarer moments."""

TROUBLE = """\
if student_id == "raises":
    raise ValueError("mine, <b>not</b> yours")
if student_id == "dies":
    import os; os._exit(1)
if student_id == "hangs":
    import time; time.sleep(1000)
"""


def write_roster(path: Path, students: list[tuple[str, str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("student_id", "name"), *students])
    return path


def read_summary(out: Path) -> list[dict[str, str]]:
    with open(out / "summary.csv", newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def assert_whole(out: Path, students: list[tuple[str, str]]) -> None:
    """Every student's folder is complete, is theirs, and holds nothing else."""
    for student_id, name in students:
        folder = out / folder_name(student_id)
        report = f"{folder_name(student_id)}_exp13_report"
        assert set(os.listdir(folder)) == NOTEBOOK_FILES | {f"{report}.html", f"{report}.pdf", WRITTEN}
        for notebook in ("01_pre_lab", "02_in_lab", "03_post_lab"):
            expected = {"student_id": student_id, "student_name": name}
            assert check.problems(folder / f"{notebook}.ipynb", notebook=notebook, expected=expected) == []
        assert PdfReader(folder / f"{report}.pdf").pages


def made_at(out: Path, students: list[tuple[str, str]]) -> dict[Path, int]:
    """When each file of each student was made."""
    files = [path for student_id, _ in students for path in (out / folder_name(student_id)).iterdir()]
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of this module's own, in use: what is done is not done again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_LAB_USE_CACHE", "1")
        patch.setenv("DAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A batch of two good students and three in trouble, run once for the tests that look at it."""
    base = tmp_path_factory.mktemp("class")
    students = [("hangs", "H"), ("0012345", "தமிழ்ச்செல்வன்"), ("../=x", '=HYPERLINK("x")'), ("raises", "R"), ("dies", "D")]
    roster = write_roster(base / "roster.csv", students)
    notebooks = make_series(base / "notebooks {student_id}", pre=TROUBLE)
    out = base / "out {seed}"
    (out / "0012345").mkdir(parents=True)
    (out / "0012345" / "notes.txt").write_text("the student's own")
    results = run_class(roster, out, notebooks, workers=2, minutes=0.6)
    assert (out / "0012345" / "notes.txt").read_text() == "the student's own"
    (out / "0012345" / "notes.txt").unlink()
    return base, students, roster, notebooks, out, results


def test_each_student_ends_as_what_happened_and_the_others_finish(ended):
    base, students, _, _, out, results = ended
    assert [r.status for r in results] == ["timeout", "complete", "complete", "raised", "died"]
    assert_whole(out, students[1:3])
    assert set(os.listdir(base)) == {"roster.csv", "notebooks {student_id}", out.name}
    folders = {folder_name(student_id) for student_id, _ in students}
    assert set(os.listdir(out)) == folders | {"summary.csv", "index.html", WRITTEN}
    assert set(os.listdir(out / "raises")) == {"01_pre_lab.failed.ipynb", WRITTEN}


def test_the_summary_says_it_for_a_spreadsheet(ended):
    _, _, _, _, out, _ = ended
    rows = read_summary(out)
    assert [row["student_id"] for row in rows] == ["hangs", "0012345", "../=x", "raises", "dies"]
    assert rows[2]["name"] == '\'=HYPERLINK("x")'
    assert rows[1]["facts_holding"] == rows[1]["facts_stated"] == "3"
    assert rows[1]["02_in_lab/epochs-are-few"] == "3.0"
    assert int(rows[1]["answers_missing"]) >= 3 and int(rows[1]["pages"]) >= 1
    assert "mine, <b>not</b> yours" in rows[3]["message"]


def test_the_index_page_shows_everything_literally_and_runs_only_its_own_script(ended):
    _, _, _, _, out, _ = ended
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<b>not</b>" not in page and "&lt;b&gt;not&lt;/b&gt;" in page
    assert page.count("<script") == 1 and f"<script>{SCRIPT}</script>" in page
    assert "script-src 'sha256-" in page and "default-src 'none'" in page
    assert 'href="0012345/0012345_exp13_report.pdf"' in page


def test_what_is_done_is_skipped_and_what_changed_is_done(ended):
    base, students, _, notebooks, out, _ = ended
    good = students[1:3]
    roster = write_roster(base / "good.csv", good)
    before = made_at(out, good)
    again = run_class(roster, out, notebooks)
    assert all(result.reused for result in again) and made_at(out, good) == before

    (out / "0012345" / "0012345_exp13_report.pdf").write_bytes(b"%PDF-1.7 cut short")
    first, second = run_class(roster, out, notebooks)
    assert (first.reused, second.reused) == (False, True)
    assert first.seconds == again[0].seconds  # the notebooks were not run again
    (aside,) = first.set_aside
    assert aside.read_bytes() == b"%PDF-1.7 cut short"
    aside.unlink()
    after = made_at(out, good)
    assert_whole(out, good)

    changed = base / "changed"
    shutil.copytree(notebooks, changed)
    make_notebook(changed / "03_post_lab.ipynb", "'another body'")
    first, _ = run_class(roster, out, changed, workers=2)
    assert not first.reused and first.status == "complete"
    assert first.seconds["01_pre_lab"] == again[0].seconds["01_pre_lab"]
    assert made_at(out, good) != after
    assert "another body" in (out / "0012345" / "03_post_lab.ipynb").read_text()


def test_a_report_of_another_style_sheet_is_made_again(ended, monkeypatch):
    base, students, _, notebooks, out, _ = ended
    styles = base / "styles"
    shutil.copytree(html.TEMPLATES, styles)
    (styles / "report.css").write_text("body { color: black }")
    monkeypatch.setattr(html, "TEMPLATES", styles)
    (result,) = run_class(write_roster(base / "styled.csv", students[1:2]), out, notebooks)
    assert not result.reused and "body { color: black }" in (out / "0012345" / "0012345_exp13_report.html").read_text()


def start_batch(roster: Path, out: Path, notebooks: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "lab_utils", "batch", roster, "--out", out, "--notebooks", notebooks]
    return subprocess.Popen([*command, "--workers", "2", *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_killed_at_any_moment_one_rerun_completes_it_without_doing_work_twice(tmp_path):
    """SIGKILL to the batch, a child or a kernel, again and again; then one rerun."""
    students = [(f"K{number}", f"Name {number}") for number in range(2)]
    roster, out = write_roster(tmp_path / "r.csv", students), tmp_path / "out"
    notebooks = make_series(tmp_path / "notebooks")
    dice = random.Random(13)
    for _ in range(KILLS):
        batch = start_batch(roster, out, notebooks)
        time.sleep(dice.uniform(1.0, 9.0))
        family = [psutil.Process(batch.pid), *psutil.Process(batch.pid).children(recursive=True)]
        if batch.poll() is None:
            with suppress(psutil.NoSuchProcess):
                dice.choice(family).send_signal(dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        if dice.random() < 0.5:
            batch.wait(timeout=200)
        else:
            time.sleep(1)
            batch.kill()
            batch.wait()
        assert psutil.wait_procs(family, timeout=10)[1] == []
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*/*.ipynb")}
    assert start_batch(roster, out, notebooks).wait(timeout=300) == 0
    assert_whole(out, students)
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in finished.items() if "failed" not in path.name)
    assert [row["status"] for row in read_summary(out)] == ["complete"] * len(students)
    assert {path.name for path in out.iterdir()} == {"K0", "K1", "summary.csv", "index.html", WRITTEN}
    assert list(files.home().glob("scratch/*")) == []


def test_two_batches_over_one_folder_do_not_mix(tmp_path):
    students = [("S1", "One")]
    roster, out = write_roster(tmp_path / "r.csv", students), tmp_path / "out"
    count = tmp_path / "count"
    notebooks = make_series(tmp_path / "notebooks", pre=f"open({str(count)!r}, 'a').write('x')")
    batches = [start_batch(roster, out, notebooks) for _ in range(2)]
    codes = {batch.wait(timeout=120) for batch in batches}
    assert 0 in codes and codes <= {0, 1}, "the other one says that a process is at work there, or finds it done"
    assert start_batch(roster, out, notebooks).wait(timeout=120) == 0
    assert_whole(out, students)
    assert count.read_text() == "x"


def test_answers_go_to_nobody_else_and_none_is_lost(tmp_path, caplog):
    """What is written in ``notebooks/`` reaches no student's report; what is written into a result is set aside."""
    notebooks = make_series(tmp_path / "notebooks")
    path = notebooks / "01_pre_lab.ipynb"
    path.write_text(path.read_text().replace("*Write your answer here.*", "SOMEBODYS ANSWER"))
    path.write_text(path.read_text().replace('student_name = \\"\\"', 'student_name = \\"Some Body\\"'))
    roster, out = write_roster(tmp_path / "r.csv", [("1", "One")]), tmp_path / "out"
    (result,) = run_class(roster, out, notebooks)
    assert result.status == "complete" and "2 answers, names or IDs" in caplog.text
    for made in (out / "1").iterdir():
        assert b"SOMEBODYS" not in made.read_bytes() and b"Some Body" not in made.read_bytes()
    assert "SOMEBODYS" in path.read_text()

    path = out / "1" / "01_pre_lab.ipynb"
    path.write_text(path.read_text().replace("*Write your answer here.*", "MYONLYCOPY"))
    (again,) = run_class(roster, out, notebooks)
    assert again.status == "complete" and len(again.set_aside) == 1
    assert "MYONLYCOPY" in again.set_aside[0].read_text() and "MYONLYCOPY" not in path.read_text()


def test_interrupted_by_a_person_it_stops_at_once(tmp_path):
    """Ctrl-C (SIGINT): running notebooks end, nothing new starts."""
    roster = write_roster(tmp_path / "r.csv", [("hangs", "H"), ("hangs2", "H")])
    notebooks = make_series(tmp_path / "notebooks", pre=TROUBLE)
    batch = start_batch(roster, tmp_path / "out", notebooks)
    until = time.monotonic() + 100
    while len(job_processes(batch.pid)) < 2:
        assert batch.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    processes = job_processes(batch.pid)
    batch.send_signal(signal.SIGINT)
    assert batch.wait(timeout=15) != 0
    assert psutil.wait_procs(processes, timeout=5)[1] == []


def start_report(out: Path, notebooks: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "lab_utils", "report", "--notebooks", str(notebooks), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


ENDLESS = "import time; time.sleep(1000)"


two_cores = pytest.mark.skipif(machine.cores() < 2, reason="one notebook at a time")


@two_cores
def test_a_notebook_that_fails_ends_those_beside_it_and_is_named(tmp_path):
    report = start_report(tmp_path / "out", make_series(tmp_path / "n", lab=ENDLESS, post="1 / 0"))
    _, told = report.communicate(timeout=100)
    assert report.returncode == 1 and "03_post_lab: cell" in told and "ZeroDivisionError" in told
    assert "03_post_lab.failed.ipynb" in {path.name for path in (tmp_path / "out").iterdir()}
    assert list(files.home().glob("scratch/*")) == []


@two_cores
def test_a_report_that_is_interrupted_stops_at_once_and_goes_on_with_what_was_done(tmp_path):
    count, waits = tmp_path / "count", tmp_path / "waits"
    waits.touch()
    endless = f"import time\nfrom pathlib import Path\nwhile Path({str(waits)!r}).exists():\n    time.sleep(0.1)"
    notebooks = make_series(tmp_path / "n", post=f"open({str(count)!r}, 'a').write('x')", lab=endless, pre=endless)
    report, until = start_report(tmp_path / "out", notebooks), time.monotonic() + 100
    while not (tmp_path / "out" / "03_post_lab.ipynb").exists() or len(job_processes(report.pid)) < 4:
        assert report.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    processes = job_processes(report.pid)
    report.send_signal(signal.SIGINT)
    report.communicate(timeout=15)
    assert report.returncode != 0 and psutil.wait_procs(processes, timeout=5)[1] == []
    assert list(files.home().glob("scratch/*")) == []
    waits.unlink()
    assert start_report(tmp_path / "out", notebooks).wait(timeout=100) == 0
    assert count.read_text() == "x" and {path.name for path in (tmp_path / "out").iterdir()} > NOTEBOOK_FILES
