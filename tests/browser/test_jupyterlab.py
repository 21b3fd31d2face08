"""The notebooks as a student meets them: in JupyterLab, in a browser, with "Run All Cells"."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import nbformat
import psutil
import pytest
from browsing import ROOT, SECONDS, shoot
from playwright.sync_api import Page, expect
from small_notebooks import make_notebook

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
SETTINGS = {
    "apputils-extension/themes": {"adaptive-theme": True},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
"""The theme follows the browser's colour scheme; no questions; every cell is in the page."""
BODY = """\
import numpy as np
from lab_utils import figures
figures.use_style()
figures.digit_rows({"half": np.full((3, 28, 28), 0.5), "clean": np.ones((3, 28, 28))}, title="Three squares");
"""
STATE = """() => {
  const cells = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell")];
  if (document.querySelector('.jp-Notebook [data-mime-type="application/vnd.jupyter.error"]')) return "error";
  const written = cells.filter(cell => cell.querySelector(".cm-content").textContent.trim());
  const done = cell => /\\[\\d+\\]/.test(cell.querySelector(".jp-InputPrompt").textContent);
  return written.length && written.every(done) ? "done" : "";
}"""


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a JupyterLab of its own on a copy of the notebooks: "{}" is where a notebook's name belongs."""
    home = tmp_path_factory.mktemp("jupyterlab")
    folder = Path(shutil.copytree(ROOT / "notebooks", home / "notebooks"))
    small = make_notebook(folder / "small.ipynb", BODY)
    notebook = nbformat.read(small, as_version=4)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, small)
    for name, values in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    own |= {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    token = secrets.token_hex(16)
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    with open(home / "log", "wb") as log:
        server = psutil.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | {name: str(home / part) for name, part in own.items()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api?token={token}", server, home / "log")
        yield f"{address}/lab/tree/{{}}.ipynb?token={token}&reset"
    finally:
        family = [server, *server.children(recursive=True)]
        server.terminate()
        _, left = psutil.wait_procs(family, timeout=20)
        for process in left:
            process.kill()
        assert psutil.wait_procs(left, timeout=10)[1] == []


def _wait_for(address: str, server: psutil.Popen, log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        assert server.poll() is None, log.read_text(errors="replace")
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            assert time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.2)


def _ready(page: Page) -> None:
    page.get_by_text("(ipykernel) | Idle").wait_for(timeout=60 * SECONDS)  # else "Run" asks for a kernel


def _choose(page: Page, menu: str, item: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def _run_all(page: Page, minutes: float) -> None:
    _choose(page, "Edit", "Clear Outputs of All Cells")
    assert page.evaluate(STATE) == ""
    _choose(page, "Run", "Run All Cells")
    ended = page.wait_for_function(STATE, timeout=minutes * 60 * SECONDS, polling=500).json_value()
    wrong = page.locator('.jp-Notebook [data-mime-type^="application/vnd.jupyter.std"]')
    errors = page.locator('.jp-Notebook [data-mime-type="application/vnd.jupyter.error"]')
    assert ended == "done", errors.all_inner_texts()
    stderr = [one.inner_text() for one in wrong.all() if "stderr" in one.get_attribute("data-mime-type")]
    assert stderr == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_notebook_runs(jupyterlab, scheme, open_page):
    page = open_page(jupyterlab.format("small"), scheme=scheme)
    _ready(page)
    _run_all(page, minutes=2)
    picture = page.locator(".jp-Notebook .jp-RenderedImage img")
    assert picture.count() == 1 and picture.bounding_box()["width"] > 200
    assert page.evaluate("document.body.dataset.jpThemeLight") == str(scheme == "light").lower()
    shoot(page, f"jupyterlab-small-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pre_lab_opens_with_its_results(jupyterlab, scheme, open_page):
    page = open_page(jupyterlab.format("01_pre_lab"), scheme=scheme)
    shown = nbformat.read(ROOT / "notebooks" / "01_pre_lab.ipynb", as_version=4).cells
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(shown), timeout=60 * SECONDS)
    pictures = page.locator(".jp-Notebook .jp-RenderedImage img")
    drawn = sum("image/png" in out.get("data", {}) for cell in shown for out in cell.get("outputs", []))
    expect(pictures).to_have_count(drawn, timeout=30 * SECONDS)
    shoot(page, f"jupyterlab-pre-lab-{scheme}")
    pictures.first.scroll_into_view_if_needed()
    shoot(page, f"jupyterlab-pre-lab-figure-{scheme}")


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_of_the_lab_runs(jupyterlab, name, open_page, request):
    if not request.config.getoption("--all"):
        pytest.skip("takes minutes; run by --all")
    page = open_page(jupyterlab.format(name))
    _ready(page)
    _run_all(page, minutes=20)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.locator(".jp-Notebook .jp-RenderedImage img").last.scroll_into_view_if_needed()
        page.wait_for_timeout(2 * SECONDS)
        shoot(page, f"jupyterlab-{name}-{scheme}")
