"""What a cell of the student's put out, as blocks of the report: nothing is run, and nothing is left out unsaid."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

from lab_utils.facts import RECORD_MIME, table
from lab_utils.report.model import Block, Figure, Note, Printed
from lab_utils.report.pictures import Picture, Refused, from_output

LINES, CHARACTERS = 60, 6_000
PICTURES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif", "image/webp")
OBJECT = re.compile(r"\[?<[^<>]{1,200}>\]?|Text\(.{1,200}\)")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SHARP, ENOUGH = 200, 150
"""Dots per inch: a figure whose notebook says how large it is has at least so many; and one of unknown size."""


def figure(
    picture: Picture, told: Any = None, *, alt: str, caption: str = "", key: str = "", own: bool = True
) -> Figure:
    """A picture at a size at which it is sharp; ``told`` is its width in CSS pixels, if the notebook says it."""
    sharp = picture.width * 96 / SHARP
    width = min(told, sharp) if isinstance(told, int | float) and told > 0 else picture.width * 96 / ENOUGH
    return Figure(picture.data, picture.mime, width, picture.width / picture.height, alt, caption, key, own)


def of_student(output: Any, where: str, tell: Callable[[str], None]) -> list[Block]:
    """The blocks of one output; ``tell`` is called with what is not printed, or not all of it."""
    if output.output_type == "stream" and output.name == "stderr":
        tell(f"{where}: warnings ({len(_joined(output.text)):,} characters) are not printed")
        return []
    if output.output_type == "stream":
        return _printed(_joined(output.text), where, tell)
    data = output.get("data", {})
    if mime := next((mime for mime in PICTURES if mime in data), None):
        try:
            told = output.get("metadata", {}).get(mime, {})
            alt = str(told.get("alt") or f"Picture of {where}")
            return [figure(from_output(mime, data[mime]), told.get("width"), alt=alt)]
        except Refused as error:
            tell(f"{where}: its picture is not printed: {error}")
            return []
    if "text/markdown" in data or "text/latex" in data:
        return [Note(_joined(data.get("text/markdown", data.get("text/latex"))), where)]
    plain = _joined(data.get("text/plain", ""))
    if "text/html" in data:
        return _of_html(_joined(data["text/html"]), where, tell) or _printed(plain, where, tell)
    if plain:
        return [] if OBJECT.fullmatch(plain.strip()) else _printed(plain, where, tell)
    if kinds := ", ".join(sorted(set(data) - {RECORD_MIME})):
        tell(f"{where}: its output ({kinds}) is not printed")
    return []


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)


def _printed(text: str, where: str, tell: Callable[[str], None]) -> list[Block]:
    text = "\n".join(line.rsplit("\r", 1)[-1].rstrip() for line in ESCAPE.sub("", text).rstrip().split("\n"))
    lines = text[:CHARACTERS].split("\n")
    if len(text) > CHARACTERS or len(lines) > LINES:
        tell(f"{where}: of its text ({len(text):,} characters) only the beginning is printed")
        lines = [*lines[:LINES], "…"]
    return [Printed("\n".join(lines), where)] if text.strip() else []


def _of_html(html: str, where: str, tell: Callable[[str], None]) -> list[Block]:
    """HTML as text: its tables as tables, without their looks."""
    if len(html) > 50 * CHARACTERS:
        tell(f"{where}: its HTML ({len(html):,} characters) is printed as plain text")
        return []
    reader = Reader()
    reader.feed(html)
    reader.close()
    if reader.has_picture:
        tell(f"{where}: pictures in its HTML are not printed")
    return list(reader.blocks(where, tell))


class Reader(HTMLParser):
    """Collect the rows of tables and the text around them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.hidden = 0
        self.has_picture = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a row or a cell."""
        self.hidden += tag in ("style", "script")
        self.has_picture |= tag in ("img", "svg", "video", "canvas", "iframe")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave what is not shown."""
        self.hidden -= tag in ("style", "script") and self.hidden > 0
        if tag == "table":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        """Add words to the cell, or to the text."""
        if self.hidden:
            return
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data
        elif data.strip():
            self.words.append(" ".join(data.split()))

    def blocks(self, where: str, tell: Callable[[str], None]) -> Iterator[Block]:
        """The text, then the table."""
        if self.words:
            yield from _printed("\n".join(self.words), where, tell)
        rows = [row for row in self.rows if row]
        if len(rows) > LINES:
            tell(f"{where}: of its table ({len(rows):,} rows) only the beginning is printed")
        if rows:
            width = min(max(map(len, rows)), 12)
            cells = [[_literal(cell) for cell in row[:width]] + [""] * (width - len(row)) for row in rows[:LINES]]
            yield Note(table(cells[1:], cells[0], disable_numparse=True), where)


def _literal(text: str) -> str:
    """Words that Markdown prints as they stand."""
    return re.sub(r"([\\`*_{}\[\]<>()#+.!|$~^&-])", r"\\\1", " ".join(text.split()))
