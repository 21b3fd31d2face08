"""Three executed notebooks in, one lab report out, as HTML and as PDF."""

from dataclasses import dataclass
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.report import html, model, pdf
from lab_utils.report.compose import compose
from lab_utils.report.markdown import convert
from lab_utils.running import check

__all__ = ["Result", "build"]


@dataclass(frozen=True)
class Result:
    """Where a verified report is.

    Attributes
    ----------
    html, pdf : Path
    pages : int
        Of the PDF.
    unanswered : list of str
        Ids of answers that are missing.
    notes : list of str
        What of the notebooks is not printed, and where.
    """

    html: Path
    pdf: Path
    pages: int
    unanswered: list[str]
    notes: list[str]


def build(folder: Path | str, *, code_appendix: bool = False, sources: Path | None = None) -> Result:
    """Make ``lab_report.html`` and ``lab_report.pdf`` beside the three executed notebooks.

    Parameters
    ----------
    folder : path of the folder that holds 01_pre_lab.ipynb, 02_in_lab.ipynb and 03_post_lab.ipynb.
    code_appendix : bool
        Whether the notebooks' code is printed at the end.
    sources : Path, optional
        Folder of the notebooks that were run, where the pictures lie that an answer names; by default ``folder``.

    Raises
    ------
    LabError
        A notebook is missing, incomplete, of another version, or of another student or seed than the
        others (all problems in one list): nothing is written. Or a character cannot be printed or the PDF fails
        its check: the HTML is written, and the error says so.
    """
    folder = Path(folder)
    found = _problems(folder)
    if found:
        raise LabError(
            f"No report can be made of {folder}:\n  - " + "\n  - ".join(found),
            "three notebooks that ran to their end, of one student, one seed and this version",
            "Run the notebooks again (`dae-lab run`), then make the report.",
        )
    report = compose(folder, code_appendix=code_appendix, sources=sources)
    page, printed = folder / "lab_report.html", folder / "lab_report.pdf"
    html.write(report, page)
    try:
        pages = pdf.write(report, printed)
    except LabError as error:
        old = " An older PDF is still there." if printed.exists() else ""
        what = f"{error.what}\n  The report is there as HTML ({page.name}), but not as PDF.{old}"
        raise LabError(what, error.allowed, error.next_step) from error
    return Result(page, printed, pages, report.unanswered, [*report.notes, *_as_typed(report)])


def _as_typed(report: model.Report) -> list[str]:
    """Which texts are printed as they were typed, and why."""
    markup = convert(report.fragments)
    written = [block for block in report.blocks if isinstance(block, model.Written) and block.fragment in markup]
    return [f"{block.where}: {note}" for block in written if (note := markup[block.fragment].note)]


def _problems(folder: Path) -> list[str]:
    """What is wrong with each notebook; the first one that is sound says whose the others must be."""
    found, identity = [], {}
    for name in model.PARTS:
        path = folder / f"{name}.ipynb"
        own = check.problems(path, notebook=name, expected=identity)
        if not own and not identity:
            settings = check.read_record(check.read(path)).settings
            identity = {key: settings.get(key) for key in model.ALIKE}
        found += own
    return found
