"""The report as PDF, set by Typst: a fixed template, and data that can hold no code."""

import json
import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.files import replaced
from lab_utils.manual import MARKS
from lab_utils.report import forest
from lab_utils.report.bounded import Failure, replies
from lab_utils.report.findings import sign
from lab_utils.report.markdown import HEADING, ONLY_OUR_FONTS, TYPST, Fragment, Markup, convert
from lab_utils.report.model import Answer, Block, Figure, Finding, Part, Printed, Report, Table
from lab_utils.text import refuse_uncovered, visible

TEMPLATE = Path(__file__).parent / "templates" / "report.typ"
STANDARDS = ["ua-1", "a-2a"]
SECONDS = 120
MEMORY = 2 << 30  # bytes; pictures are decoded


def write(report: Report, path: Path) -> int:
    """Write the PDF, reopen it, verify it, and only then give it its name.

    Parameters
    ----------
    report : Report
    path : Path of the PDF.

    Returns
    -------
    int
        Number of pages.

    Raises
    ------
    LabError
        A character that no font has, a picture that cannot be read, or a PDF that fails ``verify``.
    """
    from lab_utils.report import verify  # pypdf, which a report that is there already does not need

    refuse_uncovered(report.places)
    with replaced(path) as temporary:
        temporary.write_bytes(render(report))
        return verify.pdf(temporary, report)


def render(report: Report) -> bytes:
    """Set the report as PDF/UA-1 and PDF/A-2a, whose rules refuse a missing glyph, alternative text or language."""
    with tempfile.TemporaryDirectory(prefix="dae-lab-") as folder:
        pdf = Path(folder) / "report.pdf"
        request = {"input": str(lay_out(report, Path(folder))), "output": str(pdf), "root": folder}
        request |= {"pdf_standards": STANDARDS} | ONLY_OUR_FONTS
        [problem] = replies(TYPST, [request], seconds=SECONDS, memory=MEMORY)
        if problem:
            raise LabError(
                f"The PDF could not be set: {problem.why if isinstance(problem, Failure) else problem}",
                "text and pictures that Typst can print",
                "Change that text or picture and make the report again.",
            )
        return pdf.read_bytes()


def lay_out(report: Report, folder: Path) -> Path:
    """Put all that Typst may read into an empty folder: pictures, data, template; the template's path."""
    for figure in report.figures:
        (folder / _file(figure)).write_bytes(figure.data)
    (folder / "report.json").write_text(json.dumps(content(report)), encoding="utf-8")
    return Path(shutil.copy(TEMPLATE, folder))


def content(report: Report) -> dict[str, Any]:
    """What the template reads: strings, and Markdown turned into Typst by pandoc."""
    markup = convert(report.fragments)
    levels = Levels()
    parts = [_part(part, markup, levels) for part in report.parts]
    anchors = _anchored(parts)
    return {
        "title": visible(report.title),
        "length": report.length,
        "identity": report.identity,
        "picture": _block(report.picture, markup, levels) if report.picture else None,
        "key": [_finding(row, markup) for row in report.key],
        "sections": [asdict(section) for section in report.sections],
        "parts": parts,
        "anchors": anchors,
        "facts": [_finding(row, markup) for row in report.facts],
        "hypotheses": [_finding(row, markup) for row in report.hypotheses],
        "axis": forest.axis(),
        "tables": sum(isinstance(block, Table) for block in report.blocks),
        "origins": [[label, [visible(value) for value in values]] for label, values in report.origins],
        "notes": report.notes,
        "unanswered": [visible(id) for id in report.unanswered],
        "works": report.works,
        "code_appendix": report.code_appendix,
        "marks": MARKS,
        "evaluation": _evaluation(report),
    }


def _evaluation(report: Report) -> dict[str, Any] | None:
    given = report.evaluation
    if given is None:
        return None
    comments = [[visible(text) for text in each] for each in given.comments]
    return asdict(given) | {"remark": visible(given.remark), "comments": comments}


def _anchored(parts: list[dict[str, Any]]) -> dict[str, str]:
    """Give the first answer of each id an anchor, which links lead to; all of them by id."""
    anchors: dict[str, str] = {}
    for answer in (block for part in parts for block in part["blocks"] if block["kind"] == "answer"):
        answer["anchor"] = "" if answer["id"] in anchors else f"answer-{len(anchors) + 1}"
        anchors.setdefault(answer["id"], answer["anchor"])
    return anchors


class Levels:
    """Levels of headings without a gap: PDF/UA allows a level 4 only below a level 3."""

    def __init__(self) -> None:
        self.last = 1

    def mended(self, typst: str) -> str:
        """Markup whose headings go down by one level at a time, in the order of the report."""
        return re.sub(rf"(=*)( ?){HEADING}", self._mended, typst)

    def _mended(self, match: re.Match[str]) -> str:
        if not match[1]:
            return match[2]
        self.last = min(len(match[1]), self.last + 1)
        return "=" * self.last + match[2]


def _part(part: Part, markup: dict[Fragment, Markup], levels: Levels) -> dict[str, Any]:
    levels.last = 1
    return {
        "title": part.title,
        "subtitle": visible(part.subtitle),
        "blocks": [_block(block, markup, levels) for block in part.blocks],
        "code": [visible(code) for code in part.code],
        "changes": None if part.changes is None else len(part.changes),
    }


def _file(figure: Figure) -> str:
    return f"{figure.number}.{figure.mime.removeprefix('image/')}"


def _block(block: Block, markup: dict[Fragment, Markup], levels: Levels) -> dict[str, Any]:
    if isinstance(block, Figure):
        shown = {"file": _file(block), "alt": visible(block.alt), "caption": visible(block.caption)}
        return shown | {name: getattr(block, name) for name in ("kind", "anchor", "number", "width", "aspect", "own")}
    if isinstance(block, Answer):
        inner = [_block(each, markup, levels) for each in block.blocks]
        return {"kind": block.kind, "id": visible(block.id), "missing": block.missing, "blocks": inner}
    if isinstance(block, Printed):
        return {"kind": block.kind, "text": visible(block.text)}
    shown = {"kind": block.kind, "typst": levels.mended(markup[block.fragment].typst), "see": block.see}
    if isinstance(block, Table):
        shown |= {"anchor": block.anchor, "number": block.number, "caption": visible(block.caption)}
    return shown


def _finding(row: Finding, markup: dict[Fragment, Markup]) -> dict[str, Any]:
    return {
        "part": row.part,
        "claim": markup[row.claim].typst,
        "measured": visible(row.measured),
        "wanted": markup[row.wanted].typst,
        "verdict": visible(row.verdict),
        "sign": sign(row),
        "bar": forest.bar(row, sign(row)),
        "published": [visible(text) for text in row.published or ()],
        "alone": row.alone,
    }
