"""A class of 30, from the roster to the marks: what was planted is found, and nobody else is accused."""

import csv
import hashlib
import io
import re
import time
import zipfile
from pathlib import Path

import pytest
import test_marks
from browsing import Open, browser, open_page, press, served  # noqa: F401
from playwright.sync_api import Page, expect
from small_notebooks import make_series
from test_cli import dae_lab
from test_course_dask import scheduler  # noqa: F401

from lab_utils.course.collected import read_collected
from lab_utils.course.marks import open_marks
from lab_utils.course.submission import packed, submit
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.running import original

NAMES = ["Zoë Ångström", "தமிழ்ச்செல்வன்", "محمد علي", "Иван Щёкин", "O'Neil, Pat", "श्री राम", "Nguyễn Thị Hồng"]
BODY = """\
from dataclasses import asdict
import pandas as pd
from lab_utils import data, facts, metrics, models, noise, training
from lab_utils.verdicts.hypotheses import judge

mnist = data.load_mnist("embedded", seed)
train, validation, test = (split.digits for split in (mnist.train, mnist.validation, mnist.test))
clean, noisy = noise.to_unit(test[:200]), noise.corrupt(test[:200], "gaussian", 0.5, seed)
recipe = training.Recipe(epochs=epochs, batch_size=16, learning_rate=5e-3, schedule="cosine", seed=seed)
runs = training.fit_seeds(models.compact, train[:500], validation[:100], recipe, 3)
denoising = pd.DataFrame({"denoised_psnr": [metrics.psnr(clean, run.denoise(noisy)).mean() for run in runs]})
denoising["noisy_psnr"] = metrics.psnr(clean, noisy).mean()
gain = denoising["denoised_psnr"].mean() - denoising["noisy_psnr"].mean()
claims, digits = facts.Facts(), asdict(mnist.provenance)
claims.add("denoised-beats-noisy", "Denoising raises the PSNR", gain, ">=", 1, "dB")
hypotheses = judge({"denoising": denoising}, ["result-in-lab"])
"""
COPIED = "The bottleneck holds fewer values than the digit has pixels, and so the network keeps the strokes alone."
COMMENT = "Say by how many dB."
REMARK = "Clear, and to the point."
CANVAS = "Experiment 13 (4711)"
POINTS = {"pre_lab-1": 15, "in_lab-1": 20, "post_lab-1": 15}
RUBRIC = "total = 50\n[all]\n" + "\n".join(f"{item} = {points}" for item, points in POINTS.items())
MISSING, DOUBLE, CHANGED, EDITED, COPIES, LOOP = (3, 4, 5), (6, 7), (8, 9), 10, (11, 12), 13
BOMB, OUTSIDE = 14, 15
HANDED_IN = [n for n in range(30) if n not in (*MISSING, BOMB, OUTSIDE)]
COMMENTED = HANDED_IN[::3]


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
        files["executed/02_in_lab.ipynb"] = re.sub(
            rb'("id": "denoised-beats-noisy",\s*"measured": )[\d.]+', rb"\g<1>4.5", old
        )
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


def test_all_of_the_way(class_, scheduler, open_page):  # noqa: F811
    base, times = class_, {}
    address, add_worker = scheduler
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_LAB_USE_CACHE", "1")
        for way, options in {"1": ("--workers", 1), "2": ("--workers", 2), "dask": ("--scheduler", address)}.items():
            patch.setenv("DAE_LAB_CACHE", str(base / f"cache-{way}"))
            if way == "dask":
                add_worker("--resources", "slot=1"), add_worker("--resources", "slot=1")
            begun = time.monotonic()
            done = dae_lab("collect", base / "downloads.zip", base / "roster.csv", "--notebooks", base / "lab",
                           "--out", base / f"marks-{way}", *options)  # fmt: skip
            times[f"collect with {way}"] = time.monotonic() - begun
            assert done.returncode == 0, done.stderr
            assert_planted_is_found(base / f"marks-{way}")
    out = base / "marks-2"
    begun = time.monotonic()
    totals = mark_in_browser(out, base / "rubric.toml", open_page)
    times[f"marks of {len(HANDED_IN)} by keyboard"] = time.monotonic() - begun
    begun = time.monotonic()
    assert_handed_back(out, totals)
    times["feedback with 2"] = time.monotonic() - begun
    assert_exported(base / "roster.csv", out, totals)
    print("\n" + "\n".join(f"{name}: {seconds / 60:.1f} min" for name, seconds in times.items()))


