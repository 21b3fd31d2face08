"""A real browser for the tests of this folder: Chromium of the system, without a window, through Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from test_marks import ITEMS, class_of

from lab_utils import facts
from lab_utils.course.marks import open_marks, save_marks
from lab_utils.course.overview import write_overview
from lab_utils.course.student import Result
from lab_utils.course.summary import write_summary
from lab_utils.report import html
from lab_utils.report.compose import compose
from lab_utils.report.evidence import KEY
from lab_utils.verdicts.hypotheses import HYPOTHESES

ROOT = Path(__file__).parent.parent.parent
SHOTS = ROOT / "build" / "browser"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 1000
"""Milliseconds, as Playwright counts."""

Open = Callable[..., Page]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run all three notebooks in JupyterLab, which takes minutes")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        names = ", ".join(CHROMIUM)
        pytest.exit(
            f"No Chromium was found: none of {names} is on the PATH.\n"
            "Install one (Debian, Ubuntu: apt-get install chromium; macOS: brew install --cask google-chrome), then "
            "`make browser` again.",
            returncode=2,
        )
    as_root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=as_root, timeout=60 * SECONDS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """A function that opens an address at a width in a colour scheme; what the page complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(address: str, width: int = 1280, scheme: str = "light", *, strict: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=not strict, locale="en"
        )
        contexts.append(context)
        context.set_default_timeout(30 * SECONDS)
        page = context.new_page()
        if strict:
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address, wait_until="load")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the HTML report of the committed notebooks."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    html.write(compose(ROOT / "notebooks"), path)
    return path.as_uri()


@pytest.fixture(scope="session")
def index_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a class's index: students that are complete, one that failed with a long message."""
    out = tmp_path_factory.mktemp("class")
    fact = {"id": "gain", "claim": "Denoising raises the PSNR", "measured": 8.5, "unit": "dB", "verdict": facts.HOLDS}
    named = [("0012345", "Asha Rao"), ("0012346", "محمد علي"), ("0012350", "Zoë Ångström"), ("0012347", "தமிழ்ச்செல்வி")]
    results = [
        Result(
            student_id,
            name,
            out / student_id,
            "complete",
            seconds={"01_pre_lab": 60.0 * minutes},
            records={name: {"facts": [fact | {"measured": minutes}]} for name in ("01_pre_lab", "02_in_lab")},
            unanswered=tuple(f"viva-{n}" for n in range(minutes)),
        )
        for minutes, (student_id, name) in enumerate(named, start=9)
    ]
    message = "Cell 7 of 02_in_lab.ipynb failed.\nMemoryError: Unable_to_allocate_" + "a_very_long_word_" * 12
    results.insert(2, Result("0012340", "Kim Lee", out / "0012340", "failed", message))
    write_summary(results, out)
    return (out / "index.html").as_uri()


@pytest.fixture(scope="session")
def class_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of a class that has handed in: pooled effects, marks, one of everything to look at."""
    out = tmp_path_factory.mktemp("collected")
    made = class_of({f"{n:07d}": f"Student {n}" for n in range(1, 9)})
    for n, row in enumerate(made.students.values()):
        row.effects = {each.id: (n + 1.0, n + 0.2, n + 1.8) for each in HYPOTHESES[:6]}
        row.effects |= {id: (8.5 - n / 10, 8.1, 8.9) for id in KEY}
    first, second, third, *_ = made.rows
    first.unanswered = ITEMS[:3]
    second.changes, second.numbers = {"01_pre_lab/body": ["-1", "+2"]}, ["gain: handed in 3.5, run again 3"]
    third.status, third.notes = "timeout", ["a_very_long_word_" * 12]
    marks = open_marks(out, made)
    marks.change(first.student_id, ITEMS[0], 2.5)
    save_marks(out, marks)
    write_overview(made, out)
    return (out / "index.html").as_uri()


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the whole page."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True, timeout=60 * SECONDS)
