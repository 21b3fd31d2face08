"""A real browser: Chromium of the system, without a window, through Playwright; and the marking page to open in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parent.parent
SHOTS = ROOT / "build" / "browser"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 1000
"""Milliseconds, as Playwright counts."""

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        names = ", ".join(CHROMIUM)
        pytest.exit(
            f"No Chromium was found: none of {names} is on the PATH.\n"
            "Install one (Debian, Ubuntu: apt-get install chromium; macOS: brew install --cask google-chrome), then "
            "do this again.",
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


@contextmanager
def served(folder: Path, *options: object) -> Iterator[str]:
    """The address of the marking page; the command is killed at the end."""
    command = [sys.executable, "-m", "lab_utils", "mark", str(folder), "--no-open", *map(str, options)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(line.strip() for line in process.stdout if line.startswith("http://"))
        finally:
            process.kill()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the whole page."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True, timeout=60 * SECONDS)
