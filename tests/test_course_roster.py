"""Rosters: what comes in as text stays text; what is wrong is told all at once."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl import Workbook

from lab_utils import settings
from lab_utils.course.names import PLAIN, RESERVED, folder_name, identity_key, spreadsheet_text
from lab_utils.course.roster import RosterError, read_roster
from lab_utils.errors import LabError
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


@given(st.text(max_size=30))
def test_a_spreadsheet_never_computes_a_cell(text):
    shown = spreadsheet_text(text)
    assert shown.lstrip(" ")[:1] not in tuple("=+-@\t\r\n") or shown == ""
    assert shown.removeprefix("'") == text.removeprefix("'")


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
        assert [(s.student_id, s.name) for s in students] == kept
        assert len({identity_key(s.student_id) for s in students}) == len(kept)
        assert not any(lacking(s.student_id + s.name) for s in students)
