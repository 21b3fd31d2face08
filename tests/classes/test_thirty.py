"""A class of 30, from the roster to the marks: what was planted is found, and nobody else is accused."""

import csv
import hashlib
import io
import time
import zipfile
from pathlib import Path

import pytest
from openpyxl import load_workbook
from small_notebooks import make_series
from test_cli import dae_lab
from test_course_dask import scheduler  # noqa: F401

from lab_utils.course.submission import packed, submit
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.running import original

NAMES = ["Zoë Ångström", "தமிழ்ச்செல்வன்", "محمد علي", "Иван Щёкин", "O'Neil, Pat", "श्री राम", "Nguyễn Thị Hồng"]
BODY = """\
import numpy as np
effect = 8.5 + np.random.default_rng(seed).normal(0, 0.2)
row = {"id": "result-in-lab.denoised", "statement": "It denoises.", "verdict": "supported", "unit": "dB"}
hypotheses = [row | {"effect": effect, "low": effect - 0.4, "high": effect + 0.4, "threshold": 1.0}]
"""
COPIED = "The bottleneck holds fewer values than the digit has pixels, and so the network keeps the strokes alone."
RUBRIC = "total = 50\n[all]\npre_lab-1 = 15\nin_lab-1 = 20\npost_lab-1 = 15\n"
MISSING, DOUBLE, CHANGED, EDITED, COPIES, LOOP = (3, 4, 5), (6, 7), (8, 9), 10, (11, 12), 13
BOMB, OUTSIDE = 14, 15


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def answer(n: int) -> str:
    """Twenty words that no other student has."""
    return " ".join(hashlib.sha256(f"{n} {k}".encode()).hexdigest()[:6] for k in range(20))


@pytest.fixture(scope="module")
def class_(tmp_path_factory) -> tuple[Path, Path]:
    """The folder of the class, in which the roster, the notebooks handed out and the LMS's archive lie."""
    base = tmp_path_factory.mktemp("thirty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_LAB_USE_CACHE", "1")
        patch.setenv("DAE_LAB_CACHE", str(base / "cache"))
        patch.setattr(original, "FOLDER", make_series(base / "lab", lab=BODY))
        with open(base / "roster.csv", "w", newline="", encoding="utf-8") as file:
            names = [(f"{2300 + n}", f"{NAMES[n % len(NAMES)]} {n}") for n in range(30)]
            csv.writer(file).writerows([("student_id", "name"), *names])
        (base / "rubric.toml").write_text(RUBRIC)
        done = dae_lab("release", base / "handout", "--roster", base / "roster.csv", "--notebooks", base / "lab",
                       "--rubric", base / "rubric.toml")  # fmt: skip
        assert done.returncode == 0, done.stderr
        with zipfile.ZipFile(base / "downloads.zip", "w") as lms:
            for n in range(30):
                if n not in MISSING:
                    hand_in(base, n, lms)
            lms.writestr("stranger.zip", stranger(base))
        yield base


def hand_in(base: Path, n: int, lms: zipfile.ZipFile) -> None:
    own = base / "handout" / "students" / f"{2300 + n}"
    name = f"Student {n}_{n}_assignsubmission_file_"
    for part in ("01_pre_lab", "02_in_lab", "03_post_lab"):
        edit(own / f"{part}.ipynb", ANSWER_PROMPT, COPIED if n in COPIES else f"{answer(n)} {part}")
    if n in DOUBLE:
        lms.writestr(zipfile.ZipInfo(f"{name}/old.zip", (2026, 1, 1, 0, 0, 0)), archive(base, own, n))
        edit(own / "01_pre_lab.ipynb", answer(n), f"{answer(n)} at last")
    if n in CHANGED:
        edit(own / "03_post_lab.ipynb", "sum(range(10))", "sum(range(11))")
    content = archive(base, own, n)
    if n == EDITED:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            files = {each: file.read(each) for each in file.namelist()}
        old = files["executed/02_in_lab.ipynb"]
        files["executed/02_in_lab.ipynb"] = old.replace(b'"measured": 3.0', b'"measured": 2.0')
        assert files["executed/02_in_lab.ipynb"] != old
        content = packed(files)
    if n == LOOP:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            text = file.read("notebooks/01_pre_lab.ipynb").replace(b"sum(range(10))", b"while True: pass")
        content = packed({"01_pre_lab.ipynb": text})
    if n == BOMB:
        content = packed({"01_pre_lab.ipynb": bytes(300_000_000)})
    if n == OUTSIDE:
        content = packed({"../../01_pre_lab.ipynb": b"{}"})
    lms.writestr(zipfile.ZipInfo(f"{name}/{2300 + n}_exp13.zip", (2026, 1, 2, 0, 0, 0)), content)


