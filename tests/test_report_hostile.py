"""Untrusted names and answers: shown as they are typed, run nowhere, or refused."""

import base64
import dataclasses
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import typst
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import escape
from test_report import Tags, executed, named, report, short  # noqa: F401  (fixtures)

from lab_utils import text
from lab_utils.errors import LabError
from lab_utils.report import html, markdown, model, pdf, verify

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"

LITERAL = [
    '#panic("CANARY")',
    '#sys.inputs CANARY #include "CANARY.typ"',
    '`#panic("CANARY")`{=typst}',
    '```{=typst}\n#panic("CANARY")\n```',
    '[CANARY]{typst:text:fill="panic(1)"}',
    "<b>CANARY</b>",
    "<script>alert('CANARY')</script>",
    '<img src=x onerror="CANARY">',
    "$\\text{#panic(CANARY)}$",
    "$CANARY # \\undefined{$",
    "] CANARY [ } { ) (",
    "CANARY // not a comment /* nor this */",
    "@CANARY <CANARY>",
    "{} CANARY {{ }} %s %n",
    '=HYPERLINK("CANARY")',
    "../../CANARY",
]
TOKENS = [
    *(
        "#",
        '#panic("x")',
        "#image(",
        "#let ",
        "#{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "$",
        "$$",
        "`",
        "```",
        "~~~",
        "*",
        "**",
        "_",
    ),
    *("\\", "\\text{", "\\frac", "\\\\", "<b>", "</b>", "<script>alert(1)</script>", "<!--", "-->", "&lt;", "&#35;"),
    *(
        '"',
        "'",
        "@ref",
        "<label>",
        "{=typst}",
        "{=html}",
        "::: {typst:fill=x}",
        "[x](javascript:alert(1))",
        "![y](/etc/z)",
    ),
    *(
        "=",
        "- ",
        "+ ",
        "1. ",
        "> ",
        "| a | b |",
        "|--|--|",
        "\n",
        "\n\n",
        "    ",
        "---",
        "//",
        "/*",
        "*/",
        "~",
        "^",
        "%",
    ),
    *("word", "é", "தமிழ்", "م", "\u202e", "\u2066", "\x00", "\x1b[31m", "\ufeff", "\u200d", "\ud800"),
]
ANSWERS = st.lists(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join), min_size=20, max_size=20)


def answering(report: model.Report, answers: list[str]) -> model.Report:  # noqa: F811
    blocks = [model.Answer(str(i), (model.Note(answer, f"answer {i}"),)) for i, answer in enumerate(answers)]
    return dataclasses.replace(report, parts=[model.Part("Pre-Lab", "", blocks, [])])


DRAWING = "data:image/svg+xml;base64,"


def assert_harmless(page: str) -> None:
    tags = Tags(page).found
    assert not {tag for tag, _ in tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "form",
        "svg",
        "link",
        "base",
        "video",
    }
    assert not [a for _, attributes in tags for a in attributes if a.startswith("on") or a == "style"]
    links = [attributes[a] for _, attributes in tags for a in ("href", "src") if attributes.get(a)]
    drawings = [link for link in links if link.startswith(DRAWING)]
    assert all(re.match(rf"https?://|#|data:image/png;base64,|{re.escape(DRAWING)}", link) for link in links)
    drawn = [tag for link in drawings for tag, _ in Tags(base64.b64decode(link.removeprefix(DRAWING)).decode()).found]
    assert set(drawn) <= {"svg", "line", "circle", "text"}  # the effects of the verdict tables
    assert not set(page) & set(BIDI)


