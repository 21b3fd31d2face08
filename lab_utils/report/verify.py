"""A PDF is announced only after it has been reopened and found to hold what it must."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.generic import ContentStream, DictionaryObject

from lab_utils.errors import LabError
from lab_utils.report.markdown import convert
from lab_utils.report.model import Question, Report
from lab_utils.text import visible


@dataclass(frozen=True)
class Page:
    """What one page shows: the texts of header, footer, body and all of it, and how many pictures."""

    header: str
    footer: str
    body: str
    text: str
    pictures: int


def pdf(path: Path, report: Report) -> int:
    """Reopen a PDF and compare it with the report that it was made from.

    On every page the header must hold the student's name and ID, and the footer "Page N of M"; every question must
    be there, every figure must be drawn and have its alternative text, and the file must say that it is PDF/UA-1, in
    a language, with a title. No glyph may be missing (``pdf.render`` asks Typst for PDF/UA, which refuses those).

    Returns
    -------
    int
        Number of pages.

    Raises
    ------
    LabError
        Naming everything that is missing.
    """
    read = pages(path)
    missing = [
        f"page {n}: {what}" for n, page in enumerate(read, start=1) for what in _missing(page, n, len(read), report)
    ]
    pictures = sum(page.pictures for page in read)
    if pictures != len(report.figures):
        missing.append(f"{pictures} of {len(report.figures)} figures are there")
    missing += [f"question not there: {text[:60]!r}" for text in _absent_questions(read, report)]
    with PdfReader(path) as reader:
        missing += _inaccessible(reader, report)
    if missing or not read:
        raise LabError(
            "The PDF was written but does not hold what it must:\n  - " + "\n  - ".join(missing or ["it has no page"]),
            "a PDF with the name and ID on every page, every question, and every figure with its alternative text",
            "Make the report again; if it stays so, hand in the HTML and tell your instructor.",
        )
    return len(read)


def _absent_questions(read: list[Page], report: Report) -> list[str]:
    """Questions in plain Latin letters that the pages do not hold; formulas and signs aside."""
    shown = _plain("".join(page.body for page in read))
    markup = convert(report.fragments)
    asked = [block for block in report.blocks if isinstance(block, Question) and block.text.isascii()]
    pieces = {block.text: re.split(r"<math.*?</math>", markup[block.fragment].html, flags=re.DOTALL) for block in asked}
    return [text for text, found in pieces.items() if not all(_plain(_without_tags(each)) in shown for each in found)]


def _without_tags(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _inaccessible(reader: PdfReader, report: Report) -> list[str]:
    """What keeps a PDF from being read aloud."""
    root = reader.trailer["/Root"]
    metadata = reader.xmp_metadata.rdf_root.toxml() if reader.xmp_metadata else ""
    found = [] if re.search(r"<pdfuaid:part>1<", metadata) else ["it does not say that it is PDF/UA-1"]
    found += [] if root.get("/Lang") else ["it does not say its language"]
    found += [] if reader.metadata and reader.metadata.title else ["it has no title"]
    told = Counter(_alternative_texts(root.get("/StructTreeRoot", {})))
    wanted = Counter(visible(figure.alt) for figure in report.figures)
    return found + [f"figure without its alternative text: {alt[:60]!r}" for alt in wanted - told]


def _alternative_texts(root: Any) -> Iterator[str]:
    """The alternative text of every figure in a tree of structure elements."""
    waiting = [root]
    while waiting:
        node = waiting.pop().get_object()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if node.get("/S") == "/Figure" and "/Alt" in node:
                yield str(node["/Alt"])
            waiting += [node["/K"]] if "/K" in node else []


def _missing(page: Page, number: int, total: int, report: Report) -> list[str]:
    who = report.identity
    header = ["Experiment #", who["experiment_number"], "Student ID", who["student_id"], "Date", who["date"]]
    missing = []
    if not shows(page.header, [*header, "Student Name", who["student_name"]]):
        missing.append("the student's name and ID are not in the header as they should be")
    if f"Page{number}of{total}" not in _squashed(page.footer):
        missing.append(f"the footer does not say page {number} of {total}")
    return missing


def shows(shown: str, meant: list[str]) -> bool:
    """Whether a text of a PDF is these pieces, one after the other, spaces aside.

    Letter by letter, but for what PDF cannot tell: it repeats a letter with its vowel signs or accents once for each
    glyph (so immediate repeats of such a letter count once), and likewise the characters of a conjunct; and it holds
    right-to-left words in the order in which they are drawn (so their letters are compared as a collection).
    """
    found, wanted = _letters(shown), _letters("".join(meant))
    if found == wanted:
        return True
    if any(unicodedata.bidirectional(letter[0]) in ("R", "AL") for letter in wanted):
        return Counter(found) == Counter(wanted)
    return _has_conjuncts("".join(wanted)) and _once(_squashed(shown)) == _once(_squashed("".join(meant)))


def _letters(text: str) -> list[str]:
    """The letters of a text, each with its marks; immediate repeats of one that has marks are left out."""
    letters: list[str] = []
    for character in _squashed(text):
        if letters and unicodedata.category(character).startswith("M"):
            letters[-1] += character
        else:
            letters.append(character)
    before = ["", *letters]
    return [letter for letter, last in zip(letters, before, strict=False) if len(letter) == 1 or letter != last]


def _has_conjuncts(text: str) -> bool:
    """Whether a text holds letters of the scripts of India and its neighbours (U+0900 to U+1CFF, U+AA00 on)."""
    return any("\u0900" <= character <= "\u1cff" or "\ua800" <= character <= "\uabff" for character in text)


def _once(text: str) -> str:
    return re.sub(r"(.+?)\1+", r"\1", text)


def _squashed(text: str) -> str:
    """NFC without spaces, soft hyphens, joiners and places to break."""
    normal = unicodedata.normalize("NFC", text)
    return "".join(c for c in normal if not c.isspace() and unicodedata.category(c) != "Cf")


def pages(path: Path) -> list[Page]:
    """Read the text of a PDF that Typst wrote.

    Where glyphs stand for no single character (conjuncts and reordered vowels of Indian scripts), the
    text comes from the PDF's ``/ActualText``; elsewhere from each font's ``/ToUnicode``.
    """
    with PdfReader(path) as reader:
        return [_read(page, reader) for page in reader.pages]


def _read(page: PageObject, reader: PdfReader) -> Page:
    resources = page["/Resources"]
    fonts = {name: _to_unicode(font.get_object()) for name, font in resources.get("/Font", {}).items()}
    regions: dict[str, list[str]] = {"/Header": [], "/Footer": [], "/Body": []}
    pictures, font = 0, {}
    marks: list[tuple[str, bool]] = [("/Body", False)]  # of each open mark: region, text already given
    for operands, operator in ContentStream(page.get_contents(), reader).operations:
        region, given = marks[-1]
        if operator == b"Tf":
            font = fonts[operands[0]]
        elif operator in (b"Tj", b"TJ") and not given:
            strings = operands[0] if operator == b"TJ" else operands
            regions[region] += [_decoded(s, font) for s in strings if not isinstance(s, int | float)]
        elif operator in (b"BDC", b"BMC"):
            properties = operands[1] if len(operands) > 1 else {}
            properties = properties if isinstance(properties, DictionaryObject) else {}
            region = properties.get("/Subtype", region) if operands[0] == "/Artifact" else region
            region = region if region in regions else "/Body"
            if "/ActualText" in properties and not given:
                regions[region].append(str(properties["/ActualText"]))
            marks.append((region, given or "/ActualText" in properties))
        elif operator == b"EMC":
            marks.pop()
        elif operator == b"Do":
            pictures += resources["/XObject"][operands[0]]["/Subtype"] == "/Image"
    header, footer, body = ("".join(regions[name]) for name in regions)
    return Page(header, footer, body, header + body + footer, pictures)


def _to_unicode(font: Any) -> dict[int, str]:
    """The ``/ToUnicode`` table of a font whose codes are two bytes, as Typst writes them."""
    table = font["/ToUnicode"].get_data().decode("latin-1")
    entries = " ".join(re.findall(r"beginbfchar(.*?)endbfchar", table, re.DOTALL))
    pairs = re.findall(r"<([0-9A-Fa-f]{4})>\s*<([0-9A-Fa-f]*)>", entries)
    return {int(code, 16): bytes.fromhex(text).decode("utf-16-be") for code, text in pairs}


def _decoded(string: Any, font: dict[int, str]) -> str:
    codes = getattr(string, "original_bytes", None) or bytes(string)
    return "".join(font.get(int.from_bytes(codes[i : i + 2], "big"), "") for i in range(0, len(codes), 2))
