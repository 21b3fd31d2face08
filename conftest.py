"""For tests and compared notebooks alike: they train for real, and leave the user's cache of results alone."""

import faulthandler
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["DAE_LAB_USE_CACHE"] = "0"
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
SHARE = str(max(1, (os.cpu_count() or 1) // WORKERS))
"""Cores of each of pytest's workers."""
if WORKERS > 1:  # threads that outnumber the cores spin for minutes
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = SHARE
# A background job of a script has SIGINT ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
faulthandler.enable()
gc.disable()  # while a million objects of libraries are imported that stay


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, in use."""
    monkeypatch.setenv("DAE_LAB_USE_CACHE", "1")
    monkeypatch.setenv("DAE_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


LONGEST = ("03_post_lab.ipynb", "02_in_lab.ipynb", "01_pre_lab.ipynb", "test_study.py")
LONGEST += ("test_in_lab.py", "test_machines.py", "test_report_explosive.py", "test_course.py")
LONGEST += ("test_verdicts.py", "test_running.py", "test_repeat.py", "test_report_hostile.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """The kernel of a notebook that is compared, which starts here, has no more cores than its worker."""
    with pytest.MonkeyPatch.context() as environment:
        if WORKERS > 1 and item.path.suffix == ".ipynb":
            environment.setenv("LOKY_MAX_CPU_COUNT", SHARE)
        return (yield)
