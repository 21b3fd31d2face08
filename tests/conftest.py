"""Tests train for real, and leave the user's cache of results alone."""

import faulthandler
import os
import signal
from pathlib import Path

import pytest

os.environ["DAE_LAB_USE_CACHE"] = "0"
SHARE = str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
"""Cores of each of pytest's workers."""
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # threads that outnumber the cores spin for minutes
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = SHARE
# A background job of a script has SIGINT ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
faulthandler.enable()


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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A notebook that is compared spreads over no more cores than its worker has."""
    if item.path.suffix == ".ipynb":
        os.environ["LOKY_MAX_CPU_COUNT"] = SHARE
    else:
        os.environ.pop("LOKY_MAX_CPU_COUNT", None)
