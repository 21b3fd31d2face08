"""The pages that are handed in: a short PDF with every question, a first page to mark on, links that lead somewhere."""

import base64
import io
import re
import shutil
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from PIL import Image
from pypdf import PdfReader

from lab_utils.errors import LabError
from lab_utils.facts import RECORD_MIME
from lab_utils.report import build, evidence, forest, html, model, pdf, verify
from lab_utils.report.brief import brief
from lab_utils.report.compose import compose
from lab_utils.report.findings import sign
from lab_utils.report.markdown import Fragment
from lab_utils.running import check, execution
from lab_utils.running.original import FOLDER, original

SHORT = "The encoder keeps what most digits share; the figure beside it shows which digits can still be read. " * 4
ANSWERS = {
    "pre-lab-1": "It keeps what **digits** share: $784$ to 32.\n\n$$\\frac1n\\sum_i \\lVert x_i-\\hat x_i \\rVert^2$$",
    "pre-lab-2": "1. the error falls,\n2. the probe levels off:\n   - little is gained,\n   - noise may be kept.",
    "pre-lab-3": "```python\nW = W3 @ W2 @ W1  # one matrix\n```",
    "pre-lab-4": "| | PCA | autoencoder |\n|:--|:--:|:--:|\n| linear | yes | no |",
    "in-lab-result": "My sketch:\n\n![two distributions](attachment:photo.jpg)",
    "in-lab-analysis": "தன்னியக்கக் குறியாக்கி எண்களின் வடிவத்தை மட்டும் வைத்துக்கொள்கிறது.",
    "in-lab-inferences": "يَتَعَلَّمُ المُشَفِّرُ تَمْثيلاً مَضْغوطاً لِلأَرْقامِ",
}


def photo() -> str:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((1200, 800)).save(out, "JPEG")
    return base64.b64encode(out.getvalue()).decode()


def hand_in(folder: Path, change=lambda nb, name: None) -> Path:
    """The lab's notebooks as committed, all 17 questions answered."""
    for name in model.PARTS:
        nb = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        for cell in nb.cells:
            if answer := cell.metadata.get("answer"):
                cell.source = ANSWERS.get(answer, SHORT)
                cell.attachments = {"photo.jpg": {"image/jpeg": photo()}} if "attachment:" in cell.source else {}
        change(nb, name)
        nbformat.write(nb, folder / f"{name}.ipynb")
    return folder


