"""What became of a class, for people: ``summary.csv`` for a spreadsheet, ``index.html`` for a browser."""

import base64
import csv
import hashlib
from html import escape
from pathlib import Path
from urllib.parse import quote

from lab_utils.course.names import spreadsheet_text
from lab_utils.course.student import Result
from lab_utils.facts import HOLDS
from lab_utils.files import replaced

STYLE = """
body { font: 15px system-ui, sans-serif; margin: 2rem; color: #222; }
table { border-collapse: collapse; }
th, td { border: 1px solid #ccc; padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { background: #f2f2f2; cursor: pointer; }
td.failed { color: #b00020; font-weight: bold; }
td.message { max-width: 40rem; white-space: pre-wrap; overflow-wrap: anywhere; }
"""
SCRIPT = """
const body = document.querySelector("tbody");
document.querySelectorAll("th").forEach((head, column) => {
  let direction = -1;
  head.addEventListener("click", () => {
    direction = -direction;
    const key = row => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const rows = [...body.rows].sort((a, b) =>
      direction * key(a).localeCompare(key(b), undefined, { numeric: true }));
    body.append(...rows);
  });
});
"""
"""Sorts by the clicked column. Its hash is all that the page's security policy lets run."""


def write_summary(results: list[Result], out: Path) -> None:
    """Write ``summary.csv`` and ``index.html`` into ``out``, each whole or not at all.

    Parameters
    ----------
    results : list of Result
        In the order in which they are to stand.
    out : Path
        The batch's folder, which also holds the students' folders.
    """
    write_csv(out / "summary.csv", [_csv_row(result) for result in results])
    with replaced(out / "index.html") as part:
        part.write_text(_page(results), encoding="utf-8")


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows as CSV, with a byte order mark, without which Excel misreads every script but its own.

    Parameters
    ----------
    path : Path
    rows : list of dict
        The columns are their names in order of first appearance. Text is made safe for spreadsheets.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replaced(path) as part, open(part, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        for row in ([*columns], *([row.get(name, "") for name in columns] for row in rows)):
            writer.writerow([spreadsheet_text(cell) if isinstance(cell, str) else cell for cell in row])


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
    heads = ["Student ID", "Name", "Status", "Minutes", "Facts that hold", "Key facts", "Answers missing", "Files"]
    complete = sum(result.status == "complete" for result in results)
    policy = f"default-src 'none'; style-src '{_digest(STYLE)}'; script-src '{_digest(SCRIPT)}'; base-uri 'none'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><title>Lab reports</title>',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f"<style>{STYLE}</style></head><body>",
            f"<h1>Lab reports</h1><p>{complete} of {len(results)} complete. A click on a heading sorts.</p>",
            "<table><thead><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr></thead><tbody>",
            *(_page_row(result) for result in results),
            f"</tbody></table><script>{SCRIPT}</script></body></html>",
        ]
    )


def _page_row(result: Result) -> str:
    facts = _facts(result)
    complete = result.status == "complete"
    minutes = sum(result.seconds.values()) / 60
    holding = sum(fact["verdict"] == HOLDS for fact in facts.values())
    missing = ", ".join(result.unanswered)
    cells = [
        f"<td><bdi>{escape(result.student_id)}</bdi></td>",
        f"<td><bdi>{escape(result.name)}</bdi></td>",
        "<td>complete</td>" if complete else f'<td class="failed">{escape(result.status)}</td>',
        f'<td data-key="{minutes:.3f}">{minutes:.1f}</td>' if complete else "<td></td>",
        f'<td data-key="{holding}">{holding} of {len(facts)}</td>' if complete else "<td></td>",
        f"<td>{_key_facts(result)}</td>",
        f'<td data-key="{len(result.unanswered)}" title="{escape(missing)}">{len(result.unanswered)}</td>'
        if complete
        else "<td></td>",
        f"<td>{_links(result)}</td>" if complete else f'<td class="message">{escape(result.message)}</td>',
    ]
    return "<tr>" + "".join(cells) + "</tr>"


def _key_facts(result: Result) -> str:
    """The first fact of each notebook, with what was measured."""
    firsts = [record["facts"][0] for record in result.records.values() if record["facts"]]
    return "<br>".join(
        escape(f"{fact['claim']}: {_number(fact['measured'])} {fact['unit']}".strip()) for fact in firsts
    )


def _number(measured: float | None) -> str:
    return "not measured" if measured is None else f"{measured:.4g}"


def _links(result: Result) -> str:
    files = {name.rpartition(".")[2].upper(): name for name in result.files}
    files |= {name: f"{name}.ipynb" for name in result.records}
    folder = quote(result.folder.name)
    return " ".join(f'<a href="{folder}/{quote(file)}">{escape(label)}</a>' for label, file in files.items())


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
