"""Three executed notebooks in, one lab report out, as HTML and as PDF."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lab_utils import files
from lab_utils.errors import LabError
from lab_utils.report import html, markdown, model, pdf, word
from lab_utils.report.brief import brief
from lab_utils.report.compose import compose
from lab_utils.running import check

__all__ = ["Result", "build", "page", "templates"]


def templates() -> dict[str, str]:
    """SHA-256 (hex), by name, of the files beside the code that a report is made with."""
    return {path.name: files.digest(path) for path in (*html.TEMPLATES.iterdir(), markdown.SCRIPT)}


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
    docx : Path, optional
    """

    html: Path
    pdf: Path
    pages: int
    unanswered: list[str]
    notes: list[str]
    docx: Path | None = None


def build(
    folder: Path | str,
    *,
    name: str = "lab_report",
    parts: Iterable[str] = model.PARTS,
    length: str = "brief",
    code_appendix: bool = False,
    docx: bool = False,
    sources: Path | None = None,
    evaluation: model.Evaluation | None = None,
) -> Result:
    """Make ``<name>.html`` and ``<name>.pdf`` beside the executed notebooks.

    The HTML holds everything, its code folded. The PDF holds every question and answer, and as much of the evidence
    as ``length`` says.

    Parameters
    ----------
    folder : path of the folder that holds 01_pre_lab.ipynb, 02_in_lab.ipynb and 03_post_lab.ipynb.
    name : str
        Of the files, without their endings.
    parts : iterable of str
        The notebooks that the report is of; by default all three.
    length : str
        "brief": what bears on the questions; "full": everything, with a contents page.
    code_appendix : bool
        Whether the notebooks' code is printed at the end of the PDF.
    docx : bool
        Whether ``<name>.docx`` is made, too.
    sources : Path, optional
        Folder of the notebooks that were run, where the pictures lie that an answer names; by default ``folder``.
    evaluation : Evaluation, optional
        The marks, where they are given already.

    Raises
    ------
    LabError
        A notebook is missing, incomplete, of another version, or of another student or seed than the
        others (all problems in one list): nothing is written. Or a character cannot be printed or the PDF fails
        its check: the HTML is written, and the error says so.
    """
    folder = Path(folder)
    report = _composed(folder, list(parts), code_appendix, sources, evaluation)
    shown, printed = folder / f"{name}.html", folder / f"{name}.pdf"
    html.write(report, shown)
    extra = word.write(shown, folder / f"{name}.docx") if docx else None
    try:
        pages = pdf.write(report if length == "full" else brief(report), printed)
    except LabError as error:
        old = " An older PDF is still there." if printed.exists() else ""
        what = f"{error.what}\n  The report is there as HTML ({shown.name}), but not as PDF.{old}"
        raise LabError(what, error.allowed, error.next_step) from error
    return Result(shown, printed, pages, report.unanswered, [*report.notes, *_as_typed(report)], extra)


def page(folder: Path, *, parts: Iterable[str] = model.PARTS) -> str:
    """The HTML alone of notebooks in a folder, as text.

    Raises
    ------
    LabError
        As `build`.
    """
    return html.render(_composed(folder, list(parts), False, None, None))


def _composed(
    folder: Path, names: list[str], code: bool, sources: Path | None, evaluation: model.Evaluation | None
) -> model.Report:
    found = _problems(folder, names)
    if found:
        raise LabError(
            f"No report can be made of {folder}:\n  - " + "\n  - ".join(found),
            "notebooks that ran to their end, of one student, one seed and this version, shown as they ran",
            "Run the notebooks again (`dae-lab run`), then make the report.",
        )
    report = compose(folder, code_appendix=code, sources=sources, names=names)
    return replace(report, evaluation=evaluation)


def _as_typed(report: model.Report) -> list[str]:
    """Which texts are printed as they were typed, and why."""
    markup = markdown.convert(report.fragments)
    written = [block for block in report.blocks if isinstance(block, model.Written) and block.fragment in markup]
    return [f"{block.where}: {note}" for block in written if (note := markup[block.fragment].note)]


def _problems(folder: Path, names: Iterable[str]) -> list[str]:
    """What is wrong with each notebook; the first one that is sound says whose the others must be."""
    found, identity = [], {}
    for name in names:
        path = folder / f"{name}.ipynb"
        own = check.problems(path, notebook=name, expected=identity)
        if not own and not identity:
            settings = check.read_record(check.read(path)).settings
            identity = {key: settings.get(key) for key in model.ALIKE}
        found += own
    return found
