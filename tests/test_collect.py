"""A class hands in: what was planted is found, and nobody else is accused; no archive can do harm."""

import csv
import functools
import html
import io
import json
import math
import stat
import struct
import time
import zipfile
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from pypdf import PdfReader
from small_notebooks import make_notebook, make_series, run_small
from test_cli import dae_lab
from test_course import write_roster

from lab_utils.course import received, similar, unpack
from lab_utils.course.collect import collect as collect_all
from lab_utils.course.collected import read_collected
from lab_utils.course.marks import open_marks, save_marks
from lab_utils.course.rerun import differences
from lab_utils.course.submission import packed
from lab_utils.errors import LabError
from lab_utils.files import WRITTEN
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.running import execution, isolation
from lab_utils.running.check import FactRow
from lab_utils.running.source import read_notebook

NAME = "01_pre_lab"
BODY = "value = sum(range(10)) + seed"
HYPOTHESES = """
row = {"id": "result-in-lab.denoised", "statement": "It denoises.", "verdict": "supported", "unit": "dB"}
hypotheses = [row | {"effect": 8.5, "low": 8.0, "high": 9.0, "threshold": 1.0}]
"""
COPIED = (
    "The bottleneck has fewer values than the digit has pixels, so the network must keep the strokes that most digits "
    "share and drop the noise, which no two digits have in common."
)
ANSWERS = {
    "clean": "Because a copy is impossible with 32 values, it finds what digits share. My probe reached 0.81 with it.",
    "double": "I think of it as compression: first remove what is predictable, then describe the remainder briefly.",
    "changed": "Feature extraction gives a classifier shorter inputs; here the gain over raw pixels was small, though.",
    "edited": "An encoder learns a map to a few numbers without labels, and those few numbers serve other tasks later.",
    "copy-1": COPIED,
    "copy-2": COPIED.replace("has fewer", "holds fewer").replace("so the network", "therefore the network"),
    "loop": "Its purpose is a description of the image that is small and still lets the decoder draw it once more.",
}
MISSING = ("missing", "bomb", "outside")
NAMES = {"clean": "Zoë Ångström", "copy-1": "தமிழ்ச்செல்வன்", "loop": "O'Neil, <b>Pat</b>"}


def source_of(lab: Path, answer: str, body: str = BODY) -> str:
    return (lab / f"{NAME}.ipynb").read_text().replace(ANSWER_PROMPT, answer).replace(BODY, body)


def ran(template: str, lab: Path, student: str, body: str = BODY, measured: float = 3.0) -> str:
    """The executed notebook of a student, as the lab stamps it, made from the one that was really run."""
    notebook = nbformat.reads(template.replace("TEMPLATE", student), as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(ANSWER_PROMPT, ANSWERS[student]).replace(BODY, body)
        for output in cell.get("outputs", []):
            for record in (content for mime, content in output.get("data", {}).items() if "record" in mime):
                record["facts"][0]["measured"] = measured
    execution.stamp(notebook, "0" * 64, 1.0)
    return nbformat.writes(notebook)


def archive(student: str, source: str, executed: str | None) -> bytes:
    content = {f"notebooks/{NAME}.ipynb": source.encode()}
    if executed:
        content[f"executed/{NAME}.ipynb"] = executed.encode()
    return packed(content | {"manifest.json": json.dumps({"schema": 1, "student_id": student}).encode()})


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made, made.open(f"{NAME}.ipynb", "w") as file:
        for _ in range(300):
            file.write(bytes(1_000_000))
    return stream.getvalue()


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory) -> tuple[Path, Path, Path]:
    """What Moodle gives for a class, its roster, and the lab's notebooks."""
    base = tmp_path_factory.mktemp("class")
    lab = make_series(base / "lab", pre=BODY + HYPOTHESES)
    outcome = run_small(lab / f"{NAME}.ipynb", {"student_id": "TEMPLATE", "student_name": "TEMPLATE"})
    template = nbformat.writes(outcome.notebook)
    made = {}
    for student, answer in ANSWERS.items():
        body = {"changed": "value = 42", "loop": "while True: pass"}.get(student, BODY)
        measured = 3.5 if student == "edited" else 3.0
        executed = None if student == "loop" else ran(template, lab, student, body, measured)
        made[f"Name_{student}_assignsubmission_file_/work.zip"] = archive(
            student, source_of(lab, answer, body), executed
        )
    loose = made.pop("Name_clean_assignsubmission_file_/work.zip")
    with zipfile.ZipFile(io.BytesIO(loose)) as file:  # handed in as JupyterLab saves it, named as Canvas names it
        made["angstromzoe_4711_0815_Untitled-1.ipynb"] = file.read(f"executed/{NAME}.ipynb")
    foreign = source_of(lab, "Mine.").replace('student_id = \\"\\"', 'student_id = \\"stranger\\"')
    made["a/work.zip"] = archive("stranger", foreign, None)
    made["b_bomb/work.zip"] = bomb()
    made["c/work.zip"] = packed({f"../../{NAME}.ipynb": foreign.encode()})
    lms = base / "Experiment 13.zip"
    with zipfile.ZipFile(lms, "w") as file:
        old = archive("double", source_of(lab, "An old answer."), None)
        file.writestr(zipfile.ZipInfo("double_old.zip", (2026, 1, 1, 0, 0, 0)), old)
        for name, content in made.items():
            file.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 0, 0, 0)), content)
        file.writestr("__MACOSX/._work.zip", b"junk")
    students = [(student, NAMES.get(student, student.title())) for student in (*ANSWERS, *MISSING)]
    return lms, write_roster(base / "roster.csv", students), lab


