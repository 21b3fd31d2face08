"""The same class through a Dask scheduler and two worker processes on loopback, one of them killed midway."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from small_notebooks import job_processes, make_series
from test_course import assert_whole, read_summary, write_roster

from lab_utils.course.batch import run_class
from lab_utils.course.collect import collect
from lab_utils.course.names import folder_name
from lab_utils.errors import LabError
from lab_utils.running import check

pytest.importorskip("distributed")


def start(*command: str, folder) -> subprocess.Popen:
    log = open(folder / f"{command[0]}-{time.monotonic_ns()}.log", "wb")  # noqa: SIM115
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{command[0]}", *command[1:]],
        stdout=log,
        stderr=log,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        start_new_session=True,
    )


@pytest.fixture
def scheduler(tmp_path):
    folder = tmp_path / "dask"
    folder.mkdir()
    file = folder / "scheduler.json"
    process = start(
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
        folder=folder,
    )
    while not file.exists() or not file.read_text():
        assert process.poll() is None
        time.sleep(0.1)
    address = re.search(r"tcp://[\d.:]+", file.read_text())[0]
    workers: list[subprocess.Popen] = []

    def add_worker(*options: str) -> subprocess.Popen:
        limits = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        workers.append(start("worker", address, *limits, *options, folder=folder))
        return workers[-1]

    yield address, add_worker
    for each in [*workers, process]:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
    for each in [*workers, process]:
        each.wait()


def test_a_worker_is_killed_and_the_summary_is_that_of_one_machine(tmp_path, scheduler):
    address, add_worker = scheduler
    workers = [add_worker("--resources", "slot=1") for _ in range(2)]
    students = [("../x", "One"), ("raises", "Two")]
    roster = write_roster(tmp_path / "r.csv", students)
    notebooks = make_series(tmp_path / "nb", lab="if student_id == 'raises': raise ValueError('mine')")
    most = []

    def kill_one_worker():
        while not all(job_processes(worker.pid) for worker in workers):
            time.sleep(0.05)
        most.append(max(len([p for p in job_processes(w.pid) if "child" in " ".join(p.cmdline())]) for w in workers))
        processes = job_processes(workers[0].pid)
        workers[0].kill()
        most.append(len(psutil.wait_procs(processes, timeout=5)[1]))

    killer = threading.Thread(target=kill_one_worker)
    killer.start()
    results = run_class(roster, tmp_path / "dask-out", notebooks, scheduler=address)
    killer.join()
    assert most == [1, 0]  # one job in one slot; nothing outlives its worker
    assert [result.status for result in results] == ["complete", "raised"]
    assert_whole(tmp_path / "dask-out", students[:1])

    here = run_class(roster, tmp_path / "out", notebooks, workers=2)
    assert [r.status for r in here] == [r.status for r in results]
    same = [
        [{k: v for k, v in row.items() if k != "minutes"} for row in read_summary(tmp_path / out)]
        for out in ("dask-out", "out")
    ]
    assert same[0] == same[1]


def test_workers_without_slots_and_no_scheduler_are_told_not_waited_for(tmp_path, scheduler):
    address, add_worker = scheduler
    add_worker()
    roster = write_roster(tmp_path / "r.csv", [("1", "One")])
    notebooks = make_series(tmp_path / "nb")
    with pytest.raises(LabError, match="offers a slot"):
        run_class(roster, tmp_path / "out", notebooks, scheduler=address)
    with pytest.raises(LabError, match="No Dask scheduler"):
        run_class(roster, tmp_path / "out", notebooks, scheduler="nowhere")


def test_submissions_are_run_again_on_the_cluster_as_here(tmp_path, scheduler):
    address, add_worker = scheduler
    add_worker("--resources", "slot=1")
    notebooks = make_series(tmp_path / "nb")
    text = (notebooks / "01_pre_lab.ipynb").read_text()
    (tmp_path / "in").mkdir()
    own = text.replace('student_id = \\"\\"', 'student_id = \\"../2\\"')
    (tmp_path / "in" / "x2.ipynb").write_text(own)
    roster = write_roster(tmp_path / "r.csv", [("../2", "Two"), ("3", "Three")])
    tables = []
    for where in ({"scheduler": address}, {"workers": 1}):
        out = tmp_path / f"out-{len(tables)}"
        rows = collect(tmp_path / "in", roster, out, notebooks, part="pre-lab", **where)
        assert [row.status for row in rows] == ["complete", "missing"]
        assert check.problems(out / folder_name("../2") / "01_pre_lab.ipynb", notebook="01_pre_lab") == []
        tables.append((out / "collected.csv").read_bytes())
    assert tables[0] == tables[1]
