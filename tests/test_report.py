"""The report: what is refused, what is printed, and that the PDF is verified before it has its name."""

import base64
import dataclasses
import hashlib
import io
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import papermill
import pytest
import typst
from PIL import Image
from pypdf import PdfReader
from report_tools import ANSWERED, IDENTITY, notebook, run_all

import lab_utils
from lab_utils import text
from lab_utils.errors import LabError
from lab_utils.facts import RECORD_MIME
from lab_utils.manual import QUESTIONS
from lab_utils.report import build, html, model, pdf, verify
from lab_utils.report.compose import compose, numbered
from lab_utils.report.markdown import Fragment, convert
from lab_utils.running import check

NAMES = {
    "Latin": "José Ångström-O'Brien",
    "Vietnamese": "Nguyễn Thị Hồng",
    "Cyrillic": "Иван Щёкин",
    "Devanagari": "श्रीकृष्ण विद्यार्थी क्षत्रिय",
    "Bengali": "শ্রীকৃষ্ণ চট্টোপাধ্যায়",
    "Gurmukhi": "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ",
    "Gujarati": "શ્રીકૃષ્ણ જ્યોત્સના",
    "Odia": "ଜଗନ୍ନାଥ ମହାପାତ୍ର",
    "Tamil": "தமிழ்ச்செல்வன் கோபாலகிருஷ்ணன்",
    "Telugu": "శ్రీనివాస్ రెడ్డి కృష్ణమూర్తి",
    "Kannada": "ಕೃಷ್ಣಮೂರ್ತಿ ಶ್ರೀನಿವಾಸ",
    "Malayalam": "ഉണ്ണികൃഷ്ണൻ ലക്ഷ്മി",
    "Sinhala": "ශ්‍රී ලංකා",
    "Arabic": "محمد عبد الله",
    "Arabic with vowel signs": "محمّد بنُ عَبدِ ٱلله",
    "Yoruba": "Ẹ̀kọ́ Adébáyọ̀",
    "marks apart": "Zoe\u0308 A\u030a\u0323b",
    "mixed": "Tamil தமிழ் mixed",
    "blank": "",
}


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run once for all files of tests that use it."""
    place = tmp_path_factory.getbasetemp() / "executed"
    if not place.exists():
        place.mkdir()
        run_all(place)
    return place


@pytest.fixture
def folder(executed: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(executed, tmp_path / "student"))


@pytest.fixture(scope="module")
def report(executed: Path) -> model.Report:
    return compose(executed, code_appendix=True)


@pytest.fixture(scope="module")
def short(report: model.Report) -> model.Report:
    """Header, verdicts and evaluator's block only."""
    return dataclasses.replace(report, parts=[], code_appendix=False, origins=report.origins[:1])


def named(report: model.Report, **fields: str) -> model.Report:
    return dataclasses.replace(report, identity=report.identity | fields)


def prose(report: model.Report, *texts: str) -> model.Report:
    part = dataclasses.replace(report.parts[0], blocks=[model.Prose(text, "a test") for text in texts])
    return dataclasses.replace(report, parts=[part], code_appendix=False)


# ---- complete notebooks make a report ---------------------------------------------------------------------


def test_report_is_built_beside_the_notebooks(folder: Path) -> None:
    result = build(folder, code_appendix=True)
    assert {p.name for p in folder.iterdir()} == {f"{n}.ipynb" for n in model.PARTS} | {
        result.html.name,
        result.pdf.name,
    }
    assert result.unanswered == [id for id in QUESTIONS if id != ANSWERED]
    assert PdfReader(result.pdf).get_num_pages() == result.pages


def test_pdf_holds_what_the_manual_prints(folder: Path) -> None:
    # Read with pypdf's own extraction, which the verification does not use.
    result = build(folder)
    pages = PdfReader(result.pdf).pages
    for number, page in enumerate(pages, start=1):
        shown = re.sub(r"\s+", " ", page.extract_text())
        assert "Student ID 0012345" in shown and "Student Name Asha Rao" in shown
        assert f"Page {number} of {len(pages)}" in shown and "ACADEMIC YEAR: 2024-25" in shown
    whole = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))
    for words in ("Pre-Lab", "In-Lab", "Post-Lab", "Verdicts", "not answered", "Marks Secured", "out of 50", "20.19"):
        assert words in whole
    assert "Evaluator MUST ask Viva-voce prior to signing and posting marks for each experiment." in whole
    assert sum(page.pictures for page in verify.pages(result.pdf)) == 3