def collected(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "collected.csv", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return {row["student_id"] or row["handed_in"]: row for row in rows}


@pytest.fixture(scope="module")
def collect(handed_in, tmp_path_factory):
    """The command, run with the class' own cache."""
    lms, roster, lab = handed_in
    out = tmp_path_factory.mktemp("marks") / "marks {seed}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_LAB_USE_CACHE", "1")
        patch.setenv("DAE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        options = ("--notebooks", lab, "--part", "pre-lab", "--workers", 2, "--out", out)
        yield out, functools.partial(dae_lab, "collect", lms, roster, *options)


def test_all_that_was_planted_is_found_and_nobody_else_is_accused(handed_in, collect):
    out, command = collect
    done = command()
    assert done.returncode == 0, done.stderr
    rows = collected(out)
    assert list(rows)[:10] == [*ANSWERS, *MISSING] and len(rows) == 13
    assert [id for id, row in rows.items() if row["look_at"] == "no"] == ["clean"]
    assert {id: row["status"] for id, row in rows.items() if row["status"] != "complete"} == {
        **dict.fromkeys(MISSING, "missing"),
        "stranger": "foreign",
        **{id: "refused" for id in rows if "work.zip" in id},
    }
    assert {id for id, row in rows.items() if row["code"] == "1 changed"} == {"changed", "loop"}
    assert {id for id, row in rows.items() if row["different_numbers"]} == {"edited"}
    assert "epochs-are-few: handed in 3.5, run again 3" in rows["edited"]["different_numbers"]
    assert {id for id, row in rows.items() if row["alike"]} == {"copy-1", "copy-2"}
    assert "as copy-2" in rows["copy-1"]["alike"]
    assert "double_old.zip" in rows["double"]["notes"] and "changed after" not in str(rows)
    assert "without having run to the end" in rows["loop"]["notes"]
    (bombed,) = [row for id, row in rows.items() if "b_bomb/work.zip" in id]
    (outside,) = [row for id, row in rows.items() if "/c/work.zip" in id]
    assert "300,000,000 bytes" in bombed["notes"] and "its name holds bomb" in bombed["notes"]
    assert "outside of its folder" in outside["notes"]
    assert {rows[id]["answers"] for id in ANSWERS} == {"1"}
    where = "yes" if isolation.possible() else "no"
    assert {rows[id]["run_without_network"] for id in ANSWERS if id != "loop"} == {where}


def test_the_page_and_the_notebooks_are_there_and_shown_literally(handed_in, collect):
    out, _ = collect
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<b>Pat" not in page and "&lt;b&gt;Pat" in page and "+while True: pass" in page
    assert 'href="changed/01_pre_lab.ipynb"' in page and 'href="changed/report.html"' in page
    assert page.count(">to mark<") == len(ANSWERS) and page.count(">not handed in<") == len(MISSING)
    assert 'class="failed">refused<' in page and 'class="failed">not' not in page
    assert (
        "The class as an experiment" in page
        and "8.5 [8.5, 8.5] dB" in page
        and "<small>[8, 9]</small>" in page
        and ">7</td>" in page
    )
    own = (out / "changed" / "report.html").read_text(encoding="utf-8")
    assert ANSWERS["changed"] in own and 'id="answer-pre_lab-1"' in own
    run_here = nbformat.read(out / "changed" / f"{NAME}.ipynb", as_version=4)
    texts = [cell.source for cell in run_here.cells]
    assert ANSWERS["changed"] in texts and BODY + HYPOTHESES in texts  # the lab's code, the student's answer
    assert not list(out.parent.parent.rglob("evil*"))


def test_a_second_time_nothing_is_run_and_the_same_is_said(handed_in, collect):
    out, command = collect
    before = (out / "collected.csv").read_bytes()
    made = {path: path.stat().st_mtime_ns for path in out.glob("*/*.ipynb")}
    assert command().returncode == 0
    assert (out / "collected.csv").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*.ipynb")} == made


def test_marks_go_back_with_the_reports_and_to_the_platform(handed_in, collect, tmp_path):
    out, _ = collect
    rubric = tmp_path / "rubric.toml"
    rubric.write_text("total = 50\n[all]\npre_lab-1 = 50\n")
    class_ = read_collected(out)
    marks = open_marks(out, class_, rubric)
    for student in ("clean", "copy-1"):
        marks.change(student, "pre_lab-1", 44.5)
    marks.change("copy-1", "comment: pre_lab-1", "=1+1 <i>Whose words?</i>")
    marks.change("copy-1", "remark", "See me, please.")
    save_marks(out, marks)
    done = dae_lab("feedback", out, "--out", tmp_path / "back", "--workers", 1)
    assert done.returncode == 0 and "2 students" in done.stdout and "copy-1: " not in done.stderr, done.stderr
    assert "Not marked to the end (5): double, changed, edited, copy-2, loop" in done.stdout
    made = {path.name for path in (tmp_path / "back" / "copy-1").iterdir()} - {WRITTEN}
    assert made == {"feedback.html", "copy-1_exp13_report.html", "copy-1_exp13_report.pdf"}
    page = (tmp_path / "back" / "copy-1" / "feedback.html").read_text(encoding="utf-8")
    printed = PdfReader(tmp_path / "back" / "copy-1" / "copy-1_exp13_report.pdf").pages
    text = " ".join(" ".join(each.extract_text() for each in printed).split())
    for said in ("44.5 out of 50", "See me, please.", "<i>Whose words?</i>"):
        assert said in text and html.escape(said) in page
    assert "Your run beside the class" in page and "copy-2" not in page
    index = (out / "index.html").read_text(encoding="utf-8")
    assert index.count(">marked<") == 2 and index.count(">to mark<") == 5 and ">44.5</td>" in index
    _, roster, _ = handed_in
    done = dae_lab("export", out, roster, "--out", tmp_path / "grades.csv")
    assert done.returncode == 0 and "2 marks" in done.stdout
    assert done.stderr.strip() == "Not marked to the end, and without a grade: double, changed, edited, copy-2, loop"
    with open(tmp_path / "grades.csv", newline="", encoding="utf-8-sig") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert rows["copy-1"]["Experiment 13"] == "44.5" and rows["missing"]["Experiment 13"] == ""
    assert rows["copy-1"]["Feedback"] == "See me, please.\npre_lab-1 (44.5 of 50): =1+1 <i>Whose words?</i>"


def test_what_the_profile_decides_is_run_again_though_the_student_never_ran_it(tmp_path, own_cache):
    lab = make_series(tmp_path / "lab")
    path = lab / f"{NAME}.ipynb"
    path.write_text(path.read_text().replace('"epochs = 3\\n"', '"epochs = 3\\n", "train_digits = None\\n"'))
    (tmp_path / "in").mkdir()
    own = path.read_text().replace('student_id = \\"\\"', 'student_id = \\"7\\"')
    (tmp_path / "in" / "Untitled.ipynb").write_text(own)
    roster = write_roster(tmp_path / "roster.csv", [("7", "Pat")])
    (row,) = collect_all(tmp_path / "in", roster, tmp_path / "out", lab, part="pre-lab")
    assert row.status == "complete" and row.notes == [f"handed in without having run to the end: {NAME}"]


def test_a_students_own_endless_loop_ends_and_stops_nobody(handed_in, tmp_path, own_cache):
    lms, _, lab = handed_in
    roster = write_roster(tmp_path / "r.csv", [("loop", "L"), ("changed", "C")])
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(lms) as file:
        for student in ("loop", "changed"):
            content = file.read(f"Name_{student}_assignsubmission_file_/work.zip")
            (tmp_path / "in" / f"{student}.zip").write_bytes(content)
    options = ("--notebooks", lab, "--part", "pre-lab", "--workers", 2, "--out", tmp_path / "out")
    begun = time.monotonic()
    done = dae_lab("collect", tmp_path / "in", roster, *options, "--own-cells", "--minutes", 0.3)
    assert done.returncode == 0 and time.monotonic() - begun < 60, done.stderr
    rows = collected(tmp_path / "out")
    assert (rows["loop"]["status"], rows["changed"]["status"]) == ("timeout", "complete")
    assert "value = 42" in (tmp_path / "out" / "changed" / f"{NAME}.ipynb").read_text()


def test_what_cannot_be_read_is_noted_and_the_rest_is_used(handed_in):
    _, _, lab = handed_in
    labs = {NAME: read_notebook(lab / f"{NAME}.ipynb").cells}
    good = source_of(lab, "Mine.").replace('student_id = \\"\\"', 'student_id = \\"7\\"')
    bad = {
        "deep.ipynb": '{"cells": ' + "[" * 100_000,
        "binary.ipynb": "\0\1",
        "other.ipynb": nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])),
        "parameters.ipynb": good.replace("seed = 13", "seed = " + "(" * 5_000),
        "record.ipynb": good.replace(
            '"outputs": []',
            '"outputs": [{"output_type": "display_data", "metadata": {}, '
            '"data": {"application/vnd.dae-lab.record+json": {"facts": 1}}}]',
        ),
        "manifest.json": "[1]",
    }
    files = {name: text.encode() for name, text in bad.items()}
    read = received.read_package(
        unpack.Package("x", datetime.now(), files | {"notebooks/a.ipynb": good.encode()}), labs
    )
    assert read.student_id == "7" and list(read.sources) == [NAME] and not read.problem
    assert all(any(name in note for note in read.notes) for name in ("deep", "binary", "other", "parameters", "record"))
    assert "its manifest cannot be read" in read.notes
    none = received.read_package(unpack.Package("x", datetime.now(), {"deep.ipynb": files["deep.ipynb"]}), labs)
    assert none.problem and "deep.ipynb" in none.problem


