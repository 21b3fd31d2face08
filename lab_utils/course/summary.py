"""What became of a class, for people: ``summary.csv`` for a spreadsheet, ``index.html`` for a browser."""

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from lab_utils.course.names import spreadsheet_text
from lab_utils.course.numbers import KEY_NAMES, with_interval
from lab_utils.course.student import Result
from lab_utils.facts import HOLDS
from lab_utils.files import put

STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --paper: #fff; --head: #eef0f3; --hair: #c3c9d1; --link: #0b4f7a;
  --failed: #a3001c; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e4e7eb; --paper: #181b20; --head: #282d35; --hair: #434a54; --link: #86c5ec;
    --failed: #ff9aa2; }
}
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: var(--ink); background: var(--paper); }
table { border-collapse: collapse; }
caption { text-align: left; padding: .3rem 0 .6rem; }
th, td { border: 1px solid var(--hair); padding: .35rem .6rem; text-align: left; vertical-align: top; }
thead th { background: var(--head); padding: 0; }
tbody th { font-weight: normal; }
thead.plain th { padding: .35rem .6rem; }
img { max-width: 100%; height: auto; background: #fff; }
small { opacity: .85; }
button { font: inherit; font-weight: bold; color: inherit; background: none; border: 0; padding: .35rem .6rem;
  width: 100%; text-align: left; cursor: pointer; }
[aria-sort=ascending] button::after { content: " \\25B2"; }
[aria-sort=descending] button::after { content: " \\25BC"; }
a { color: var(--link); margin-right: .4rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: -2px; }
td.failed { color: var(--failed); font-weight: bold; }
.remark, td.message { white-space: pre-wrap; overflow-wrap: anywhere; }
td.message { max-width: 40rem; }
td.look:not(:empty) { min-width: 8rem; }
@media screen and (max-width: 60rem) {
  body { margin: 1rem; }
  table, caption, thead, tbody, tr, th, td { display: block; }
  thead tr { display: flex; flex-wrap: wrap; gap: .3rem; margin-bottom: .8rem; }
  thead th { border-radius: 4px; }
  tbody tr { border: 1px solid var(--hair); border-radius: 4px; margin-bottom: .8rem; padding: .4rem .6rem; }
  tbody :is(th, td) { border: 0; padding: .15rem 0; overflow-wrap: anywhere; }
  tbody :is(th, td):empty { display: none; }
  tbody :is(th, td)::before { content: attr(data-head) ": "; font-weight: bold; color: var(--ink); }
}
@media print { button { padding: 0; } }
"""
"""On a narrow screen a row becomes a card, with the heading of each column before its value."""
SCRIPT = """
const { tHead, tBodies: [body] } = document.querySelector("table");
const heads = [...tHead.rows[0].cells];
heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
  const up = head.getAttribute("aria-sort") !== "ascending";
  const key = row => row.cells[column].dataset.key ?? row.cells[column].textContent;
  const rows = [...body.rows].sort((a, b) =>
    (up ? 1 : -1) * key(a).localeCompare(key(b), undefined, { numeric: true }));
  heads.forEach(each => each.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...rows);
}));
"""
"""Sorts by the column whose button is pressed. Its hash is all that the page's security policy lets run."""
Cell = tuple[str, str]
HEADS = ("Student ID", "Name", "Status", "Minutes", "Facts that hold", "Main numbers", "Answers missing", "Files")


def write_summary(results: list[Result], out: Path) -> list[Path]:
    """Write ``summary.csv`` and ``index.html`` into ``out``, each whole or not at all.

    Parameters
    ----------
    results : list of Result
        In the order in which they are to stand.
    out : Path
        The batch's folder, which also holds the students' folders.

    Returns
    -------
    list of Path
        Where a file is now found that a person had changed.
    """
    table = csv_of([_csv_row(result) for result in results])
    aside = [put(out / "summary.csv", table), put(out / "index.html", _page(results).encode())]
    return [path for path in aside if path]


