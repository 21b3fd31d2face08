"""A map gives every job its result, wherever it runs; its processes end with it, however it ends."""

import os
import signal
import subprocess
import sys
import time

import jobs_for_maps as jobs
import psutil
import pytest

from lab_utils import machine
from lab_utils.errors import LabError
from lab_utils.mapping import Map


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_gets_its_result(workers):
    with Map(shared=100, workers=workers) as run:
        assert dict(run(jobs.square, [1, 2, 3])) == {1: 101, 2: 104, 3: 109}
        assert dict(run(jobs.square, [4])) == {4: 116}
        assert dict(run(jobs.square, [])) == {}


def test_the_cores_are_shared():
    with Map(workers=2) as run:
        assert {said for _, said in run(jobs.threads, [1, 2])} == {str(max(1, machine.cores() // 2))}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_job_is_raised_as_it_is(workers):
    with pytest.raises(ValueError, match="not three"), Map(workers=workers) as run:
        list(run(jobs.fail, [1, 2, 3, 4]))


def test_a_process_that_is_killed_is_replaced(tmp_path):
    with Map(workers=2) as run:
        assert dict(run(jobs.die_once, [str(tmp_path / "a"), str(tmp_path / "b")])).keys()


def test_a_job_that_kills_every_process_is_lost_and_the_others_are_not():
    with pytest.raises(LabError, match="killed"), Map(workers=2) as run:
        list(run(jobs.die, [1, 2]))
    with Map(workers=2, on_lost=lambda job, why: why) as run:
        found = dict(run(jobs.die, [0, 1, 2, 3]))
    assert "killed" in found[1] and {0, 2, 3} >= {job for job, result in found.items() if result == job} > set()


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
import jobs_for_maps as jobs
from lab_utils.mapping import Map
if __name__ == "__main__":
    with Map(workers=2) as run:
        list(run(jobs.sleep, [sys.argv[1] + "/a", sys.argv[1] + "/b"]))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT] + ([signal.SIGKILL] if os.name != "nt" else []))
def test_its_processes_end_with_it(tmp_path, how):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    parent = subprocess.Popen([sys.executable, program, tmp_path, os.path.dirname(jobs.__file__)])
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("*.pid"))) < 2:
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    workers = [psutil.Process(int(path.stem)) for path in tmp_path.glob("*.pid")]
    parent.send_signal(how)
    parent.wait(timeout=20)
    assert psutil.wait_procs(workers, timeout=10)[1] == []
