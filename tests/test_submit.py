"""One file to hand in: refused without a name or an ID, made with a warning where it is merely incomplete."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from small_notebooks import make_series
from test_cli import dae_lab

from lab_utils.course.submission import submit
from lab_utils.errors import LabError
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.running import original
from lab_utils.settings import SERIES

MINE = {"student_id": "0012345", "student_name": "தமிழ்ச்செல்வன்"}
PROMPT = ANSWER_PROMPT.strip("*")


@pytest.fixture
def notebooks(tmp_path, monkeypatch, own_cache) -> Path:
    """The small series as the lab's own, and a copy of it as a student's."""
    monkeypatch.setattr(original, "FOLDER", make_series(tmp_path / "lab"))
    return make_series(tmp_path / "mine")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def content(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def test_it_holds_all_of_the_work_and_a_manifest_that_says_so(notebooks, tmp_path):
    edit(notebooks / "02_in_lab.ipynb", ANSWER_PROMPT, "Because the code is small.")
    edit(notebooks / "03_post_lab.ipynb", ANSWER_PROMPT, f"{PROMPT} yes, as the study shows")
    edit(notebooks / "01_pre_lab.ipynb", "sum(range(10))", "sum(range(11))")
    made = submit(tmp_path / "out", notebooks, MINE)
    assert made.archive == tmp_path / "out" / "0012345_exp13.zip"
    packed = content(made.archive)
    names = [f"{folder}/{name}.ipynb" for folder in ("executed", "notebooks") for name in SERIES]
    assert set(packed) == {*names, "manifest.json", "0012345_exp13_report.html", "0012345_exp13_report.pdf"}
    told = json.loads(packed["manifest.json"])
    assert told["files"] == {n: hashlib.sha256(c).hexdigest() for n, c in packed.items() if n != "manifest.json"}
    assert told["student_id"] == "0012345" and told["seed"] == 13
    assert told["facts"]["02_in_lab"] == {"epochs-are-few": 3.0}
    assert b"Because the code is small." in packed["notebooks/02_in_lab.ipynb"]
    assert b"Because the code is small." in packed["executed/02_in_lab.ipynb"]
    said = "\n".join(made.warnings)
    assert "pre_lab-1" in said and "Still holds the words" in said and "post_lab-1" in said
    assert "Code that is not the lab's" in said and "01_pre_lab (body)" in said and "02_in_lab (" not in said


def test_the_same_work_gives_the_same_bytes(notebooks, tmp_path):
    first = submit(tmp_path / "out", notebooks, MINE, part="pre-lab").archive
    before = first.read_bytes()
    again = submit(tmp_path / "out", notebooks, MINE, part="pre-lab")
    assert first.name == "0012345_exp13_pre-lab.zip" and again.archive.read_bytes() == before
    assert set(json.loads(content(first)["manifest.json"])["facts"]) == {"01_pre_lab"}
    assert not any("Code that is not" in warning for warning in again.warnings)


def test_name_and_id_are_read_from_the_notebooks_and_two_ids_are_refused(notebooks, tmp_path):
    for path in notebooks.iterdir():
        edit(path, 'student_name = \\"\\"', 'student_name = \\"Asha Rao\\"')
    edit(notebooks / "02_in_lab.ipynb", 'student_id = \\"\\"', 'student_id = \\"0012345\\"')
    assert submit(tmp_path / "out", notebooks, {}, part="in-lab").archive.name == "0012345_exp13_in-lab.zip"
    edit(notebooks / "03_post_lab.ipynb", 'student_id = \\"\\"', 'student_id = \\"99\\"')
    with pytest.raises(LabError, match="0012345 and 99"):
        submit(tmp_path / "out", notebooks, {})


def test_without_a_name_or_an_id_nothing_is_made(notebooks, tmp_path):
    for given, said in [((), "No notebook says your ID"), (("-p", "student_id", "7"), "No notebook says your name")]:
        done = dae_lab("submit", "--notebooks", notebooks, *given, cwd=tmp_path)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "submission").exists()


def test_the_labs_own_notebooks_are_nobodys_work(tmp_path):
    done = dae_lab("submit", "-p", "student_id", "7", "-p", "student_name", "A", cwd=tmp_path)
    assert done.returncode == 2 and f"03_post_lab.ipynb not found in {tmp_path}" in done.stderr
    assert "Start the command in that folder" in done.stderr and not (tmp_path / "submission").exists()


def test_notebooks_that_do_not_complete_make_no_archive(notebooks, tmp_path):
    edit(notebooks / "01_pre_lab.ipynb", "sum(range(10))", "1 / 0")
    done = dae_lab(
        *("submit", "--notebooks", notebooks, "--part", "pre-lab", "-p", "student_id", "7", "-p", "student_name", "A"),
        cwd=tmp_path,
    )
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr and "Nothing to hand in yet" in done.stderr
    assert not list((tmp_path / "submission").glob("*.zip"))
