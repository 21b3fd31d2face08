"""Rosters: what comes in as text stays text; what is wrong is told all at once."""

import csv
import io
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as how
from hypothesis import strategies as st
from openpyxl import Workbook

from lab_utils import settings
from lab_utils.course import sheets, summary
from lab_utils.course.names import PLAIN, RESERVED, folder_name, identity_key, spreadsheet_text
from lab_utils.course.roster import RosterError, read_roster
from lab_utils.errors import LabError
from lab_utils.machine import peak_memory
from lab_utils.running.parameters import student_seed
from lab_utils.text import lacking

HARD_IDS = ["0012345", "1e5", "No", "NaN", "00", "TRUE", "1_000", "2024-01-02"]
HOSTILE = ["../../x", "CON", "{0}{seed}", "a\nb", '=HYPERLINK("http://x","y")', "<script>alert(1)</script>"]
HOSTILE += ['#panic("x")', "$x$", "\u202eabc", "C:\\x", "/etc/passwd", ".", "..", "~", "nul.txt", "`id`", "x" * 100]


def write_csv(path: Path, rows: list[list[str]], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_ids_and_names_stay_text_in_every_encoding(tmp_path, encoding, delimiter):
    names = ["தமிழ்ச்செல்வன்", "शर्मा, अनिल", "José; Núñez"]
    rows = [["Student ID", "Name"], *([student_id, names[i % 3]] for i, student_id in enumerate(HARD_IDS))]
    students = read_roster(write_csv(tmp_path / "roster.csv", rows, encoding, delimiter))
    assert [(s.student_id, s.name) for s in students] == [tuple(row) for row in rows[1:]]
    for student in students:
        for notebook, values in student.parameters.items():
            assert settings.check(notebook, values).student_id == student.student_id


def test_xlsx_text_numbers_and_formulas(tmp_path):
    sheet = (book := Workbook()).active
    sheet.append(["student_id", "name", "noise_level", "epochs"])
    sheet.append(["0012345", "=1+1", 0.25, 3])
    sheet.append([12345, "Plain", None, None])
    sheet.append([678, "Zeros", None, None])
    sheet["A4"].number_format = "0000000"
    book.save(tmp_path / "roster.xlsx")
    students = read_roster(tmp_path / "roster.xlsx")
    assert [(s.student_id, s.name) for s in students] == [
        ("0012345", "=1+1"),
        ("12345", "Plain"),
        ("0000678", "Zeros"),
    ]
    assert students[0].parameters["02_in_lab"]["noise_level"] == 0.25
    assert students[0].parameters["02_in_lab"]["epochs"] == 3


def test_xlsx_ids_that_the_spreadsheet_has_already_changed_are_told(tmp_path):
    import datetime

    sheet = (book := Workbook()).active
    sheet.append(["student_id", "name"])
    sheet.append([1e5, "Was 1e5"])
    sheet["A2"].number_format = "0.00E+00"
    sheet.append([datetime.datetime(2024, 5, 12), "Was 12-5"])
    book.save(tmp_path / "roster.xlsx")
    with pytest.raises(RosterError) as caught:
        read_roster(tmp_path / "roster.xlsx")
    assert [(p.row, p.column) for p in caught.value.problems] == [(2, "student_id"), (3, "student_id")]


def test_every_problem_is_told_at_once_by_row_and_column(tmp_path):
    rows = [
        ["student_id", "name", "epochs", "noise_level", "profile"],
        ["A1", "One", "three", "0.5", "quick"],
        ["a1", "Two", "3", "7", "quick"],
        ["", "Three", "3", "0.5", "turbo"],
        ["\u200b", "  ", "", "", ""],
        ["Ａ1", "Fullwidth", "", "", ""],
        ["B2", "汉", "", "", ""],
        ["B3", "Long", "", "", "", "extra"],
    ]
    with pytest.raises(RosterError) as caught:
        read_roster(write_csv(tmp_path / "r.csv", rows))
    told = {(p.row, p.column) for p in caught.value.problems}
    assert told == {
        (2, "epochs"),
        (3, "student_id"),
        (3, "noise_level"),
        (4, "student_id"),
        (4, "profile"),
        (5, "student_id"),
        (5, "name"),
        (6, "student_id"),
        (7, "name"),
        (8, "6"),
    }
    assert all(f"row {row}, column {column}" in str(caught.value) for row, column in told)


def test_header_problems(tmp_path):
    with pytest.raises(RosterError) as caught:
        read_roster(write_csv(tmp_path / "r.csv", [["student_id", "epoch", "storage", "seed", "Seed"], ["1"]]))
    text = str(caught.value)
    assert "did you mean epochs?" in text and "'storage'" in text and "twice" in text and "column name" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"student_id,name\n", "no student"),
        (b"student_id,name\n1,\xe9\n", "UTF-8"),
        (b'student_id,name\n1,"open\n', "well-formed"),
        (b"student_id,name\n1,a\0b\n", "zero bytes"),
    ],
)
def test_files_that_are_no_roster(tmp_path, content, said):
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(LabError, match=said):
        read_roster(tmp_path / "r.csv")