def test_another_students_seed_another_machine_and_a_changed_archive_are_told(handed_in):
    def facts(unit: str = "", **measured: float | None) -> dict[str, FactRow]:
        rest = {"claim": "", "relation": ">=", "threshold": 0.0, "verdict": "holds", "unit": unit}
        return {id: FactRow(id=id, measured=value, **rest) for id, value in measured.items()}

    assert differences(facts(a=1.0, b=None, c=math.nan), facts(a=1.04, b=None, c=math.nan)) == []
    assert differences(facts(a=1.0), facts(a=1.2, b=2.0)) == [
        "a: handed in 1, run again 1.2",
        "b: handed in nothing, run again 2",
    ]
    assert differences(facts("points", a=10.6), facts("points", a=9.8)) == []
    assert len(differences(facts("points", a=10.6), facts("times", a=9.8))) == 1  # the unit of the run here counts
    _, _, lab = handed_in
    source = source_of(lab, "Mine.").encode()
    manifest = json.dumps({"student_id": "9", "files": {"a.ipynb": "0" * 64}}).encode()
    package = unpack.Package("x_LATE_1", datetime.now(), {"a.ipynb": source, "manifest.json": manifest})
    read = received.read_package(package, {NAME: read_notebook(lab / f"{NAME}.ipynb").cells})
    assert read.student_id == "9" and len(read.notes) == 2 and "changed after it was packed: a.ipynb" in read.notes


