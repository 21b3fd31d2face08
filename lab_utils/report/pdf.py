"""The report as PDF, set by Typst: a fixed template, and data that can hold no code."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.files import replaced
from lab_utils.manual import MARKS
from lab_utils.report import verify
from lab_utils.report.bounded import Failure, replies
from lab_utils.report.markdown import ONLY_OUR_FONTS, TYPST, Fragment, Markup, convert
from lab_utils.report.model import Answer, Block, Figure, Finding, Printed, Report
from lab_utils.text import refuse_uncovered, visible

TEMPLATE = Path(__file__).parent / "templates" / "report.typ"
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
    refuse_uncovered(report.places)
    with replaced(path) as temporary:
        temporary.write_bytes(render(report))
        return verify.pdf(temporary, report)


def render(report: Report) -> bytes:
    """Set the report; as PDF/A-2b, whose rules refuse a glyph that no font has."""
    with tempfile.TemporaryDirectory(prefix="dae-lab-") as folder:
        pdf = Path(folder) / "report.pdf"
        request = {"input": str(lay_out(report, Path(folder))), "output": str(pdf), "root": folder}
        request |= {"pdf_standards": "a-2b"} | ONLY_OUR_FONTS
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
    return {
        "title": visible(report.title),
        "identity": report.identity,
        "parts": [
            {
                "title": part.title,
                "subtitle": visible(part.subtitle),
                "blocks": [_block(block, markup) for block in part.blocks],
                "code": [visible(code) for code in part.code],
            }
            for part in report.parts
        ],
        "facts": [_finding(row, markup) for row in report.facts],
        "hypotheses": [_finding(row, markup) for row in report.hypotheses],
        "origins": [[label, [visible(value) for value in values]] for label, values in report.origins],
        "notes": report.notes,
        "unanswered": [visible(id) for id in report.unanswered],
        "code_appendix": report.code_appendix,
        "marks": MARKS,
    }


def _file(figure: Figure) -> str:
    return f"{figure.number}.{figure.mime.removeprefix('image/')}"


def _block(block: Block, markup: dict[Fragment, Markup]) -> dict[str, Any]:
    if isinstance(block, Figure):
        shown = {"file": _file(block), "alt": visible(block.alt), "caption": visible(block.caption)}
        return shown | {name: getattr(block, name) for name in ("kind", "number", "width", "aspect")}
    if isinstance(block, Answer):
        inner = [_block(each, markup) for each in block.blocks]
        return {"kind": block.kind, "id": visible(block.id), "missing": block.missing, "blocks": inner}
    if isinstance(block, Printed):
        return {"kind": block.kind, "text": visible(block.text)}
    return {"kind": block.kind, "typst": markup[block.fragment].typst}


def _finding(row: Finding, markup: dict[Fragment, Markup]) -> dict[str, str]:
    return {
        "part": row.part,
        "claim": markup[row.claim].typst,
        "measured": visible(row.measured),
        "wanted": markup[row.wanted].typst,
        "verdict": visible(row.verdict),
    }