def test_files_have_the_name_that_is_asked_for(folder: Path) -> None:
    result = build(folder, name="0012345_exp13_report", docx=True)
    assert [path.name for path in (result.html, result.pdf, result.docx)] == [
        f"0012345_exp13_report.{kind}" for kind in ("html", "pdf", "docx")
    ]
    with zipfile.ZipFile(result.docx) as word:
        document = word.read("word/document.xml").decode()
    assert "Asha Rao" in re.sub(r"<[^>]+>", "", document) and "<m:oMath>" in document


def test_marks_remark_and_comments_stand_in_the_evaluators_boxes(folder: Path) -> None:
    given = model.Evaluation(
        {"Pre-Lab": "10.5 of 12", "Viva-voce": "9 of 10"},
        "43.5",
        "50",
        "Careful work; #panic($x$) <b>literally</b>.",
        [(ANSWERED, "2.5 of 3", "Say why, தமிழ்.")],
    )
    result = build(folder, evaluation=given)
    printed = "".join("".join(page.extract_text() for page in PdfReader(result.pdf).pages).split())
    page = result.html.read_text(encoding="utf-8")
    for said in ("10.5 of 12", "9 of 10", "43.5 out of 50", "#panic($x$) <b>literally</b>", "2.5 of 3", "Say why"):
        assert "".join(said.split()) in printed, said
        assert said.replace("<", "&lt;").replace(">", "&gt;") in re.sub(r"</?strong>", "", page), said
    with pytest.raises(LabError, match=r"the evaluator's remark: 中"):
        build(folder, evaluation=dataclasses.replace(given, remark="中"))


def test_a_report_of_one_part_asks_for_no_other(folder: Path) -> None:
    for name in ("02_in_lab", "03_post_lab"):
        (folder / f"{name}.ipynb").unlink()
    result = build(folder, parts=["01_pre_lab"])
    assert result.unanswered == ["pre-lab-2", "pre-lab-3", "pre-lab-4"]
    whole = " ".join(page.extract_text() for page in PdfReader(result.pdf).pages)
    assert "1 of 4" in whole and "Viva-voce\n" not in whole and "In-Lab" not in whole


def test_figures_are_sharp(report: model.Report) -> None:
    for figure in report.figures:
        pixels = Image.open(io.BytesIO(figure.data)).width
        assert round(pixels / (figure.width / 96)) >= 200  # dots per inch at the printed size


def test_answers_and_findings_are_in_the_model(report: model.Report) -> None:
    answers = {block.id: block.text for block in report.blocks if isinstance(block, model.Answer)}
    assert answers.keys() == QUESTIONS.keys()
    assert [b.id for b in report.blocks if isinstance(b, model.Answer) and not b.missing] == [ANSWERED]
    assert [(f.measured, f.wanted.text, f.verdict) for f in report.facts] == [("10.8 dB", "≥ 5 dB", "holds")] * 3
    assert report.hypotheses[0].measured == "−412 [−530, −300] steps"
    assert all("%config" not in code for part in report.parts for code in part.code)


def test_a_question_without_its_answer_cell_is_unanswered(folder: Path) -> None:
    path = folder / "01_pre_lab.ipynb"
    nb = nbformat.read(path, as_version=4)
    nb.cells = [cell for cell in nb.cells if cell.metadata.get("answer") != ANSWERED]
    nbformat.write(nb, path)
    assert ANSWERED in compose(folder).unanswered


# ---- notebooks that are refused -----------------------------------------------------------------------------


def last_record(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return next(
        o.data for cell in reversed(nb.cells) for o in cell.get("outputs", []) if RECORD_MIME in o.get("data", {})
    )


def forget_count(nb):
    nb.cells[1].execution_count = None


def add_error(nb):
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="bad digit", traceback=[])
    nb.cells[5].outputs = [error]


def drop_record(nb):
    del last_record(nb)[RECORD_MIME]


def change(field, value):
    def spoil(nb):
        last_record(nb)[RECORD_MIME][field] = value

    return spoil


