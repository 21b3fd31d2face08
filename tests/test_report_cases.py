"""Odd but honest hand-ins: the lab's own notebooks, as committed, with what students do to them."""

import base64
import copy
import io
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell
from PIL import Image

from lab_utils.facts import RECORD_MIME
from lab_utils.report import model
from lab_utils.report.compose import compose
from lab_utils.running import check
from lab_utils.running.original import FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The three notebooks as they were committed: complete, of nobody, nothing answered."""
    for name in model.PARTS:
        shutil.copy(FOLDER / f"{name}.ipynb", tmp_path)
    return tmp_path


def edit(folder: Path, change, name: str = "01_pre_lab") -> Path:
    path = folder / f"{name}.ipynb"
    nb = nbformat.read(path, as_version=4)
    change(nb)
    nbformat.write(nb, path)
    return path


def run_cell(source: str, *outputs, count: int = 99):
    return new_code_cell(source, execution_count=count, outputs=list(outputs))


def shown(mime: str, content: str, **others: str):
    return new_output("display_data", data={mime: content} | others)


# ---- what a complete notebook is -----------------------------------------------------------------------------


def test_a_scratch_cell_after_the_record_does_no_harm(folder: Path) -> None:
    path = edit(folder, lambda nb: nb.cells.append(run_cell("1 + 1", shown("text/plain", "2"))))
    assert check.problems(path, notebook="01_pre_lab") == []
    assert check.read_record(check.read(path)).notebook == "01_pre_lab"


def lose_pictures(nb) -> None:
    for cell in nb.cells:
        cell.outputs = [o for o in cell.get("outputs", []) if "image/png" not in o.get("data", {})]
        if cell.cell_type != "code":
            del cell["outputs"]


@pytest.mark.parametrize("name", model.PARTS)
def test_a_run_without_figures_is_incomplete(folder: Path, name: str) -> None:
    path = folder / f"{name}.ipynb"
    assert check.problems(path, notebook=name) == []
    edit(folder, lose_pictures, name)
    assert any("figures are missing" in problem for problem in check.problems(path, notebook=name))


def test_a_bare_call_of_figures_must_show_one(folder: Path) -> None:
    path = edit(folder, lambda nb: nb.cells.insert(5, run_cell("figures.strips(codes, 'mine');")))
    assert "figures are missing (cell 6)" in check.problems(path, notebook="01_pre_lab")[0]
    edit(folder, lambda nb: nb.cells.__setitem__(5, run_cell("figure = figures.strips(codes, 'mine')")))
    assert check.problems(path, notebook="01_pre_lab") == []


def test_notebooks_of_older_editors_are_read(folder: Path) -> None:
    path = edit(folder, lambda nb: None)
    path.write_text(path.read_text(encoding="utf-8").replace('"nbformat_minor": 5', '"nbformat_minor": 4'), "utf-8")
    assert check.problems(path, notebook="01_pre_lab") == []
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert check.problems(path, notebook="01_pre_lab") == []


# ---- answers whose cells lost something -------------------------------------------------------------------------


def answer_of(nb, id: str = "pre-lab-1"):
    return next(cell for cell in nb.cells if cell.metadata.get("answer") == id)


def read_answers(folder: Path) -> dict[str, model.Answer]:
    return {block.id: block for block in compose(folder).blocks if isinstance(block, model.Answer)}


def write(text: str, id: str = "pre-lab-1"):
    return lambda nb: setattr(answer_of(nb, id), "source", text)


def lose_metadata(nb) -> None:
    answer_of(nb).source = "MINE one"
    answer_of(nb, "pre-lab-3").source = "MINE three"
    for cell in nb.cells:
        cell.metadata.clear()


def lose_metadata_and_ids(nb) -> None:
    lose_metadata(nb)
    for i, cell in enumerate(nb.cells):
        cell.id = f"new-{i}"


def recreate(nb) -> None:
    for id, text in (("pre-lab-1", "MINE one"), ("pre-lab-3", "MINE three")):
        nb.cells[nb.cells.index(answer_of(nb, id))] = new_markdown_cell(text)


def make_raw(nb) -> None:
    for id, text in (("pre-lab-1", "MINE one"), ("pre-lab-3", "MINE three")):
        old = answer_of(nb, id)
        nb.cells[nb.cells.index(old)] = new_raw_cell(text, metadata=old.metadata)


@pytest.mark.parametrize("lose", [lose_metadata, lose_metadata_and_ids, recreate, make_raw])
def test_answers_are_recognised(folder: Path, lose) -> None:
    edit(folder, lose)
    report = compose(folder)
    answers = read_answers(folder)
    assert (answers["pre-lab-1"].text, answers["pre-lab-3"].text) == ("MINE one", "MINE three")
    assert {"pre-lab-1", "pre-lab-3"}.isdisjoint(report.unanswered)
    assert {"pre-lab-2", "pre-lab-4"} <= set(report.unanswered)
    assert [block.id for block in report.parts[0].blocks if isinstance(block, model.Answer)] == [
        f"pre-lab-{i}" for i in (1, 2, 3, 4)
    ]
    assert sum("MINE" in block.text for block in report.blocks if isinstance(block, model.Written)) == 2
    assert not any("leaves no values" in text or "without labels. The bottleneck" in text for _, text in report.places)


def test_text_below_an_answer_is_of_that_answer_until_the_next_question(folder: Path) -> None:
    def add(nb) -> None:
        place = nb.cells.index(answer_of(nb))
        nb.cells.insert(place + 1, new_markdown_cell("# NEXT\n\nMore of it."))
        nb.cells.insert(place + 2, run_cell("print(1)", new_output("stream", text="BELOW\n")))
        asked = next(i for i in range(place, len(nb.cells)) if "question" in nb.cells[i].metadata.get("tags", []))
        nb.cells.insert(asked + 1, new_markdown_cell("ELSEWHERE"))
        nb.cells.append(run_cell("1 + 1", shown("text/plain", "SCRATCH")))

    edit(folder, add)
    answers = read_answers(folder)
    assert "NEXT" in answers["pre-lab-1"].text and "BELOW" in answers["pre-lab-1"].text
    assert not answers["pre-lab-1"].missing
    assert answers["pre-lab-4"].missing and "SCRATCH" not in answers["pre-lab-4"].text
    texts = [block.text for block in compose(folder).parts[0].blocks if isinstance(block, model.Written)]
    assert "ELSEWHERE" in texts and "SCRATCH" in texts


def test_a_split_answer_is_one(folder: Path) -> None:
    def split(nb) -> None:
        first = answer_of(nb)
        second = copy.deepcopy(first)
        first.source, second.source, second.id = "FIRST half", "SECOND half", "abcd1234"
        nb.cells.insert(nb.cells.index(first) + 1, second)

    edit(folder, split)
    assert read_answers(folder)["pre-lab-1"].text == "FIRST half\n\nSECOND half"


MODEL = "It replaces many raw measurements by a few learned ones"
EMPTY = ["", "  \n", "*Write your answer here.*", "Write your answer here", "---", "&nbsp;", "\u200b", "> \n>", "-"]


@pytest.mark.parametrize("text", EMPTY)
def test_an_empty_answer_is_none(folder: Path, text: str) -> None:
    edit(folder, write(text))
    assert "pre-lab-1" in compose(folder).unanswered


@pytest.mark.parametrize("change", [str, str.upper, lambda text: f"**{text}**\n\n", lambda text: text.rstrip() + " ok"])
def test_a_copy_of_the_model_answer_is_none(folder: Path, change) -> None:
    def copied(nb) -> None:
        model = next(cell.source for cell in nb.cells if MODEL in cell.source)
        answer_of(nb).source = change(model.removeprefix("**Model answer**\n\n"))

    edit(folder, copied)
    assert "a copy" in read_answers(folder)["pre-lab-1"].missing


@pytest.mark.parametrize("text", ["32", "√2", "$x^2$", "Yes.", "தமிழ்", "ẹ̀"])
def test_a_short_answer_is_one(folder: Path, text: str) -> None:
    edit(folder, write(text))
    assert "pre-lab-1" not in compose(folder).unanswered


# ---- pictures -----------------------------------------------------------------------------------------------------


def drawn(kind: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB", **options) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else (255, 0, 0, 0)).save(out, kind, **options)
    return out.getvalue()


def in_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60">{}<rect width="90" height="60" fill="red"/></svg>'
HARMLESS = {
    "png": {"image/png": in_base64(drawn())},
    "jpeg": {"image/jpeg": in_base64(drawn("JPEG"))},
    "png that says jpeg": {"image/jpeg": in_base64(drawn())},
    "transparent": {"image/png": in_base64(drawn(mode="RGBA"))},
    "gif": {"image/gif": in_base64(drawn("GIF"))},
    "svg": {"image/svg+xml": in_base64(SVG.format("").encode())},
    "svg with a script": {"image/svg+xml": in_base64(SVG.format("<script>alert(1)</script>").encode())},
    "large": {"image/png": in_base64(drawn(size=(6_000, 4_000), compress_level=1))},
}


@pytest.mark.parametrize("bundle", HARMLESS.values(), ids=HARMLESS)
def test_a_pasted_picture_is_printed(folder: Path, bundle: dict[str, str]) -> None:
    def paste(nb) -> None:
        answer_of(nb).update(source="![image.png](attachment:image.png)", attachments={"image.png": bundle})

    edit(folder, paste)
    answer = read_answers(folder)["pre-lab-1"]
    (figure,) = answer.blocks
    assert not answer.missing and not compose(folder).notes
    with Image.open(io.BytesIO(figure.data), formats=["PNG", "JPEG"]) as image:
        assert max(image.size) <= 1_600
        assert image.width / image.height == pytest.approx(1.5, abs=0.01) == figure.aspect
        middle = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
        assert middle[0] > 250 and (middle[1] < 5 or bundle is HARMLESS["transparent"])


@pytest.mark.parametrize(
    "text",
    [
        "Look:\n\n![a sketch](mine/my%20plot.png)\n\nEND",
        "Look: ![a sketch](<mine/my plot.png>) END",
        'Look <img src="mine/my plot.png" width="300"/> END',
        "Look ![a sketch][p] END\n\n[p]: mine/my%20plot.png",
        f"Look\n\n![a sketch](data:image/png;base64,{in_base64(drawn())})\nEND",
        "- Look ![a sketch](mine/my%20plot.png 'title') END",
    ],
)
def test_pictures_in_text_are_printed_between_it(folder: Path, tmp_path: Path, text: str) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "my plot.png").write_bytes(drawn())
    edit(folder, write(text))
    answer = read_answers(folder)["pre-lab-1"]
    assert [block.kind for block in answer.blocks].count("figure") == 1
    assert "Look" in answer.text and "END" in answer.text and "base64" not in answer.text


def test_pictures_lie_beside_the_notebook_that_was_run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    sources = tmp_path_factory.mktemp("sources")
    (sources / "plot.jpg").write_bytes(drawn("JPEG"))
    edit(folder, write("![](plot.jpg)"))
    assert "pre-lab-1" in compose(folder).unanswered
    assert "pre-lab-1" not in compose(folder, sources=sources).unanswered


REFUSED = {
    "https://example.org/x.png": "nothing is fetched",
    "//example.org/x.png": "nothing is fetched",
    "file:///etc/hostname": "nothing is fetched",
    "/etc/hostname": "outside",
    "../outside.png": "outside",
    "%2e%2e/outside.png": "outside",
    "link.png": "outside",
    "there-is-none.png": "no such file",
    "notes.txt": "not a picture",
    "cut.png": "not a picture",
    "attachment:image.png": "does not hold its data",
    "data:image/png;base64,AAAA": "not a picture",
    "data:text/html,<b>x</b>": "not in base64",
    "javascript:alert(1)": "nothing is fetched",
    "bomb.png": "pixels",
}


@pytest.mark.parametrize(("target", "said"), REFUSED.items())
def test_other_pictures_are_refused_by_name(folder: Path, tmp_path_factory, target: str, said: str) -> None:
    outside = tmp_path_factory.mktemp("outer")
    inside = Path(shutil.copytree(folder, outside / "inside"))
    (outside / "outside.png").write_bytes(drawn())
    (inside / "link.png").symlink_to(outside / "outside.png")
    (inside / "notes.txt").write_text("no picture")
    (inside / "cut.png").write_bytes(drawn()[:60])
    if target == "bomb.png":
        (inside / target).write_bytes(drawn(size=(12_000, 9_000), compress_level=1))
    edit(inside, write(f"![]({target})"))
    report = compose(inside)
    assert "pre-lab-1" in report.unanswered
    (note,) = report.notes
    assert said in note and note.startswith("answer pre-lab-1")
    assert target.split(",")[0] in note


# ---- a student's own outputs --------------------------------------------------------------------------------------

FRAME = (
    "<style>td {color: red}</style>"
    "<table><tr><th>method</th><th>dB</th></tr><tr><td>mine_*</td><td>9|1</td></tr></table>"
)
OUTPUTS = {
    "text": (new_output("stream", text="\x1b[31mSEEN\x1b[0m 9\r9.39 SEEN\n"), "9.39 SEEN"),
    "result": (shown("text/plain", "SEEN = 3"), "SEEN = 3"),
    "table": (shown("text/html", FRAME, **{"text/plain": "x"}), "mine"),
    "html": (shown("text/html", "<p onclick=x>SEEN <b>words</b><script>no()</script></p>"), "SEEN\nwords"),
    "markdown": (shown("text/markdown", "**SEEN**"), "**SEEN**"),
    "svg": (shown("image/svg+xml", SVG.format("")), None),
    "jpeg": (shown("image/jpeg", in_base64(drawn("JPEG"))), None),
    "png": (shown("image/png", in_base64(drawn())), None),
}


@pytest.mark.parametrize(("output", "said"), OUTPUTS.values(), ids=OUTPUTS)
def test_a_students_own_output_is_printed(folder: Path, output, said: str | None) -> None:
    before = compose(folder)
    edit(folder, lambda nb: nb.cells.insert(5, run_cell("mine()", output)))
    report = compose(folder)
    assert len(list(report.blocks)) == len(list(before.blocks)) + 1 and not report.notes
    if said is None:
        assert len(report.figures) == len(before.figures) + 1
        assert [figure.own for figure in report.figures].count(True) == 1
    else:
        assert any(said in block.text for block in report.blocks if isinstance(block, model.Written))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (new_output("stream", name="stderr", text="Warning" * 200_000), "warnings (1,400,000 characters)"),
        (new_output("stream", text="line\n" * 5_000), "only the beginning"),
        (shown("application/vnd.plotly.v1+json", "{}"), "application/vnd.plotly.v1+json"),
        (shown("image/png", "AAAA"), "not a picture"),
        (shown("image/svg+xml", "<svg"), "SVG"),
        (shown("text/html", "<img src=x>see"), "pictures in its HTML"),
    ],
)
def test_what_is_not_printed_is_listed_by_cell(folder: Path, output, said: str) -> None:
    edit(folder, lambda nb: nb.cells.insert(5, run_cell("mine()", output)))
    (note,) = compose(folder).notes
    assert said in note and "01_pre_lab.ipynb, cell 6" in note


def test_a_changed_cell_of_the_lab_prints_what_it_says(folder: Path) -> None:
    def change(nb) -> None:
        cell = next(cell for cell in nb.cells if cell.id == "q1-probe")
        cell.source += "\nprint('SEEN')"
        cell.outputs.append(new_output("stream", text="SEEN\n"))

    edit(folder, change)
    report = compose(folder)
    assert any("SEEN" in block.text for block in report.blocks if isinstance(block, model.Written))
    assert [change.key for change in report.parts[0].changes] == ["q1-probe"]
    assert report.parts[1].changes == []


def test_a_prediction_prints_as_the_students_where_one_was_made_and_is_never_missing(folder: Path) -> None:
    empty = compose(folder)
    assert not any("Your prediction" in text for _, text in empty.places)
    assert not any("prediction" in id for id in empty.unanswered)

    def predict(nb) -> None:
        cell = next(cell for cell in nb.cells if cell.id == "q2-prediction")
        cell.source += " from 2 to 8 <script>"

    edit(folder, predict)
    notes = [block for block in compose(folder).blocks if isinstance(block, model.Note)]
    assert [note.text for note in notes if "2 to 8 <script>" in note.text]


# ---- nothing leaks ------------------------------------------------------------------------------------------------


def test_private_paths_and_passwords_are_not_printed(folder: Path) -> None:
    secret, path = "postgresql://anna:pa55w0rd@db.example/lab", "/somewhere/private/mnist.npz"

    def leak(nb) -> None:
        record = [o for cell in nb.cells for o in cell.get("outputs", []) if RECORD_MIME in o.get("data", {})][-1]
        record.data[RECORD_MIME]["settings"] |= {"storage": secret, "data_source": path}
        record.data[RECORD_MIME]["data"]["source"] = path
        cell = next(cell for cell in nb.cells if cell.id == "study-count")
        cell.outputs = [shown("text/markdown", f"Read {path} into {secret}.")]
        code = f"# Parameters\nstorage = {secret!r}\ndata_source = {path!r}"
        injected = run_cell(code)
        injected.metadata["tags"] = ["injected-parameters"]
        nb.cells.insert(3, injected)
        nb.cells.insert(4, run_cell(f"trials = load({secret!r}, {path!r})"))

    edit(folder, leak, "03_post_lab")
    report = compose(folder, code_appendix=True)
    printed = "\n".join(text for _, text in report.places) + "\n".join(report.notes)
    assert "pa55w0rd" not in printed and "/somewhere" not in printed
    assert "postgresql://***@db.example/lab" in printed and "…/mnist.npz" in printed
    assert not any(re.search("^# Parameters", code) for part in report.parts for code in part.code)