def test_hostile_answers_print_literally(short: model.Report, tmp_path: Path) -> None:  # noqa: F811
    hostile = answering(short, LITERAL)
    path = tmp_path / "hostile.pdf"
    pdf.write(hostile, path)
    shown = "".join(page.text for page in verify.pages(path))
    typed = "".join(LITERAL)
    assert unicodedata.normalize("NFKC", shown).count("CANARY") == typed.count("CANARY")
    for literal in ('#panic("CANARY")', "<script>alert('CANARY')</script>", "//notacomment/*northis*/", "../../CANARY"):
        assert literal.replace(" ", "") in re.sub(r"\s", "", shown)
    page = html.render(hostile)
    assert_harmless(page)
    assert "&lt;script&gt;alert('CANARY')&lt;/script&gt;" in page


HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    "</bdi><img src=x onerror=y>",
    '#panic("x") $x$',
    "{{ 7*7 }}{% x %}",
    "a\u202eb\nc\x07",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_print_literally(short: model.Report, tmp_path: Path, name: str) -> None:  # noqa: F811
    student = named(short, student_name=text.visible(name), student_id="../../CON")
    assert pdf.write(student, tmp_path / "name.pdf") >= 1  # the verification compares the header letter by letter
    page = html.render(student)
    assert_harmless(page)
    assert page.count(str(escape(text.visible(name)))) == 1


@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
@given(answers=ANSWERS)
def test_any_answers_make_a_report_that_runs_nothing(short: model.Report, answers: list[str]) -> None:  # noqa: F811
    # A `#panic` that Typst evaluated would stop the compilation; so would unbalanced markup.
    hostile = answering(short, answers)
    assert pdf.render(hostile).startswith(b"%PDF")
    assert_harmless(html.render(hostile))


@settings(max_examples=20, deadline=None, suppress_health_check=SLOW)
@given(name=st.text(max_size=40), id=st.text(st.characters(max_codepoint=0x24F), max_size=60))
def test_any_identity_is_verified_or_refused(short: model.Report, tmp_path: Path, name: str, id: str) -> None:  # noqa: F811
    student = named(short, student_name=text.visible(name).strip(), student_id=text.visible(id).strip())
    assert_harmless(html.render(student))
    path = tmp_path / "identity.pdf"
    try:
        assert pdf.write(student, path) >= 1
    except LabError as refused:
        assert "U+" in refused.what and text.lacking(name + id)
    else:
        assert not text.lacking(name + id)


@settings(max_examples=500)
@given(st.text())
def test_visible_text_has_nothing_hidden(anything: str) -> None:
    shown = text.visible(anything)
    hidden = [c for c in shown if unicodedata.category(c) in text.HIDDEN and c not in "\n\t" + text.JOINERS]
    assert not hidden
    assert text.visible(shown) == shown
    assert all(f"U+{ord(c):04X}" in shown for c in anything if c in BIDI)


@pytest.mark.parametrize(
    "deep", [">" * 3000 + " x", "$" + "\\sqrt{" * 2000 + "x" + "}" * 2000 + "$", "[" * 5000, "- " * 900]
)
def test_deep_nesting_prints_as_typed(short: model.Report, deep: str) -> None:  # noqa: F811
    assert pdf.render(answering(short, [deep])).startswith(b"%PDF")


def test_importing_the_report_does_not_import_tensorflow() -> None:
    code = "import json, sys, lab_utils.report; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert not {"tensorflow", "keras"} & set(json.loads(done.stdout))
    assert markdown.SCRIPT.exists()


@pytest.mark.parametrize("start", ["= 5", "== 5", "- 5", "+ 5", "/ 5: 5", "5. 5"])
def test_text_where_a_bracket_opens_makes_no_heading_and_no_list(start):
    source = f"| a | b |\n|---|---|\n| {start} | x |\n\n**{start}**"
    fragment = markdown.Fragment(source, "course")
    made = markdown.convert(frozenset({fragment}))[fragment].typst
    alarms = "".join(f"#show {made_of}: it => panic()\n" for made_of in ("heading", "list", "enum", "terms"))
    typst.compile((alarms + made).encode())
    with pytest.raises(typst.TypstError):
        typst.compile((alarms + f"#strong[{start}]").encode())
