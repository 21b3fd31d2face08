"""The run store gives back what was put in, or nothing: never half of it, never too much, never twice the work."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab_utils import store
from lab_utils.store import Entry, Kept

KEPT = Kept({"history": {"loss": [0.1, 1 / 3]}}, {"model": [np.arange(12.0).reshape(3, 4), np.array(7, np.uint32)]})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAE_LAB_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def filled(name: str, limit: int = store.LIMIT, size: int = 1000) -> Entry:
    entry = Entry({"name": name}, limit)
    entry.write("result", Kept({}, {"model": [np.zeros(size, np.uint8)]}))
    return entry


def test_what_was_stored_comes_back():
    entry = Entry({"seed": 1})
    assert entry.read("result") is None
    entry.write("result", KEPT)
    record, arrays = Entry({"seed": 1}).read("result")
    assert record == KEPT.record
    for stored, array in zip(arrays["model"], KEPT.arrays["model"], strict=True):
        np.testing.assert_array_equal(stored, array)
        assert stored.dtype == array.dtype
    assert Entry({"seed": 2}).read("result") is None


def test_many_arrays_keep_their_order():
    entry = Entry({})
    entry.write("result", Kept({}, {"model": [np.array(i) for i in range(120)]}))
    assert [int(array) for array in entry.read("result").arrays["model"]] == list(range(120))


@pytest.mark.parametrize("position", [0, 5, 100, -1])
def test_a_damaged_entry_is_no_entry(position):
    entry = Entry({})
    entry.write("result", KEPT)
    content = bytearray(entry.path("result").read_bytes())
    content[position] ^= 1
    entry.path("result").write_bytes(content)
    assert entry.read("result") is None
    assert not entry.path("result").exists()


def test_a_truncated_entry_is_no_entry():
    entry = Entry({})
    entry.write("result", KEPT)
    for length in (0, 10, 200):
        entry.path("result").write_bytes(entry.path("result").read_bytes()[:length] if length else b"")
        assert entry.read("result") is None
        entry.write("result", KEPT)


def test_the_result_replaces_the_checkpoint(folder):
    entry = Entry({})
    entry.write("checkpoint", KEPT)
    entry.write("result", KEPT)
    assert entry.read("checkpoint") is None
    assert [path.suffix for path in folder.iterdir()] == [".result"]


def test_the_longest_unused_go_when_the_room_is_full(folder):
    one, two, three = (filled(name) for name in ("one", "two", "three"))
    for age, entry in ((30, one), (20, two), (10, three)):
        os.utime(entry.path("result"), (time.time() - age,) * 2)
    one.read("result")  # used now
    room = sum(path.stat().st_size for path in folder.iterdir())
    four = filled("four", limit=room)
    assert [entry.path("result").exists() for entry in (one, two, three, four)] == [True, False, True, True]
    five = filled("five", limit=1)
    assert [path for path in folder.iterdir() if path.stat().st_size] == [five.path("result")]


def test_a_store_that_cannot_be_written_costs_nothing_but_the_store(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DAE_LAB_STORE", str(tmp_path / "file" / "store"))
    entry = Entry({})
    with entry.lock():
        entry.write("result", KEPT)
    assert entry.read("result") is None


@pytest.mark.parametrize(
    ("environment", "wish", "expected"),
    [
        ({}, None, True),
        ({"CI": "true"}, None, False),
        ({"DAE_LAB_USE_STORE": "0"}, None, False),
        ({"CI": "true", "DAE_LAB_USE_STORE": "1"}, None, True),
        ({"CI": "true"}, True, True),
        ({}, False, False),
    ],
)
def test_who_uses_the_store(monkeypatch, environment, wish, expected):
    for name in ("CI", "DAE_LAB_USE_STORE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert store.enabled(wish) is expected


def test_digests_see_shape_dtype_and_every_byte():
    base = np.arange(6, dtype=np.int16)
    others = [base.reshape(2, 3), base.astype(np.int32), base[::-1], base[:5]]
    assert store.digest([base]) == store.digest([base.copy()])
    assert len({store.digest([array]) for array in [base, *others]}) == 5
    assert store.digest([base.reshape(2, 3).T]) == store.digest([base.reshape(2, 3).T.copy()])


def test_a_table_is_made_once_and_comes_back_to_the_last_bit(folder):
    made = []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"name": ["a", "b"], "count": [1, 2], "value": [1 / 3, float("nan")]})

    first, second = (store.table({"n": 1}, make, use_store=True) for _ in range(2))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert len(made) == 1
    store.table({"n": 2}, make, use_store=True)
    store.table({"n": 1}, make, use_store=False)
    assert len(made) == 3
    for path in folder.glob("*.result"):
        path.write_bytes(path.read_bytes()[:-1])
    pd.testing.assert_frame_equal(store.table({"n": 1}, make, use_store=True), first)
    assert len(made) == 4


WORKER = """
import time
from pathlib import Path
import numpy as np
from lab_utils.store import Entry, Kept

entry = Entry({"shared": 1})
with entry.lock():
    if entry.read("result"):
        print("waited")
    else:
        print("made", flush=True)
        time.sleep(1)
        entry.write("result", Kept({}, {"model": [np.zeros(3)]}))
"""


def test_processes_that_need_the_same_run_make_it_once(folder):
    workers = [subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(worker.communicate(timeout=60)[0].strip() for worker in workers)
    assert said == ["made", "waited", "waited"]
    assert [path.suffix for path in folder.iterdir()] == [".result"]


def test_a_killed_maker_lets_the_next_one_go_on():
    dying = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True)
    assert dying.stdout.readline().strip() == "made"
    dying.kill()
    dying.wait()
    again = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=60)
    assert again.stdout.strip() == "made"