def record_of(nb: nbformat.NotebookNode) -> dict:
    return [o.data[RECORD_MIME] for c in nb.cells for o in c.get("outputs", []) if RECORD_MIME in o.get("data", {})][-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hand_in(tmp_path_factory.mktemp("answered"))


@pytest.fixture(scope="module")
def report(folder: Path) -> model.Report:
    return compose(folder)


@pytest.fixture(scope="module")
def short(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    work = Path(shutil.copytree(folder, tmp_path_factory.mktemp("built") / "it"))
    return PdfReader(build(work).pdf)


def structure(reader: PdfReader) -> list[dict]:
    """All elements of a PDF's structure tree."""
    found, waiting = [], [reader.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        node = waiting.pop().get_object()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            found += [node] if "/S" in node else []
            waiting += [node["/K"]] if "/K" in node else []
    return found


def test_a_report_with_every_answer_has_at_most_twelve_pages(report: model.Report, short: PdfReader) -> None:
    assert len(short.pages) <= 12 and not report.unanswered
    whole = "".join("".join(page.extract_text() for page in short.pages).split())
    for block in report.blocks:
        if isinstance(block, model.Question):
            assert re.sub(r"[\s*#]", "", block.text.rpartition("## Question")[2].lstrip(" 1234"))[:30] in whole
    assert "Itreplacesmanyrawmeasurements" not in whole  # the model answers are the teacher's


def test_the_first_page_can_be_marked_on(short: PdfReader) -> None:
    first = " ".join(short.pages[0].extract_text().split())
    for words in (
        "17 of 17",
        "unchanged",
        "Viva-voce",
        "out of 50",
        "Signature of the Evaluator with Date",
        "prior to",
    ):
        assert words in first
    assert first.count("[") >= 6  # five effects with their intervals, and the head of their column


def test_the_first_page_is_one_page_whatever_it_says(tmp_path: Path) -> None:
    def worst(nb, name) -> None:
        for cell in nb.cells:
            if "answer" in cell.metadata:
                cell.source = ""
        for row in record_of(nb)["hypotheses"]:
            row |= {"verdict": "cannot be measured", "published": "not resolved, +1.5 (+1 to +2.25) points"}

    path = tmp_path / "report.pdf"
    assert pdf.write(brief(compose(hand_in(tmp_path, worst))), path) <= 12
    first, second = (page.extract_text() for page in PdfReader(path).pages[:2])
    assert "0 of 17" in first and "Signature" in first and "Question 1" in second


def test_every_link_leads_to_a_place_in_the_report(short: PdfReader) -> None:
    inner = [
        note.get_object()
        for page in short.pages
        for note in page.get("/Annots", [])
        if "/Dest" in note.get_object() or "/D" in note.get_object().get("/A", {})
    ]
    pages = {page.indirect_reference.idnum for page in short.pages}
    destinations = [note.get("/Dest", note.get("/A", {}).get("/D")) for note in inner]
    reached = {destination.get_object()[0].idnum for destination in destinations}
    assert len(destinations) >= 15 and reached <= pages


def test_figures_and_formulas_are_read_aloud(report: model.Report, short: PdfReader) -> None:
    told = [node for node in structure(short) if node["/S"] in ("/Figure", "/Formula")]
    assert told and all(str(node.get("/Alt", "")) for node in told)
    alts = {str(node["/Alt"]) for node in told}
    assert {figure.alt for figure in brief(report).figures} <= alts
    assert any("\\frac1n" in alt for alt in alts)
    assert str(short.trailer["/Root"]["/Lang"]).startswith("en") and short.metadata.title == report.title


def test_a_pdf_without_an_alternative_text_is_not_announced(report: model.Report, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf.render(brief(report)))
    other = brief(replace(report, picture=replace(report.picture, alt="something else")))
    with pytest.raises(LabError, match="figure without its alternative text: 'something else'"):
        verify.pdf(path, other)


def test_a_lost_question_is_noticed(report: model.Report, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    whole = brief(report)
    part = whole.parts[0]
    fewer = [block for block in part.blocks if not isinstance(block, model.Question)]
    path.write_bytes(pdf.render(replace(whole, parts=[replace(part, blocks=fewer), *whole.parts[1:]])))
    with pytest.raises(LabError, match="question not there"):
        verify.pdf(path, whole)


@pytest.mark.parametrize("length", ["brief", "full"])
def test_every_figure_and_table_has_a_number_a_caption_and_a_reference(report: model.Report, length: str) -> None:
    report = report if length == "full" else brief(report)
    shown = [block for block in report.blocks if isinstance(block, model.Figure | model.Table)]
    for kind in (model.Figure, model.Table):
        numbers = [block.number for block in shown if isinstance(block, kind)]
        assert numbers == list(range(1, len(numbers) + 1))
    assert all(block.caption.strip() for block in shown)
    own = {block.anchor for block in shown if isinstance(block, model.Figure) and block.own}
    referred = [anchor for block in report.blocks if isinstance(block, model.Written) for anchor in block.see]
    assert sorted(referred) == sorted({block.anchor for block in shown} - own)


def test_what_bears_on_a_question_is_there_in_the_notebooks() -> None:
    cells = {cell.id: cell for name in model.PARTS for cell in original(name)}
    shown = [key for keys in evidence.EVIDENCE.values() for key in keys]
    assert all(cells[key].outputs for key in [*shown, evidence.PICTURE])
    for key in evidence.CAPTIONS:
        assert any("|" in output.data.get("text/markdown", "") for output in cells[key].outputs), key
    ids = {
        row["id"]
        for name in model.PARTS
        for row in record_of(nbformat.from_dict({"cells": original(name)}))["hypotheses"]
    }
    assert ids.issuperset(evidence.KEY)


@pytest.mark.parametrize("text", ["$$$$", "$$ $$", "$\\,$", "$$\n\n$$", "$\\text{}$", "$\\$$"])
def test_an_empty_formula_has_an_alternative_text(report: model.Report, text: str) -> None:
    answer = model.Answer("viva-1", (model.Note(f"before {text} after", "answer viva-1"),))
    part = model.Part("In-Lab", "", [answer], [], [])
    assert pdf.render(replace(brief(report), parts=[part], picture=None)).startswith(b"%PDF")


def test_missing_answers_are_links_and_get_lines(tmp_path: Path) -> None:
    def forget(nb, name) -> None:
        for cell in nb.cells:
            if cell.metadata.get("answer") in ("viva-3", "post-lab-results"):
                cell.source = ""

    report = compose(hand_in(tmp_path, forget))
    assert report.unanswered == ["viva-3", "post-lab-results"]
    page = html.render(report)
    assert '<a href="#answer-viva-3">viva-3</a>' in page and 'id="answer-viva-3"' in page and "15 of 17" in page
    assert [(section.title, section.answered, len(section.questions)) for section in report.sections] == [
        ("Pre-Lab", 4, 4),
        ("In-Lab", 4, 4),
        ("Viva-voce", 4, 5),
        ("Post-Lab", 3, 4),
    ]


def test_an_answer_that_stands_twice_is_linked_once(tmp_path: Path) -> None:
    def copy(nb, name) -> None:
        if name == "01_pre_lab":
            nb.cells.append(nbformat.v4.new_markdown_cell("", metadata={"tags": ["answer"], "answer": "viva-3"}))

    report = compose(hand_in(tmp_path, copy))
    report = replace(report, unanswered=["viva-3", "not there"])
    assert pdf.render(brief(report)).startswith(b"%PDF")


def test_a_question_that_was_edited_is_still_found(tmp_path: Path) -> None:
    link = "**Why?** See [this](https://example.org/page) and `code_here`, $x^2$ & <b>that</b>."
    texts = cycle([link, "## Why $$x$$ so?"])

    def edit(nb, name) -> None:
        for cell in nb.cells:
            if "question" in cell.metadata.get("tags", []):
                cell.source = next(texts)

    report = brief(compose(hand_in(tmp_path, edit)))
    assert sum(isinstance(block, model.Question) for block in report.blocks) == 17
    assert pdf.write(report, tmp_path / "report.pdf") <= 12


def test_headings_go_down_one_level_at_a_time(tmp_path: Path) -> None:
    texts = ["#### Deep\n\ntext", "> ### Quoted\n\n- # listed", "###### x\n\n## y\n\n#### z"]
    rest = iter(texts)

    def edit(nb, name) -> None:
        next(cell for cell in nb.cells if cell.id in ("data-text", "study-text")).source = next(rest)

    report = compose(hand_in(tmp_path, edit))
    assert {block.text for block in report.blocks if isinstance(block, model.Prose)} >= set(texts)
    assert pdf.render(report).startswith(b"%PDF")  # Typst refuses a gap


def test_changed_code_is_counted_and_shown(tmp_path: Path) -> None:
    def change(nb, name) -> None:
        for cell in nb.cells:
            if cell.id == "q1-probe":
                cell.source += "\nprint('<b>mine</b>')"

    report = compose(hand_in(tmp_path, change))
    page = html.render(report)
    assert "1 cell changed" in page and "+print(&#39;&lt;b&gt;mine&lt;/b&gt;&#39;)" in page
    first = pdf.content(brief(report))
    assert [part["changes"] for part in first["parts"]] == [1, 0, 0]
    code = dict(report.origins)["Code cells (SHA-256)"]
    assert code[0].startswith("1 changed") and code[1].startswith("unchanged")


def test_any_verdict_and_a_published_run_are_printed(tmp_path: Path) -> None:
    verdicts = cycle(["supported", "negligible", "opposite", "not resolved", "cannot be measured"])

    def judge(nb, name) -> None:
        for row in record_of(nb)["hypotheses"]:
            row |= {
                "verdict": next(verdicts),
                "holm": "not resolved",
                "published": "supported, +1.5 (+1 to +2.25) dB",
            }
        row |= {"effect": None, "note": "4 of 4 seeds against 0 of 12 end in no number"}

    report = compose(hand_in(tmp_path, judge))
    assert "4 of 4 seeds against 0 of 12 end in no number" in {row.measured for row in report.hypotheses}
    assert len({row.verdict for row in report.hypotheses}) == 5
    assert {row.published for row in report.hypotheses} == {("+1.5 (+1 to +2.25) dB", "supported")}
    assert {sign(row) for row in report.hypotheses} == {"yes", "small", "no", "open"}
    page = html.render(report)
    assert all(f">{row.verdict}</span>" in page for row in report.hypotheses)
    assert "all tests counted: not resolved" in page
    path = tmp_path / "report.pdf"
    assert pdf.write(brief(report), path) <= 12
    said = " ".join(" ".join(page.extract_text().split()) for page in PdfReader(path).pages)
    assert "(+1 to +2.25)" in said and "supported*" in said and "not resolved*" not in said


def test_an_unknown_verdict_is_printed_as_it_is(tmp_path: Path) -> None:
    def judge(nb, name) -> None:
        for row in record_of(nb)["hypotheses"]:
            row["verdict"] = "漢?"

    report = compose(hand_in(tmp_path, judge))
    assert ">漢?</span>" in html.render(report) and sign(report.hypotheses[0]) == "open"


NUMBERS = [
    (1.0, 0.5, 2.0, 1.0),
    (-3e5, -1e9, 2e9, -5),
    (0.0, 0.0, 0.0, 10),
    (None, None, None, 1),
    (2.0, None, None, None),
]


@pytest.mark.parametrize("numbers", NUMBERS)
def test_an_effect_is_drawn_inside_its_frame(numbers: tuple) -> None:
    words = Fragment("x", "answer")
    drawing = forest.bar(model.Finding("Pre-Lab", words, "", words, "supported", "a", "%", *numbers), "yes")
    tags = [pair for element in ElementTree.fromstring(drawing).iter() for pair in element.items()]
    places = [float(value) for name, value in tags if name in ("x1", "x2", "cx")]
    assert all(0 <= place <= forest.WIDTH for place in places)
    assert ("cx" in dict(tags)) == (numbers[0] is not None)


# ---- numbers that were put out ------------------------------------------------------------------------------------


def stamped(folder: Path, change) -> Path:
    """An executed in-lab as `dae-lab` leaves it, and what somebody did to it afterwards."""
    nb = nbformat.read(FOLDER / "02_in_lab.ipynb", as_version=4)
    execution.stamp(nb, "a key", 60.0)
    change(nb)
    path = folder / "02_in_lab.ipynb"
    nbformat.write(nb, path)
    return path


def output_of(nb, id: str):
    return next(cell for cell in nb.cells if cell.id == id).outputs[0]


def test_an_output_that_was_edited_is_refused_by_cell(tmp_path: Path) -> None:
    assert check.problems(stamped(tmp_path, lambda nb: None), notebook="02_in_lab") == []

    def edit(nb) -> None:
        output = output_of(nb, "denoised-facts")
        output.data["text/markdown"] = re.sub(r"\d+\.\d\d", "35.00", output.data["text/markdown"], count=1)

    (problem,) = check.problems(stamped(tmp_path, edit), notebook="02_in_lab")
    assert "not what was put out" in problem and "(denoised-facts)" in problem
    with pytest.raises(LabError, match=r"cell \d+ \(denoised-facts\)"):
        build(tmp_path, parts=["02_in_lab"])


def test_an_edited_record_is_refused(tmp_path: Path) -> None:
    def edit(nb) -> None:
        record_of(nb)["facts"][2]["measured"] = 35.0

    (problem,) = check.problems(stamped(tmp_path, edit), notebook="02_in_lab")
    assert "(record)" in problem


def test_answers_and_text_may_change_after_the_run(tmp_path: Path) -> None:
    def write(nb) -> None:
        for cell in nb.cells:
            if cell.cell_type != "code":
                cell.source += "\n\nMINE"

    path = stamped(tmp_path, write)
    assert check.problems(path, notebook="02_in_lab") == []
    report = compose(tmp_path, names=["02_in_lab"])
    assert dict(report.origins)["Displayed outputs"] == ["as they were put out"]
