"""The cache gives back what was put in, or nothing: never half of it, nothing stale, nobody else's, never too much."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lab_utils import cache
from lab_utils.errors import LabError

VALUE = {"history": {"loss": [0.1, 1 / 3]}, "weights": np.arange(12.0).reshape(3, 4), "state": np.array(7, np.uint32)}
NAME = "0" * 64


@pytest.fixture
def folder(own_cache) -> Path:
    return own_cache / "results"


def name(number: int) -> str:
    return f"{number:064x}"


def test_what_was_put_in_comes_back(folder):
    assert cache.get(NAME) is None
    cache.put(NAME, VALUE)
    kept = cache.get(NAME)
    assert kept["history"] == VALUE["history"]
    for part in ("weights", "state"):
        np.testing.assert_array_equal(kept[part], VALUE[part])
        assert kept[part].dtype == VALUE[part].dtype
    assert cache.get(name(1)) is None
    assert sorted(path.name for path in folder.iterdir()) == [f"{NAME}.entry", cache.TAG]


@pytest.mark.parametrize("position", [0, 5, 100, -1])
def test_a_damaged_entry_is_computed_again(folder, position):
    cache.put(NAME, VALUE)
    path = folder / f"{NAME}.entry"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    assert cache.get(NAME) is None
    cache.put(NAME, VALUE)
    assert cache.get(NAME) is not None


@pytest.mark.parametrize("content", [b"", b"x" * 10, b"x" * 200])
def test_a_file_that_is_no_entry_is_computed_again(folder, content):
    cache.put(NAME, VALUE)
    (folder / f"{NAME}.entry").write_bytes(content)
    assert cache.get(NAME) is None


def test_an_entry_without_its_json_is_computed_again(folder):
    """The checksum is right, the content is not what an entry holds."""
    import hashlib
    import io

    stream = io.BytesIO()
    np.savez(stream, other=np.zeros(3))
    cache.put(name(1), VALUE)
    (folder / f"{NAME}.entry").write_bytes(hashlib.sha256(stream.getvalue()).digest() + stream.getvalue())
    assert cache.get(NAME) is None
    assert cache.remember(lambda: {"n": 1}, "lab_utils.noise", [1]) == {"n": 1}


def test_a_pickle_is_never_loaded(folder):
    import hashlib
    import io

    stream = io.BytesIO()
    np.savez(stream, json=np.array("{}"), **{"array/x": np.array([print], dtype=object)})
    cache.put(name(1), VALUE)
    (folder / f"{NAME}.entry").write_bytes(hashlib.sha256(stream.getvalue()).digest() + stream.getvalue())
    assert cache.get(NAME) is None


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
def test_somebody_elses_entry_is_not_trusted(folder):
    cache.put(NAME, VALUE)
    os.chown(folder / f"{NAME}.entry", 12345, 12345)
    assert cache.get(NAME) is None


def test_the_longest_unused_go_when_the_limit_is_reached(folder, monkeypatch):
    for number in (1, 2, 3):
        cache.put(name(number), {"part": np.zeros(1000)})
        os.utime(folder / f"{name(number)}.entry", (time.time() - 100 + number,) * 2)
    cache.get(name(1))  # used now
    monkeypatch.setattr(cache, "LIMIT", sum(path.stat().st_size for path in folder.glob("*.entry")))
    cache.put(name(4), {"part": np.zeros(1000)})
    assert [(folder / f"{name(number)}.entry").exists() for number in (1, 2, 3, 4)] == [True, False, True, True]
    monkeypatch.setattr(cache, "LIMIT", 1)
    cache.put(name(5), {"part": np.zeros(1000)})
    assert [path.name for path in folder.glob("*.entry")] == [f"{name(5)}.entry"]


def test_a_persons_folder_is_refused_and_left_as_it_is(folder, monkeypatch):
    """Should: only ever delete what carries the cache's own names, and refuse a folder that is not its own."""
    folder.mkdir(parents=True)
    (folder / "thesis.docx").write_bytes(b"x" * 5000)
    monkeypatch.setattr(cache, "LIMIT", 1)
    for use in (lambda: cache.get(NAME), lambda: cache.put(NAME, VALUE)):
        with pytest.raises(LabError, match="not the cache's"):
            use()
    assert [path.name for path in folder.iterdir()] == ["thesis.docx"]


def test_files_that_a_person_adds_later_stay(folder, monkeypatch):
    cache.put(NAME, VALUE)
    (folder / "notes.txt").write_text("mine")
    monkeypatch.setattr(cache, "LIMIT", 1)
    cache.put(name(1), VALUE)
    assert (folder / "notes.txt").read_text() == "mine" and not (folder / f"{NAME}.entry").exists()


def test_a_cache_that_cannot_be_written_costs_only_time(own_cache, caplog):
    own_cache.write_text("a file where the folder should be")
    cache.put(NAME, VALUE)
    assert cache.get(NAME) is None and "could not be kept" in caplog.text


def test_what_a_killed_process_left_unfinished_goes(folder):
    cache.put(NAME, VALUE)
    program = "import os; from lab_utils import files; print(files.HOST, os.getpid())"
    host, process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.split()
    (folder / f".{host}-{process}-1-{NAME}.entry.part").write_bytes(b"half")
    (folder / f".{host}-{os.getpid()}-1-{NAME}.entry.part").write_bytes(b"at work")
    cache.put(name(1), VALUE)
    assert [path.name for path in folder.glob(".*")] == [f".{host}-{os.getpid()}-1-{NAME}.entry.part"]