def change_setting(field, value):
    def spoil(nb):
        last_record(nb)[RECORD_MIME]["settings"][field] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (forget_count, "never ran (cell 2)"),
        (add_error, "cell 6 stopped with ValueError: bad digit"),
        (drop_record, "holds no record"),
        (change("facts", [{"id": "x"}]), "record is not valid"),
        (change("schema", 2), "record is not valid"),
        (change("notebook", "01_pre_lab"), "it is '01_pre_lab', not '02_in_lab'"),
        (change("version", "0.0.1"), f"made by lab_utils 0.0.1, and this is {lab_utils.__version__}"),
        (change_setting("student_id", "12345"), "student_id is '12345', not '0012345'"),
        (change_setting("student_id", 12345), "student_id is 12345, not '0012345'"),
        (change_setting("seed", 14), "seed is 14, not 13"),
    ],
)
def test_problems_are_named_and_refused(folder: Path, spoil, said: str) -> None:
    path = folder / "02_in_lab.ipynb"
    nb = nbformat.read(path, as_version=4)
    spoil(nb)
    nbformat.write(nb, path)
    expected = IDENTITY | {"seed": 13}
    assert any(said in problem for problem in check.problems(path, notebook="02_in_lab", expected=expected))
    with pytest.raises(LabError, match=re.escape(said)):
        build(folder)
    assert not list(folder.glob("lab_report*"))


def test_complete_notebook_has_no_problem(executed: Path) -> None:
    for name in model.PARTS:
        assert check.problems(executed / f"{name}.ipynb", notebook=name, expected=IDENTITY | {"seed": 13}) == []


def test_missing_and_broken_files_are_listed_together(folder: Path) -> None:
    (folder / "01_pre_lab.ipynb").unlink()
    (folder / "03_post_lab.ipynb").write_text('{"cells": ')
    with pytest.raises(LabError) as refused:
        build(folder)
    assert "01_pre_lab.ipynb: not there" in refused.value.what
    assert "03_post_lab.ipynb: not a notebook that can be read" in refused.value.what


@pytest.mark.parametrize(("code", "said"), [("1 / 0", "ZeroDivisionError"), ("import os; os._exit(1)", "never ran")])
def test_what_papermill_leaves_of_a_failed_run_is_incomplete(tmp_path: Path, code: str, said: str) -> None:
    nb = notebook("02_in_lab")
    nb.cells[4].source = code
    source, target = tmp_path / "source.ipynb", tmp_path / "02_in_lab.ipynb"
    nbformat.write(nb, source)
    with pytest.raises(Exception, match=r"ZeroDivisionError|Kernel died|kernel"):
        papermill.execute_notebook(str(source), str(target), progress_bar=False)
    problems = " ".join(check.problems(target, notebook="02_in_lab"))
    assert said in problems and "holds no record" in problems


# ---- names, scripts, fonts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_are_set_and_found_and_others_are_not(short: model.Report, tmp_path: Path, name: str) -> None:
    path = tmp_path / "name.pdf"
    student = named(short, student_name=name)
    assert pdf.write(student, path) >= 1
    for other in (name + "x", name[:-2], name.replace(name[:1], "Z", 1)):
        if other == name:
            continue
        with pytest.raises(LabError, match="name and ID"):
            verify.pdf(path, named(short, student_name=other))


@pytest.mark.parametrize(("name", "points"), [("李雷", "李 (U+674E), 雷 (U+96F7)"), ("Asha 😀", "😀 (U+1F600)")])
def test_uncovered_characters_are_refused_by_name(short: model.Report, tmp_path: Path, name: str, points: str) -> None:
    with pytest.raises(LabError, match=re.escape(f"student name: {points}")):
        pdf.write(named(short, student_name=name), tmp_path / "name.pdf")
    assert not list(tmp_path.iterdir())


def test_uncovered_character_in_an_answer_says_where(folder: Path) -> None:
    path = folder / "01_pre_lab.ipynb"
    nb = nbformat.read(path, as_version=4)
    next(cell for cell in nb.cells if cell.metadata.get("answer") == "pre-lab-2").source = "特征"
    nbformat.write(nb, path)
    with pytest.raises(LabError, match=r"answer pre-lab-2: 特 \(U\+7279\), 征 \(U\+5F81\)"):
        build(folder)


@pytest.mark.parametrize("words", ["漢", "`漢`", "$\\text{漢}$", "| 漢 |\n|--|\n| x |"])
def test_typst_itself_refuses_an_empty_box(report: model.Report, words: str) -> None:
    with pytest.raises(LabError, match="漢"):
        pdf.render(prose(report, words))