def assert_planted_is_found(out: Path) -> None:
    rows = read_rows(out)
    looked = {id for id, row in rows.items() if row["look_at"] == "yes"}
    planted = ids_of(*MISSING, *DOUBLE, *CHANGED, EDITED, *COPIES, LOOP, BOMB, OUTSIDE)
    ids = ids_of(*range(30))
    assert {id for id in looked if len(id) == 4} == planted | {"9999"}
    assert {id for id, row in rows.items() if row["status"] == "missing"} == ids_of(*MISSING, BOMB, OUTSIDE)
    assert {id for id, row in rows.items() if row["code"].endswith(" changed")} == ids_of(*CHANGED, LOOP)
    assert {id for id in ids if rows[id]["different_numbers"]} == ids_of(EDITED)
    assert {id for id in ids if "changed after" in rows[id]["notes"]} == ids_of(EDITED)
    assert {id for id in ids if rows[id]["alike"]} == ids_of(*COPIES)
    assert sum(row["status"] == "refused" for row in rows.values()) == 2
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "The class as an experiment" in page and "apart from the class" not in page
    effects = {row.effects["result-in-lab.denoised"][0] for row in read_collected(out).students.values() if row.effects}
    assert len(effects) == 24 and all(1 < effect < 6 for effect in effects)  # dB; of the loop there is no second part


def ids_of(*places: int) -> set[str]:
    return {f"{2300 + n}" for n in places}


def mark_in_browser(out: Path, rubric: Path, opened: Open) -> dict[str, float]:
    """Give every mark by keyboard, question by question; kill the command on the way; total by student."""
    places = [(item, n) for item in POINTS for n in HANDED_IN]
    half = len(places) // 2
    with served(out, "--rubric", rubric) as address:
        page = opened(address)
        mark(page, places[:half])
    assert dae_lab("mark", out, "--sheet").returncode == 0
    with served(out) as address:
        page = opened(address)
        expect(page.locator("#count")).to_have_text(f"{half} of {len(places)}")
        press(page, "n")
        mark(page, places[half:])
        page.reload()
        expect(page.locator("#count")).to_have_text(f"{len(places)} of {len(places)}")
        test_marks.edit(out, {("2300", "remark"): REMARK, ("2300", "pre_lab-1"): 14.5})
    done = dae_lab("mark", out, "--sheet")
    assert done.returncode == 0 and "25 of 30 students are marked" in done.stdout, done.stderr
    class_ = read_collected(out)
    marks = open_marks(out, class_)
    assert marks.phrases == [COMMENT] and marks.of("2300").remark == REMARK
    assert {id for id in class_.students if marks.of(id).comments} == ids_of(*COMMENTED)
    wanted = {f"{2300 + n}": sum(mark_of(n, item) for item in POINTS) for n in HANDED_IN}
    wanted["2300"] += 14.5 - mark_of(0, "pre_lab-1")
    assert {id: marks.total(id) for id in wanted} == wanted
    return wanted


def mark_of(n: int, item: str) -> float:
    return n % POINTS[item] + n % 2 / 2


def mark(page: Page, places: list[tuple[str, int]]) -> None:
    for place, (item, n) in enumerate(places):
        if place:
            press(page, "n")
        expect(page.locator("#where")).to_contain_text(f"{item} · ")
        expect(page.locator("#where")).to_contain_text(f"({2300 + n})")
        press(page, *str(n % POINTS[item]), *"." * (n % 2))
        if item == "pre_lab-1" and n == COMMENTED[0]:
            press(page, "c")
            page.keyboard.type(COMMENT)
            press(page, "Escape", "s")
        elif item == "pre_lab-1" and n in COMMENTED:
            press(page, "Alt+1")
    expect(page.locator("#saved")).to_have_text("saved")


def assert_handed_back(out: Path, totals: dict[str, float]) -> None:
    done = dae_lab("feedback", out, "--workers", 2)
    assert done.returncode == 0 and "25 students" in done.stdout, done.stderr
    assert len(list((out / "feedback").glob("*/feedback.html"))) == 25
    assert len(list((out / "feedback").glob("*/*.pdf"))) == 25, done.stderr
    page = (out / "feedback" / "2300" / "feedback.html").read_text(encoding="utf-8")
    assert REMARK in page and COMMENT in page and f"{totals['2300']:g} out of 50" in page


def assert_exported(roster: Path, out: Path, totals: dict[str, float]) -> None:
    with open(roster, newline="", encoding="utf-8") as file:
        names = {row["student_id"]: row["name"] for row in csv.DictReader(file)}
    moodle = [("Identifier", "Full name", "ID number", "Grade", "Maximum grade", "Feedback comments")]
    moodle += [(f"Participant {id}", name, id, "", "50.00", "") for id, name in names.items()]
    canvas = [("Student", "ID", "SIS User ID", "SIS Login ID", "Section", CANVAS), ("Points Possible", *[""] * 5)]
    canvas += [(name, f"9{id}", id, f"login{id}", "CS1", "") for id, name in names.items()]
    assert exported(out, moodle, "ID number", "Grade") == totals
    assert exported(out, canvas, "SIS User ID", CANVAS) == totals


def exported(out: Path, theirs: list[tuple], known_by: str, grade: str) -> dict[str, float]:
    """The marks in a platform's file, by ID."""
    with open(out / "theirs.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(theirs)
    done = dae_lab("export", out, out / "theirs.csv", "--out", out / "grades.csv")
    assert done.returncode == 0 and "25 marks" in done.stdout and not done.stderr, done.stderr
    with open(out / "grades.csv", newline="", encoding="utf-8-sig") as file:
        return {row[known_by]: float(row[grade]) for row in csv.DictReader(file) if row[known_by] and row[grade]}