def csv_of(rows: list[dict[str, object]]) -> bytes:
    """Rows as CSV, with a byte order mark, without which Excel misreads every script but its own.

    Parameters
    ----------
    rows : list of dict
        The columns are their names in order of first appearance. Text is made safe for spreadsheets.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in ([*columns], *([row.get(name, "") for name in columns] for row in rows)):
        writer.writerow([spreadsheet_text(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue().encode("utf-8-sig")


def _facts(result: Result) -> dict[str, dict]:
    """All facts of all notebooks, by "notebook/id"."""
    return {f"{name}/{fact['id']}": fact for name, record in result.records.items() for fact in record["facts"]}


def _csv_row(result: Result) -> dict[str, object]:
    facts = _facts(result)
    return {
        "student_id": result.student_id,
        "name": result.name,
        "status": result.status,
        "message": result.message,
        "minutes": round(sum(result.seconds.values()) / 60, 2) if result.seconds else "",
        "pages": result.pages or "",
        "answers_missing": len(result.unanswered) if result.status == "complete" else "",
        "facts_holding": sum(fact["verdict"] == HOLDS for fact in facts.values()) if facts else "",
        "facts_stated": len(facts) or "",
        "folder": result.folder.name,
        **{key: fact["measured"] for key, fact in facts.items()},
    }


def _page(results: list[Result]) -> str:
    complete = sum(result.status == "complete" for result in results)
    told = f"{complete} of {len(results)} complete."
    return page_of("Lab reports", told, HEADS, [_page_row(result) for result in results])


def page_of(title: str, told: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], more: str = "") -> str:
    """A page with one table that its headings sort, which runs no script but its own.

    Parameters
    ----------
    title, told : str
        The heading, and a sentence above the table.
    heads : sequence of str
    rows : iterable of sequences of (str, str)
        For each cell its attributes and its content, both HTML already.
    more : str
        HTML that follows the table; its pictures are data.
    """
    allowed = f"img-src data:; style-src '{_digest(STYLE)}'; script-src '{_digest(SCRIPT)}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'"
    buttons = (f'<th scope="col" aria-sort="none"><button type="button">{escape(head)}</button></th>' for head in heads)
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>",
            f"<table><caption>{escape(told)} A heading sorts by its column; once more, the other way round.</caption>",
            f"<thead><tr>{''.join(buttons)}</tr></thead><tbody>",
            *(_row(heads, row) for row in rows),
            f"</tbody></table>{more}</main><script>{SCRIPT}</script></body></html>",
        ]
    )


def table_of(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that nothing sorts, as HTML, from cells as `page_of` takes them."""
    names = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(_row(heads, row) for row in rows)
    return f'<table><thead class="plain"><tr>{names}</tr></thead><tbody>{body}</tbody></table>'


def _row(heads: Sequence[str], cells: Sequence[Cell]) -> str:
    """A row; its first cell names it."""
    (more, text), *others = cells
    first = f'<th scope="row" data-head="{heads[0]}" {more}>{text}</th>'
    rest = (f'<td data-head="{head}" {more}>{text}</td>' for head, (more, text) in zip(heads[1:], others, strict=True))
    return f"<tr>{first}{''.join(rest)}</tr>"


def _page_row(result: Result) -> list[Cell]:
    facts = _facts(result)
    complete = result.status == "complete"
    minutes = sum(result.seconds.values()) / 60
    holding = sum(fact["verdict"] == HOLDS for fact in facts.values())
    missing = ", ".join(result.unanswered)
    done = [
        (f'data-key="{minutes:.3f}"', f"{minutes:.1f}"),
        (f'data-key="{holding}"', f"{holding} of {len(facts)}"),
        ("", _main_numbers(result)),
        (f'data-key="{len(result.unanswered)}" title="{escape(missing)}"', f"{len(result.unanswered)}"),
        ("", _links(result)),
    ]
    failed = [("", ""), ("", ""), ("", _main_numbers(result)), ("", ""), ('class="message"', escape(result.message))]
    return [
        ("", f"<bdi>{escape(result.student_id)}</bdi>"),
        ("", f"<bdi>{escape(result.name)}</bdi>"),
        ("" if complete else 'class="failed"', escape(result.status)),
        *(done if complete else failed),
    ]


def _main_numbers(result: Result) -> str:
    """The numbers of the report's first page."""
    rows = {row["id"]: row for record in result.records.values() for row in record.get("hypotheses", [])}
    effects = {id: tuple(rows[id][name] for name in ("effect", "low", "high")) for id in KEY_NAMES if id in rows}
    told = {KEY_NAMES[id]: with_interval(id, effect) for id, effect in effects.items() if None not in effect}
    return "<br>".join(f"{escape(name)}: {text}" for name, text in told.items())


def _links(result: Result) -> str:
    files = {name.rpartition(".")[2].upper(): name for name in result.files}
    files |= {name: f"{name}.ipynb" for name in result.records}
    folder = quote(result.folder.name)
    return " ".join(f'<a href="{folder}/{quote(file)}">{escape(label)}</a>' for label, file in files.items())


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