def test_shipped_fonts_are_small_licensed_and_known_to_the_template() -> None:
    fonts = list(text.FONTS.glob("*.ttf"))
    assert sum(path.stat().st_size for path in fonts) < 6_000_000
    assert "SIL OPEN FONT LICENSE" in (text.FONTS / "OFL.txt").read_text(encoding="utf-8")
    template = pdf.TEMPLATE.read_text(encoding="utf-8")
    families = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[text.FONTS]).families()
    assert len(families) >= 15 and all(f'"{family}"' in template for family in families)


# ---- the page -----------------------------------------------------------------------------------------------


WIDE = [
    "| " + " | ".join(f"column_name_{i}" for i in range(14)) + " |\n" + "|--:" * 14 + "|\n" + "| 0.846268 " * 14 + "|",
    "| a | b | c |\n|--|--|--|\n| `a_long_literal_with_no_break_in_it=0.1234567890123456789` "
    + "| learning_rate=0.001 " * 2
    + "|",
    "| a | b |\n|--|--|\n| " + "unbreakable" * 12 + " | " + "0123456789abcdef" * 4 + " |",
    "x" * 300,
    "```\n" + "z" * 300 + "\n```",
    "$$" + "+".join(f"x_{{{i}}}^2" for i in range(60)) + "$$",
    "https://example.org/" + "long/" * 60,
]


def test_nothing_runs_over_the_edge_of_the_page(report: model.Report, tmp_path: Path) -> None:
    source = pdf.lay_out(named(prose(report, *WIDE), student_id="W" * 300), tmp_path)
    for page in typst.compile(source, root=tmp_path, format="png", ppi=72, **pdf.ONLY_OUR_FONTS):
        picture = Image.open(io.BytesIO(page)).convert("L")
        width, height = picture.size
        margin = round(width * 18.5 / 210)  # the text stands 20 mm from the edges of 210 mm
        assert picture.crop((width // 3, 0, 2 * width // 3, height)).getextrema()[0] < 128  # something is printed
        for strip in ((0, 0, margin, height), (width - margin, 0, width, height)):
            assert picture.crop(strip).getextrema() == (255, 255)


def test_a_lost_figure_fails_the_verification(report: model.Report, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf.render(report))
    assert verify.pdf(path, report) > 1
    part = report.parts[0]
    more = numbered(dataclasses.replace(report, parts=[*report.parts, part]))
    with pytest.raises(LabError, match="3 of 4 figures"):
        verify.pdf(path, more)


def test_where_the_pdf_fails_the_html_is_there_and_the_old_pdf_is_named(folder: Path) -> None:
    first = build(folder)
    before = first.pdf.read_bytes()
    path = folder / "02_in_lab.ipynb"
    nb = nbformat.read(path, as_version=4)
    nb.cells[0].source += "\n\n漢"
    nbformat.write(nb, path)
    first.html.unlink()
    with pytest.raises(LabError, match="An older PDF is still there") as refused:
        build(folder)
    assert "漢 (U+6F22)" in refused.value.what
    assert "漢" in first.html.read_text(encoding="utf-8")
    assert first.pdf.read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_html_is_self_contained_and_its_policy_allows_its_own_style_only(report: model.Report) -> None:
    page = html.render(report)
    tags = Tags(page).found
    names = {tag for tag, _ in tags}
    assert not names & {"script", "iframe", "object", "embed", "form", "link", "base", "svg"}
    assert not [a for _, attributes in tags for a in attributes if a.startswith("on") or a == "style"]
    sources = [attributes["src"] for _, attributes in tags if "src" in attributes]
    pictures = [source for source in sources if source.startswith("data:image/png;base64,")]
    drawings = [source for source in sources if source.startswith("data:image/svg+xml;base64,")]
    assert len(pictures) == 3 and len(pictures) + len(drawings) == len(sources)
    assert len(drawings) == len(report.hypotheses) + len(report.key) + 2  # each effect, and the scales of two tables
    assert names >= {"math", "mfrac", "table"}
    policy = next(a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';") and f"style-src 'sha256-{digest}'" in policy
    assert "url(" not in re.sub(r'url\("data:', "", style)


def test_maths_becomes_maths_in_both_writers() -> None:
    fragment = Fragment("$\\frac{1}{n}\\sum_i x_i^2$ and $\\mathcal{L}(\\theta)$", "course")
    markup = convert(frozenset([fragment]))[fragment]
    assert markup.html.count("<math") == 2 and "mfrac" in markup.html
    assert "attach(\\u{2211}, br: i)" in markup.typst and "\\frac" not in markup.html
    assert '#set math.equation(alt: "\\\\frac{1}{n}\\\\sum_i x_i^2")' in markup.typst