def test_a_workbook_that_is_none_and_a_file_of_another_kind(tmp_path):
    for name, said in [("r.xlsx", "workbook"), ("r.pdf", "neither")]:
        (tmp_path / name).write_bytes(b"PK\x03\x04 no")
        with pytest.raises(LabError, match=said):
            read_roster(tmp_path / name)


def test_common_parameters_seed_and_the_roster_that_beats_them(tmp_path):
    rows = [["student_id", "name", "noise_level", "seed"], ["1", "One", "0.2", ""], ["2", "Two", "", "5"]]
    path = write_csv(tmp_path / "r.csv", rows)
    one, two = read_roster(path, common={"noise_level": "0.4", "academic_year": "2025-26"})
    assert one.parameters["02_in_lab"]["noise_level"] == 0.2
    assert two.parameters["02_in_lab"]["noise_level"] == 0.4
    assert {values["seed"] for values in two.parameters.values()} == {5}
    expected = student_seed("23AD2205R/A", "2025-26", 13, "1")
    assert {values["seed"] for values in one.parameters.values()} == {expected}


def test_seeds_differ_between_students_and_never_between_machines():
    assert student_seed("23AD2205R/A", "2024-25", 13, "0012345") == 9336319
    seeds = {student_seed("23AD2205R/A", "2024-25", 13, str(number)) for number in range(2000)}
    assert len(seeds) == 2000 and all(0 <= seed < 2**31 for seed in seeds)


def test_hostile_cells_are_kept_literally(tmp_path):
    rows = [["student_id", "name"], *([text, text] for text in HOSTILE)]
    students = read_roster(write_csv(tmp_path / "r.csv", rows))
    assert [s.student_id for s in students] == HOSTILE
    folders = {folder_name(s.student_id) for s in students}
    assert len(folders) == len(HOSTILE)


@given(st.text(max_size=400))
@example("../../x")
@example("CON")
@example("com1")
@example("x" * 300)
@example("\udcff")
@example("index.html")
def test_a_folder_name_is_always_plain(student_id):
    name = folder_name(student_id)
    assert PLAIN.fullmatch(name) and not RESERVED.fullmatch(name)
    assert (Path("out") / name).parent == Path("out")
    assert (name == student_id) == bool(PLAIN.fullmatch(student_id) and not RESERVED.fullmatch(student_id))


@given(st.lists(st.text(max_size=40), min_size=2, max_size=8, unique_by=identity_key))
def test_ids_that_differ_have_folders_that_differ_on_every_file_system(ids):
    assert len({folder_name(student_id).casefold() for student_id in ids}) == len(ids)


INVISIBLE = ' \t\r\n\x00\x0b\xa0\u3000\u200b\u200e\u202e\u2066\ufeff"'
STARTS = "=+-@＝＋－＠﹦﹢﹣﹫"


