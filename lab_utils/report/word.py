"""The report as DOCX, for courses that want it: pandoc reads the HTML, which nothing is fetched for."""

import re
from pathlib import Path

import pypandoc

from lab_utils.errors import LabError
from lab_utils.files import replaced


def write(page: Path, path: Path) -> Path:
    """Turn the HTML report into DOCX, with its pictures, formulas and tables; return its path.

    Pandoc runs in its sandbox: it opens no file and no connection. Its pictures are in the page itself.

    Raises
    ------
    LabError
        Pandoc cannot read the page.
    """
    html = re.sub(r"<nav.*?</nav>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    html = re.sub(r"(</?)(header|main|footer)>", r"\1div>", html)  # pandoc reads what is in main only
    with replaced(path) as temporary:
        try:
            pypandoc.convert_text(html, "docx", "html", outputfile=str(temporary), extra_args=["--sandbox"])
        except RuntimeError as error:
            raise LabError(
                f"The DOCX could not be made: {str(error)[:300]}", "an HTML report", f"Hand in {page.name}, or the PDF."
            ) from error
    return path