def archive(base: Path, own: Path, n: int) -> bytes:
    if n in (BOMB, OUTSIDE):
        return b""
    made = submit(base / "out" / str(n), own, {})
    assert made.archive, made.result.message
    return made.archive.read_bytes()


def stranger(base: Path) -> bytes:
    text = (base / "handout" / "students" / "2300" / "01_pre_lab.ipynb").read_text(encoding="utf-8")
    assert "'2300'" in text
    return packed({"01_pre_lab.ipynb": text.replace("'2300'", "'9999'").encode()})


def read_rows(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "collected.csv", newline="", encoding="utf-8-sig") as file:
        return {row["student_id"] or row["handed_in"]: row for row in csv.DictReader(file)}


def test_all_of_the_way(class_, scheduler):  # noqa: F811
    base, times = class_, {}
    address, add_worker = scheduler
    ways = {"1": ("--workers", 1), "2": ("--workers", 2), "dask": ("--scheduler", address)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_LAB_USE_CACHE", "1")
        for way, options in ways.items():
            patch.setenv("DAE_LAB_CACHE", str(base / f"cache-{way}"))
            if way == "dask":
                add_worker("--resources", "slot=1"), add_worker("--resources", "slot=1")
            begun = time.monotonic()
            done = dae_lab("collect", base / "downloads.zip", base / "roster.csv", "--notebooks", base / "lab",
                           "--out", base / f"marks-{way}", *options)  # fmt: skip
            times[f"collect with {way}"] = time.monotonic() - begun
            assert done.returncode == 0, done.stderr
    out = base / "marks-2"
    rows = read_rows(out)
    assert {id: row["status"] for id, row in rows.items()} == {
        id: row["status"] for id, row in read_rows(base / "marks-dask").items()
    }
    looked = {id for id, row in rows.items() if row["look_at"] == "yes"}
    planted = {f"{2300 + n}" for n in (*MISSING, *DOUBLE, *CHANGED, EDITED, *COPIES, LOOP, BOMB, OUTSIDE)}
    assert {id for id in looked if len(id) == 4} == planted | {"9999"}
    ids = {f"{2300 + n}" for n in range(30)}
    assert {id for id, row in rows.items() if row["status"] == "missing"} == {f"{2300 + n}" for n in
                                                                             (*MISSING, BOMB, OUTSIDE)}  # fmt: skip
    assert {id for id, row in rows.items() if row["code"].endswith(" changed")} == {
        f"{2300 + n}" for n in (*CHANGED, LOOP)
    }
    assert {id for id in ids if rows[id]["different_numbers"] or "changed after" in rows[id]["notes"]} == {"2310"}
    assert {id for id in ids if rows[id]["alike"]} == {f"{2300 + n}" for n in COPIES}
    assert sum(row["status"] == "refused" for row in rows.values()) == 2
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "The class as an experiment" in page and "apart from the class" not in page

    assert dae_lab("mark", out, "--sheet", "--rubric", base / "rubric.toml").returncode == 0
    book = load_workbook(out / "marks.xlsx")
    for row in book.active.iter_rows(min_row=2):
        if rows[row[0].value]["answers"]:
            row[2].value, row[3].value, row[4].value = 12.5, 20, 9
    book.save(out / "marks.xlsx")
    done = dae_lab("mark", out, "--sheet")
    assert done.returncode == 0 and "25 of 30 students are marked" in done.stdout, done.stderr
    begun = time.monotonic()
    done = dae_lab("feedback", out, "--workers", 2)
    times["feedback with 2"] = time.monotonic() - begun
    assert done.returncode == 0 and "25 students" in done.stdout, done.stderr
    assert len(list((out / "feedback").glob("*/feedback.html"))) == 25
    assert len(list((out / "feedback").glob("*/*.pdf"))) == 25, done.stderr
    done = dae_lab("export", out, base / "roster.csv", "--out", base / "grades.csv")
    assert done.returncode == 0 and "25 marks" in done.stdout
    print("\n" + "\n".join(f"{name}: {seconds / 60:.1f} min" for name, seconds in times.items()))