def test_an_id_that_only_looks_like_one_of_the_roster_is_foreign_and_parts_come_together():
    day = [datetime(2026, 1, n) for n in (1, 2, 3)]
    pre, lab, old = (received.Handed(str(n), day[n], "0012345", {name: name}) for n, name in enumerate("abb"))
    near = received.Handed("near", day[0], "OO12345", {"a": "a"})
    found, others = received.by_student([pre, lab, old, near], {"0012345": "One", "7": "Two"})
    assert found["7"] == [] and [(each.label, status) for each, status, _ in others] == [("near", "foreign")]
    assert "looks like 0012345" in others[0][2]
    sources, _, notes = received.newest(found["0012345"], "ab")
    assert (
        sources == {"a": "a", "b": "b"} and len(notes) == 1 and notes[0].startswith("handed in before, and not used: 1")
    )


# ---- archives ----------------------------------------------------------------------------------------------------


def made_of(*names: str, mode: int = 0o644 | stat.S_IFREG) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            file.writestr(entry, b"{}")
    return stream.getvalue()


def lying() -> bytes:
    """An archive whose file says that it has 10 bytes and has 5 million."""
    raw = bytearray(packed({"a.ipynb": bytes(5_000_000)}))
    for start in (raw.index(b"PK\x03\x04") + 22, raw.index(b"PK\x01\x02") + 24):
        raw[start : start + 4] = struct.pack("<I", 10)
    return bytes(raw)


