"""Progress in a notebook's page: a bar that moves, and nothing that is left of it."""

import nbformat
from nbclient import NotebookClient

from lab_utils.progress import progress

WORK = """
import time
from lab_utils.progress import progress
with progress(3, "trial") as bar:
    for i in range(3):
        time.sleep(0.6)
        bar.set_postfix_str("best <b>", refresh=False)
        bar.update()
"""


class Watched(NotebookClient):
    """A client that keeps what a page would have shown."""

    seen: tuple[dict, ...] = ()

    def process_message(self, message, cell, place):
        self.seen += (message["content"]["data"],) if "data" in message["content"] else ()
        return super().process_message(message, cell, place)


def watch(monkeypatch, **environment: str) -> tuple[tuple[dict, ...], list]:
    for name in ("CI", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WORK)])
    client = Watched(notebook, kernel_name="python3")
    client.execute()
    return client.seen, notebook.cells[0].outputs


def test_a_bar_moves_in_the_page_and_leaves_nothing(monkeypatch):
    seen, left = watch(monkeypatch, JPY_SESSION_NAME="x.ipynb")
    said = [data["text/plain"] for data in seen]
    assert said[0] == "0 of 3 trials" and said[-2].startswith("3 of 3 trials, 00:00 left, best <b>")
    assert 'max="3"' in seen[-2]["text/html"] and "best &lt;b&gt;" in seen[-2]["text/html"]
    assert [output["data"] for output in left] == [{"text/html": "", "text/plain": ""}]


def test_where_nobody_watches_there_is_no_bar(monkeypatch):
    assert watch(monkeypatch) == ((), [])
    assert watch(monkeypatch, CI="1", JPY_SESSION_NAME="x.ipynb") == ((), [])


def test_in_a_terminal_it_is_one_line_that_goes(capsys):
    with progress(2, "run", show=True) as bar:
        bar.update(2)
    assert "0/2" in (said := capsys.readouterr().err) and said.endswith("\r")
