"""Odd machines: what a person has set for other purposes changes no figure and no fact, and `doctor` names it."""

import csv
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from small_notebooks import make_notebook, make_series

ROOT = Path(__file__).resolve().parents[1]
BODY = """\
import random, matplotlib.pyplot as plt
from lab_utils import figures, models
figures.use_style()
model = models.manual(random.Random(seed).randint(1, 1))
print(model.count_params(), model.output_shape, model.dtype)
plt.plot([1, 2]);
"""
KERAS = {"floatx": "float16", "epsilon": 0.1, "backend": "theano", "image_data_format": "channels_first"}
ODD = {"MPLBACKEND": "TkAgg", "KERAS_BACKEND": "torch", "TF_NUM_INTRAOP_THREADS": "0"}
"""What a person may have set for other work; ``keras.json`` and ``random.py`` come beside it."""


@pytest.fixture
def odd(tmp_path) -> dict[str, str]:
    """The environment of an odd machine, whose home and working folder is ``tmp_path``."""
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(KERAS))
    (tmp_path / "random.py").write_text("raise SystemExit('shadowed')")
    return ODD | {"HOME": str(tmp_path)}


def command(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """The command as a script would start it: its own folder is not on Python's path."""
    program = f"import sys; sys.path.append({str(ROOT)!r}); from lab_utils.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *map(str, arguments)],
        env=os.environ | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_notebook_runs_the_same(tmp_path, odd):
    source = make_notebook(tmp_path / "nb" / "01_pre_lab.ipynb", BODY)
    done = command("run", source, "--out", tmp_path / "out.ipynb", cwd=tmp_path, **odd)
    assert done.returncode == 0, done.stderr
    cells = {cell.id: cell for cell in nbformat.read(tmp_path / "out.ipynb", as_version=4).cells}
    text, picture = cells["body"].outputs
    assert text.text == "185217 (None, 28, 28, 1) float32\n" and "image/png" in picture.data


def test_doctor_names_them_all(tmp_path, odd):
    examined = command("doctor", cwd=tmp_path, **odd)
    named = [*(f"{name}={value}" for name, value in ODD.items()), "channels_first", "random.py"]
    assert all(said in examined.stdout for said in named) and examined.returncode == 1, examined


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="needs a small disk of its own")
def test_a_full_disk_is_named(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", disk]).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        (disk / "filler").write_bytes(bytes(40_000))
        source = make_notebook(tmp_path / "nb" / "01_pre_lab.ipynb", "print('x' * 60_000)")
        done = command("run", source, "--out", disk / "out.ipynb", cwd=tmp_path)
        assert done.returncode == 2 and "The disk is full" in done.stderr and str(disk) in done.stderr, done
        assert "Traceback" not in done.stderr and "MB are free" in done.stderr
        done = command("run", source, cwd=tmp_path, DAE_LAB_CACHE=str(disk / "cache"), DAE_LAB_USE_CACHE="1")
        assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr, done
        assert done.returncode == 0 or "No space left" in done.stderr or "disk is full" in done.stderr, done
    finally:
        subprocess.run(["umount", disk], check=True)


BURST = """\
import os
from pathlib import Path
if student_id == "0002":
    os._exit(1)
if student_id == "0003":
    Path("FILLER").unlink(missing_ok=True)
"""


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="needs a small disk of its own")
def test_a_full_disk_under_the_summary_costs_no_student_a_report(tmp_path):
    """Three students, one of whom dies; the disk of the summary is full until the last one makes room."""
    out = tmp_path / "out"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", out]).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        students = [f"{number:04d}" for number in range(1, 4)]
        for student in students:
            (tmp_path / "elsewhere" / student).mkdir(parents=True)
            (out / student).symlink_to(tmp_path / "elsewhere" / student)
        with suppress(OSError), open(out / "filler", "wb") as filler:
            while True:
                filler.write(bytes(4096))
        notebooks = make_series(tmp_path / "notebooks", post=BURST.replace("FILLER", str(out / "filler")))
        names = ["مُحَمَّد", "Dora", "தமிழ்"]
        rows = "".join(f"{student},{name}\n" for student, name in zip(students, names, strict=True))
        (tmp_path / "roster.csv").write_text("student_id,name\n" + rows, encoding="utf-8")
        done = command("batch", tmp_path / "roster.csv", "--notebooks", notebooks, "--out", out, cwd=tmp_path)
        assert done.returncode == 1 and "2 of 3 complete" in done.stdout, done
        assert done.stderr.count("The summary could not be written: No space left on device") == 2, done
        with open(out / "summary.csv", encoding="utf-8-sig", newline="") as file:
            told = [(row["student_id"], row["name"], row["status"], row["message"]) for row in csv.DictReader(file)]
        assert [row[:2] for row in told] == list(zip(students, names, strict=True))
        assert [row[2] for row in told] == ["complete", "died", "complete"]
        assert all(any((out / student).glob("*.pdf")) == (student != "0002") for student in students)
        assert "exit code 1" in told[1][3] or "Kernel died" in told[1][3], told[1]
    finally:
        subprocess.run(["umount", out], check=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "NB", "--out", "FILE/x.ipynb"),
        ("run", "NB", "--out", "FOLDER"),
        ("report", "--out", "FILE"),
        ("report", "--out", "~nosuchuser/x"),
        ("report", "--out", "x" * 5000),
        ("run", "NB", "--minutes", "nan"),
        ("run", "NB", "--minutes", "inf"),
        ("batch", "FILE", "--out", "out"),
        ("study", "-p", "nothing", "1"),
        ("report", "--notebooks", "FILE"),
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_what_cannot_be_used_is_named_without_a_traceback_before_anything_runs(tmp_path, arguments):
    make_notebook(tmp_path / "01_pre_lab.ipynb", f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "file.txt").write_text("a file")
    names = {"NB": str(tmp_path / "01_pre_lab.ipynb"), "FILE": str(tmp_path / "file.txt"), "FOLDER": str(tmp_path)}
    told = [names.get(each, each).replace("FILE", names["FILE"]) for each in arguments]
    done = command(*told, cwd=tmp_path)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr and done.stderr.strip(), done
    assert not (tmp_path / "ran").exists()


def test_a_console_that_lacks_a_letter_ends_well(tmp_path):
    source = make_notebook(tmp_path / "01_pre_lab.ipynb")
    done = command("run", source, "--out", tmp_path / "தமிழ்" / "x.ipynb", cwd=tmp_path, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0 and "\\u0ba4" in done.stdout, done