@given(st.text(st.sampled_from(INVISIBLE + STARTS + "a1;,|'") | st.characters(exclude_categories=["Cs"]), max_size=30))
@example("\uff1d1+1")
@example("Ann;=1+1")
@example("\u3000=1+1")
@example('x;"=1+1"')
@example("\ufeff@SUM(1)")
def test_a_spreadsheet_never_computes_a_cell(text):
    """Whatever its separator is, no cell of the line begins with a formula, however it looks for the beginning."""
    shown = spreadsheet_text(text)
    assert shown.replace("'", "") == text.replace("'", "")
    assert shown == text or spreadsheet_text(shown) == shown
    written = io.StringIO(newline="")
    csv.writer(written).writerow(["0012345", shown])
    for delimiter in ",;|\t":
        for line in csv.reader(io.StringIO(written.getvalue(), newline=""), delimiter=delimiter):
            for part in (part for cell in line for part in re.split("[\r\n]", cell)):
                assert part.strip(INVISIBLE)[:1] not in tuple(STARTS), part


def test_the_summary_neutralises_full_width_signs_and_text_behind_separators(tmp_path):
    made = summary.csv_of([{"=id": "＝1+1", "name": "Ann;=2+2", "mark": -3, "note": "well-known"}])
    header, row = csv.reader(made.decode("utf-8-sig").splitlines())
    assert header == ["'=id", "name", "mark", "note"]
    assert row == ["'＝1+1", "Ann;'=2+2", "-3", "well-known"]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_any_roster_is_read_back_or_refused_by_row(rows, encoding):
    kept = [(i.strip(), n.strip()) for i, n in rows if i.strip() or n.strip()]
    with tempfile.TemporaryDirectory() as folder:
        path = write_csv(Path(folder) / "r.csv", [["student_id", "name"], *map(list, rows)], encoding)
        try:
            students = read_roster(path)
        except RosterError as error:
            assert error.problems and all(2 <= problem.row <= len(rows) + 1 for problem in error.problems)
            return
        except LabError:
            assert not kept
            return
        assert [(s.student_id, s.name) for s in students] == [(i, " ".join(n.split())) for i, n in kept]
        assert len({identity_key(s.student_id) for s in students}) == len(kept)
        assert not any(lacking(s.student_id + s.name) for s in students)


# --- files that explode


MEASURED = """
import sys, time
from lab_utils.course.roster import read_roster
from lab_utils.errors import LabError
from lab_utils.machine import peak_memory
idle, start = peak_memory(), time.process_time()
try:
    print([(student.student_id, student.name) for student in read_roster(sys.argv[1])])
except LabError as error:
    print(error.what)
print(time.process_time() - start, peak_memory() - idle)
"""