HOSTILE = {
    "absolute": (made_of("/etc/x.ipynb"), "outside"),
    "parent": (made_of("a/../../x.ipynb"), "outside"),
    "backslash": (made_of("..\\x.ipynb"), "outside"),
    "drive": (made_of("C:x.ipynb"), "outside"),
    "link": (made_of("x.ipynb", mode=0o777 | stat.S_IFLNK), "link"),
    "device": (made_of("notebooks/aux.ipynb"), "device"),
    "control": (made_of("a\nb.ipynb"), "no name"),
    "many": (made_of(*(f"{i}.txt" for i in range(500))), "500 files"),
    "lying": (lying(), ""),
    "cut short": (made_of("x.ipynb")[:-30], ""),
    "no archive": (b"PK\x03\x04 and nothing", ""),
    "empty": (b"", ""),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("nested", [False, True], ids=["alone", "in the LMS's archive"])
def test_a_hostile_archive_is_refused_whole_and_says_why(tmp_path, kind, nested):
    content, said = HOSTILE[kind]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "all.zip").write_bytes(packed({"a/work.zip": content}) if nested else content)
    (package,) = unpack.find_packages(tmp_path / "in")
    assert package.files == {} and package.problem and said in package.problem
    assert {path.name for path in tmp_path.rglob("*")} == {"in", "all.zip"}


def test_archives_nest_one_level_and_links_of_a_folder_are_not_followed(tmp_path):
    inner = made_of(f"{NAME}.ipynb")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "deep.zip").write_bytes(packed({"1.zip": packed({"2.zip": inner})}))
    (tmp_path / "outside.zip").write_bytes(inner)
    (tmp_path / "in" / "link.zip").symlink_to(tmp_path / "outside.zip")
    (package,) = unpack.find_packages(tmp_path / "in")
    assert "an archive in an archive" in package.problem


def test_moodles_and_canvas_archives_are_a_class_and_one_students_is_not(tmp_path):
    moodle = {f"Name {i}_1{i}_assignsubmission_file_/{NAME}.ipynb": b"{}" for i in range(3)}
    (tmp_path / "moodle.zip").write_bytes(packed(moodle))
    assert len(list(unpack.find_packages(tmp_path / "moodle.zip"))) == 3
    own = {f"{folder}/{NAME}.ipynb": b"{}" for folder in ("notebooks", "executed", "old")}
    (tmp_path / "one.zip").write_bytes(packed(own | {"manifest.json": b"{}"}))
    (package,) = unpack.find_packages(tmp_path / "one.zip")
    assert set(package.files) == {*own, "manifest.json"} and package.when.year == datetime.now().year
    with pytest.raises(LabError, match="There is no"):
        list(unpack.find_packages(tmp_path / "none"))


# ---- alike answers, and the network --------------------------------------------------------------------------------


def test_only_copies_are_alike_and_what_was_handed_out_counts_for_nothing():
    model = "The model answer of the course says at some length that codes are small. And it has a second sentence."
    written = {student: {"q": f"{model} {answer}"} for student, answer in ANSWERS.items()}
    (pair,) = similar.pairs(written, [model])
    assert {pair.first, pair.second} == {"copy-1", "copy-2"} and 85 <= pair.percent < 100
    assert similar.pairs({"a": {"q": "32"}, "b": {"q": "32"}}) == []
    assert similar.pairs({"a": {"q": model}, "b": {"q": model}}, [model]) == []


@pytest.mark.skipif(not isolation.possible(), reason="this system gives no process a network of its own")
def test_offline_a_notebook_reaches_nothing_and_still_runs(tmp_path):
    body = "import socket\nnames = [name for _, name in socket.if_nameindex()]\nassert names == ['lo'], names"
    outcome = run_small(make_notebook(tmp_path / f"{NAME}.ipynb", body), offline=True)
    assert outcome.status == "complete", outcome.message
