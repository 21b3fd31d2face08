"""The report as one HTML file that needs nothing else and runs nothing."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup as Safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lab_utils.files import replaced
from lab_utils.manual import MARKS
from lab_utils.report import forest
from lab_utils.report.findings import sign
from lab_utils.report.markdown import convert
from lab_utils.report.model import Report
from lab_utils.text import visible

TEMPLATES = Path(__file__).parent / "templates"
POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
CODE = HtmlFormatter(style="default", nowrap=False)


def write(report: Report, path: Path) -> None:
    """Write the page under a temporary name, then give it its own."""
    with replaced(path) as temporary:
        temporary.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """The whole page: styles, pictures (data URIs) and maths (MathML) inside, code folded, no script.

    Its Content-Security-Policy allows images and fonts as data and the one style sheet, known by its
    hash, and nothing else. Every string is escaped by Jinja, or went through pandoc and nh3.
    """
    from lab_utils.report import webfonts  # fontTools, which a report that is there already does not need

    markup = convert(report.fragments)
    faces = webfonts.faces("".join(text for _, text in report.places), any("<math" in m.html for m in markup.values()))
    style = faces + (TEMPLATES / "report.css").read_text(encoding="utf-8") + CODE.get_style_defs(".highlight")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible,
        "source": lambda figure: f"data:{figure.mime};base64,{base64.b64encode(figure.data).decode()}",
        "python": lambda code: Safe(highlight(visible(code), PythonLexer(), CODE)),
        "sign": sign,
        "bar": lambda row: _drawing(forest.bar(row, sign(row))),
    }
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        report=report,
        style=Safe(style),
        policy=POLICY.format(digest),
        markdown=lambda fragment: Safe(markup[fragment].html),
        marks=MARKS,
        axis=_drawing(forest.axis()),
    )


def _drawing(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