def read_measured(path: Path) -> tuple[str, float, float]:
    """Read a roster in a process of its own; return what it said, its seconds of CPU and its growth in MB."""
    command = [sys.executable, "-c", MEASURED, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    *said, measured = run.stdout.splitlines()
    seconds, grown = map(float, measured.split())
    return "\n".join(said), seconds, grown / 1e6


@pytest.mark.parametrize("cell", ["B1048576", "XFD3", "KN200000"])
def test_a_formatted_cell_far_away_is_nothing_to_read(tmp_path, cell):
    sheet = (book := Workbook()).active
    sheet.append(["student_id", "name"])
    sheet.append(["0012345", "Ann"])
    sheet[cell].number_format = "0.00"
    book.save(tmp_path / "r.xlsx")
    said, seconds, megabytes = read_measured(tmp_path / "r.xlsx")
    assert said == "[('0012345', 'Ann')]"
    assert seconds < 10 and megabytes < 300


@pytest.mark.parametrize("cell", ["B1048576", "XFD2"])
def test_a_value_far_away_is_named(tmp_path, cell):
    sheet = (book := Workbook()).active
    sheet.append(["student_id", "name"])
    sheet.append(["0012345", "Ann"])
    sheet[cell] = "a note"
    book.save(tmp_path / "r.xlsx")
    with pytest.raises(LabError, match=f"holds a value in cell {cell}"):
        read_roster(tmp_path / "r.xlsx")


def workbook(path: Path, **replaced: bytes) -> Path:
    """Save a good roster with some of its parts replaced, and other parts added."""
    sheet = (book := Workbook()).active
    sheet.append(["student_id", "name"])
    sheet.append(["0012345", "Ann"])
    plain = io.BytesIO()
    book.save(plain)
    parts = {"sheet": "xl/worksheets/sheet1.xml", "strings": "xl/sharedStrings.xml", "styles": "xl/styles.xml"}
    named = {parts.get(name, name): content for name, content in replaced.items()}
    with zipfile.ZipFile(plain) as good, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in dict.fromkeys([*good.namelist(), *named]):
            made.writestr(name, named.get(name) or good.read(name))
    return path


MAIN = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
SHEET = b"<worksheet " + MAIN + b"><sheetData>%b</sheetData></worksheet>"
STRINGS = b"<sst " + MAIN + b">%b</sst>"
LAUGHS = b"".join(b'<!ENTITY l%d "%b">' % (n + 1, b"&l%d;" % n * 10) for n in range(9))
FULL = sheets.LARGEST_BYTES - 200_000
BOMBS = {
    "zeros": {"xl/media/logo.png": bytes(500_000_000)},
    "entities": {"strings": b'<!DOCTYPE x [<!ENTITY l0 "ha">' + LAUGHS + b"]><x>&l9;</x>"},
    "rows": {"sheet": SHEET % (b"<row/>" * (FULL // 6))},
    "cells": {"sheet": SHEET % (b"<row>" + b"<c/>" * (FULL // 4) + b"</row>")},
    "strings": {"strings": STRINGS % (b"<si/>" * (FULL // 5))},
    "depth": {"sheet": SHEET % (b"<a>" * (FULL // 7) + b"</a>" * (FULL // 7))},
    "last row": {"sheet": SHEET % b'<row r="999999999999"><c><v>1</v></c></row>'},
    "no number": {"sheet": SHEET % b'<row r="x"><c><v>1</v></c></row>'},
}


@pytest.mark.parametrize("parts", BOMBS.values(), ids=BOMBS.keys())
def test_a_workbook_that_explodes_is_refused_in_a_sentence(tmp_path, parts):
    path = workbook(tmp_path / "r.xlsx", **parts)
    said, seconds, megabytes = read_measured(path)
    assert "r.xlsx" in said or "0012345" in said
    assert seconds < 20 and megabytes < 1_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"student_id,name\n" + b"," * 2_000_000, "names no student"),
        (b"student_id,name\n" + b"\n" * 2_000_000 + b"1,Ann", "cell B2000002"),
        (b"student_id,name\n1,Ann" + b",x" * 2_000, "cell BXZ2"),
        (b"student_id,name\n1," + b"a" * 100_000, "100,000 characters in cell B2"),
        (b"student_id,name\n1," + b"a" * 200_000, "field larger than field limit"),
        (b"a" * 20_000_000, "larger than 3,000,000 bytes"),
    ],
)
def test_a_csv_that_is_no_class_list_is_refused_in_bounded_time(tmp_path, content, said):
    (tmp_path / "r.csv").write_bytes(content)
    told, seconds, megabytes = read_measured(tmp_path / "r.csv")
    assert said in told
    assert seconds < 10 and megabytes < 500


def test_a_thousand_bad_rows_are_twenty_lines_and_a_count(tmp_path):
    rows = [["student_id", "name", "epochs"], *([str(number), "A", "many"] for number in range(1_000))]
    with pytest.raises(RosterError) as caught:
        read_roster(write_csv(tmp_path / "r.csv", rows))
    assert len(caught.value.problems) == 1_000
    assert caught.value.what.count("\n") == 21 and caught.value.what.endswith("and 980 more")


# --- IDs and names


@pytest.mark.parametrize("rounded", ["1.2E+07", "1,2E+07", "1E+05", "1.23457e+11"])
def test_a_rounded_id_is_refused_in_the_same_words_from_csv_and_xlsx(tmp_path, rounded):
    sheet = (book := Workbook()).active
    sheet.append(["student_id", "name"])
    sheet.append([12_000_000, "Ann Doe"])
    sheet["A2"].number_format = "0.0E+00"
    book.save(tmp_path / "r.xlsx")
    told = []
    for path in (tmp_path / "r.xlsx", write_csv(tmp_path / "r.csv", [["student_id", "name"], [rounded, "Ann Doe"]])):
        with pytest.raises(RosterError) as caught:
            read_roster(path)
        told.append(str(caught.value.problems[0]))
    assert told[0] == told[1] and "rounded number" in told[0] and "row 2, column student_id" in told[0]


def test_a_number_in_scientific_format_is_exact_as_a_parameter(tmp_path):
    sheet = (book := Workbook()).active
    sheet.append(["student_id", "name", "learning_rate"])
    sheet.append(["1", "Ann", 0.002])
    sheet["C2"].number_format = "0.0E+00"
    book.save(tmp_path / "r.xlsx")
    assert read_roster(tmp_path / "r.xlsx")[0].parameters["02_in_lab"]["learning_rate"] == 0.002


@pytest.mark.parametrize(
    ("ids", "alike"),
    [
        (["a1", "\u04301"], True),
        (["ВC7", "BC7"], True),
        (["0007", "7"], True),
        (["A07", "A7"], True),
        (["AO1", "A01"], True),
        (["१२", "12"], True),
        (["1001", "1010"], False),
        (["A1", "B1"], False),
        (["100", "1000"], False),
    ],
)
def test_ids_that_look_alike_are_warned_of(tmp_path, ids, alike):
    rows = [["student_id", "name"], *([student_id, "Ann"] for student_id in ids)]
    roster = read_roster(write_csv(tmp_path / "r.csv", rows))
    assert [student.student_id for student in roster] == ids
    assert [("look alike" in warning and "row 3" in warning) for warning in roster.warnings] == [True] * alike


@pytest.mark.parametrize("name", ["مُحَمَّد", "Ẹ̀kọ́", "Nguyễn Thị Ánh", "शर्मा"])
def test_names_with_marks_that_one_font_sets_are_accepted(tmp_path, name):
    assert read_roster(write_csv(tmp_path / "r.csv", [["student_id", "name"], ["1", name]]))[0].name == name


@pytest.mark.parametrize("name", ["A\u0902", "م\u0301", "Z" + "\u0301\u0323" * 5])
def test_marks_that_no_font_sets_on_their_letter_are_refused_at_reading(tmp_path, name):
    with pytest.raises(RosterError, match="cannot set"):
        read_roster(write_csv(tmp_path / "r.csv", [["student_id", "name"], ["1", name]]))


# --- exports of learning platforms


CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Quiz 1 (12)
,,,,,Manual Posting
    Points Possible,,,,,10
"Doe, Ann",11,0012345,adoe,CS1,7
"Student, Test",99,,abc,CS1,
"""
MOODLE = """First name;Surname;ID number;Institution;Department;Email address;Last downloaded from this course
Ann;Doe;0012345;;;a@example.org;1700000000
"""


@pytest.mark.parametrize(
    "text",
    [
        CANVAS,
        MOODLE,
        MOODLE.replace("Surname", "Last name"),
        "First name,Last name,Student ID,epochs\nAnn,Doe,0012345,3\n",
        "Student,SIS User ID\nAnn Doe,0012345\n",
        "Full name,ID\nAnn Doe,0012345\n",
        "sep=;\nstudent_id;name\n0012345;Ann Doe\n",
        '"sep=;"\r\nstudent_id;name\r\n0012345;Ann Doe\r\n',
        'student_id,name,\n0012345,"Ann\nDoe",\n\n',
        "student_id,name,,,\n0012345,Ann Doe,,,\n,,,,\n",
        "student_id,,name\n0012345,,Ann Doe\n",
    ],
)
def test_exports_and_what_spreadsheets_add_are_understood(tmp_path, text):
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    assert [(student.student_id, student.name) for student in read_roster(tmp_path / "r.csv")] == [
        ("0012345", "Ann Doe")
    ]


def test_what_an_export_has_beside_students_is_told(tmp_path):
    (tmp_path / "r.csv").write_text(CANVAS, encoding="utf-8")
    told = " ".join(read_roster(tmp_path / "r.csv").warnings)
    assert "Section, Quiz 1 (12)" in told and "no student's" in told and "3" in told


def test_an_export_without_the_universitys_ids_falls_back_to_those_it_has(tmp_path):
    (tmp_path / "r.csv").write_text('Student,ID,SIS User ID,SIS Login ID\n"Doe, Ann",11,,adoe\n', encoding="utf-8")
    assert read_roster(tmp_path / "r.csv")[0].student_id == "adoe"


def test_a_value_below_no_heading_is_told(tmp_path):
    with pytest.raises(RosterError, match=r"row 2, column 2: a cell in a column without a heading"):
        read_roster(write_csv(tmp_path / "r.csv", [["student_id", "", "name"], ["1", "x", "Ann"]]))


# --- parameters of a row


def test_parameters_are_judged_beside_the_others_of_their_row(tmp_path):
    rows = [
        ["student_id", "name", "code_size", "test_digits", "score_digits", "train_digits"],
        ["1", "Ann", "256", "200", "", ""],
        ["2", "Bo", "256", "400", "5000", "8000"],
    ]
    with pytest.raises(RosterError) as caught:
        read_roster(write_csv(tmp_path / "r.csv", rows))
    assert [(problem.row, problem.column) for problem in caught.value.problems] == [(2, "test_digits")]


@pytest.mark.parametrize("name", ["~nosuch/r.csv", "x" * 5_000, "a\0b.csv", "folder.csv", "none.csv", ""])
def test_a_roster_that_cannot_be_there_is_a_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(LabError, match=r"The roster .* cannot be read") as caught:
        read_roster(name)
    assert len(str(caught.value)) < 500


# --- any roster at all


HEADINGS = st.sampled_from(
    [
        "student_id",
        "name",
        "Student ID",
        "ID number",
        "First name",
        "Surname",
        "Student",
        "SIS User ID",
        "epochs",
        "seed",
        "noise_level",
        "data_source",
        "profile",
        "date",
        "Section",
        "",
        "  ",
        "=1+1",
        "epoch",
        "\u202e",
    ]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc"]), max_size=50),
    st.sampled_from(["1.2E+07", "~nosuch/x", "x" * 5_000, "0007", "7", "=1+1", "a\u0301" * 20, "quick", "auto", ""]),
)
TABLES = st.tuples(st.lists(HEADINGS, min_size=1, max_size=8), st.lists(st.lists(VALUES, max_size=9), max_size=8))
USUAL = st.tuples(
    st.just(["student_id", "name", "epochs"]),
    st.lists(st.tuples(VALUES, VALUES, st.none() | st.integers(0, 9)).map(list), min_size=1, max_size=6),
)


@given(TABLES | USUAL, st.sampled_from(["xlsx", ",", ";", "\t"]), st.sampled_from(["utf-8-sig", "utf-16"]))
@how(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_hundred_rosters_are_read_or_refused_in_a_sentence(table, kind, encoding):
    header, body = table
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far may be another test's
    before, start = peak_memory(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("r.xlsx" if kind == "xlsx" else "r.csv")
        if kind == "xlsx":
            book = Workbook()
            for row in (header, *body):
                book.active.append(row)
            book.save(path)
        else:
            write_csv(path, [header, *body], encoding, kind)
        try:
            roster = read_roster(path)
        except LabError as error:
            assert error.what and error.allowed and error.next_step and len(error.what) < 12_000
        else:
            assert roster and all(settings.check(name, p) for one in roster for name, p in one.parameters.items())
    assert time.process_time() - start < 20
    assert peak_memory() - before < 1e9