@pytest.mark.parametrize(
    ("environment", "wish", "expected"), [(None, None, True), ("0", None, False), ("1", None, True), ("0", True, True)]
)
def test_who_uses_the_cache(monkeypatch, environment, wish, expected):
    monkeypatch.delenv("DAE_LAB_USE_CACHE")
    if environment:
        monkeypatch.setenv("DAE_LAB_USE_CACHE", environment)
    assert cache.enabled(wish) is expected


# Keys


@dataclass(frozen=True)
class How:
    rate: float
    kind: str = "gaussian"


def test_a_key_sees_every_input():
    base = np.arange(6, dtype=np.int16)
    inputs = [
        *(base, base.reshape(2, 3), base.astype(np.int32), base[::-1], base[:5], base.astype(">i2")),
        *(1, 1.5, True, None, "1", [1], {"1": 1}, {"1": 2}, How(1.0), How(1.0, "speckle"), [How(1.0)]),
        pd.DataFrame({"a": [1]}),
        pd.DataFrame({"b": [1]}),
    ]
    keys = [cache.key("lab_utils.noise", each) for each in inputs]
    assert len(set(keys)) == len(keys)
    assert keys == [cache.key("lab_utils.noise", each) for each in inputs]
    assert cache.key("lab_utils.noise", base) == cache.key("lab_utils.noise", base.copy())
    assert cache.key("lab_utils.noise", base) != cache.key("lab_utils.metrics", base)


@given(arrays.arrays(np.uint8, (3, 4)), st.integers(0, 11))
def test_a_digest_sees_every_byte(array, place):
    other = array.copy()
    other.flat[place] ^= 1
    assert cache.array_digest(array) != cache.array_digest(other)
    assert cache.array_digest(array.T) == cache.array_digest(array.T.copy())


def test_threads_do_not_count(monkeypatch):
    before = cache.key("lab_utils.noise", 1)
    for variable in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.setenv(variable, "1")
    assert cache.key("lab_utils.noise", 1) == before
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert cache.key("lab_utils.noise", 1) != before


@pytest.mark.parametrize("value", [lambda x: x, object(), {1, 2}, np.array([print], dtype=object)])
def test_what_cannot_be_fingerprinted_is_computed_every_time(own_cache, value):
    made = []
    for _ in range(2):
        cache.remember(lambda: made.append(1) or {"n": 1}, "lab_utils.noise", [value])
    assert len(made) == 2


def test_the_code_is_followed_through_its_imports():
    sources = cache.read_sources()
    start = cache.code_digest(["lab_utils.training"], sources)
    for module in ("lab_utils.noise", "lab_utils.training.loop", "lab_utils.training.run", "lab_utils.models"):
        changed = cache.code_digest(["lab_utils.training"], sources | {module: sources[module] + b"\n# changed"})
        assert changed != start, module
    for module in ("lab_utils.cli", "lab_utils.report.html", "lab_utils.course.batch"):
        changed = cache.code_digest(["lab_utils.training"], sources | {module: sources[module] + b"\n# changed"})
        assert changed == start, module


def test_every_library_that_computes_is_in_the_key():
    """What the modules behind a training, a score and a trial import, held against ``machine.LIBRARIES``."""
    import ast
    import importlib.metadata

    from lab_utils import machine

    do_not_compute = {"sqlalchemy", "tqdm", "platformdirs", "psutil", "joblib", "pydantic", "filelock", "threadpoolctl"}
    do_not_compute |= {"pooch", "tabulate", "matplotlib", "cycler", "ipython", "ipywidgets", "click", "distributed"}
    owners = importlib.metadata.packages_distributions()
    sources = cache.read_sources()
    waiting, reached = (
        ["lab_utils.study.trial", "lab_utils.training", "lab_utils.features", "lab_utils.baselines"],
        set(),
    )
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting += cache.imported_modules(sources[module].decode(), sources) - reached
    for module in reached:
        for node in ast.walk(ast.parse(sources[module])):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for imported in {each.split(".")[0] for each in names} - {"lab_utils"}:
                libraries = {owner.lower() for owner in owners.get(imported, [])}
                assert not libraries or libraries & ({*machine.LIBRARIES} | do_not_compute), f"{module}: {imported}"


def test_a_table_is_made_once_and_comes_back_to_the_last_bit(folder):
    made = []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"name": ["a", "b"], "count": [1, 2], "value": [1 / 3, float("nan")]})

    first, second = (cache.remember_table(make, "lab_utils.noise", [1]) for _ in range(2))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert len(made) == 1
    cache.remember_table(make, "lab_utils.noise", [2])
    assert len(made) == 2


WRITER = """
import sys, numpy as np
from lab_utils import cache
for i in range(30):
    cache.put("0" * 64, {"part": np.full(50_000, 7.0)})
    value = cache.get("0" * 64)
    assert value is not None and (value["part"] == 7).all()
"""


def test_processes_that_write_the_same_entry_never_show_half_of_it(folder):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER], stderr=subprocess.PIPE) for _ in range(3)]
    assert [writer.communicate(timeout=100)[1] for writer in writers] == [b""] * 3
    assert [path.name for path in folder.glob(".*")] == []
