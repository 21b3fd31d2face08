"""Marks go back in the platform's own layout, to the right student, and no name becomes a formula."""

import csv
import io
from pathlib import Path

import pytest
from test_cli import dae_lab

from lab_utils.course.exports import filled
from lab_utils.errors import LabError

MARKS = 'student_id,name,total,remark\n0012345,Ann Doe,41.5,"Good, clear"\n7,Bo,0,=1+1\n8,Cy,,not marked\n99,Dee,5,\n'
MOODLE = """\ufeffIdentifier,"Full name","ID number","Email address",Status,Grade,"Maximum grade",\
"Last modified (grade)","Feedback comments"
"Participant 11","Ann Doe",0012345,a@example.org,Submitted,,50.00,-,
"Participant 12","=HYPERLINK(""x"")",7,b@example.org,Submitted,,50.00,-,
"Participant 13",Cy,8,c@example.org,"No submission",3.00,50.00,-,old
"""
CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Quiz 1 (12),Experiment 13 (4711),Final Score
,,,,,Manual Posting,,
    Points Possible,,,,,10,50,(read only)
"Doe, Ann",11,0012345,adoe,CS1,7,,1
"Bo",12,7,bo,CS1,-2,,1
"Student, Test",99,,abc,CS1,,,
"""


def rows(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def fill(tmp_path):
    def made(theirs: str, marks: str = MARKS, column: str = "Experiment 13"):
        (tmp_path / "marks.csv").write_text(marks, encoding="utf-8")
        (tmp_path / "theirs.csv").write_text(theirs, encoding="utf-8")
        return filled(tmp_path / "marks.csv", tmp_path / "theirs.csv", column)

    return made


def test_moodles_worksheet_gets_grade_and_feedback_and_keeps_the_rest(fill):
    content, written, told = fill(MOODLE)
    ann, bo, cy = rows(content)
    assert (ann["Identifier"], ann["Grade"], ann["Feedback comments"]) == ("Participant 11", "41.5", "Good, clear")
    assert ann["ID number"] == "0012345" and ann["Last modified (grade)"] == "-" and ann["Maximum grade"] == "50.00"
    assert (bo["Grade"], bo["Feedback comments"], bo["Full name"][0]) == ("0", "'=1+1", "'")
    assert (cy["Grade"], cy["Feedback comments"]) == ("3.00", "old")
    assert written == 2 and told == ["Not in theirs.csv: 99"]


@pytest.mark.parametrize("title", ["Experiment 13 (4711)", "Experiment 13"])
def test_canvas_gets_its_five_columns_and_the_assignment_alone(fill, title):
    theirs = CANVAS if title.endswith(")") else CANVAS.replace("Experiment 13 (4711)", "Another (1)")
    content, written, _ = fill(theirs)
    made = rows(content)
    assert list(made[0]) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", title]
    points = next(row for row in made if row["Student"] == "    Points Possible")
    ann = next(row for row in made if row["Student"] == "Doe, Ann")
    assert points[title] == "50" and (ann["SIS User ID"], ann[title]) == ("0012345", "41.5")
    assert written == 2 and made[-1][title] == ""


def test_any_list_gets_two_columns(fill):
    content, _, _ = fill("student_id;name\n0012345;Ann\n8;Cy\n")
    ann, cy = rows(content)
    assert ann == {"student_id": "0012345", "name": "Ann", "Experiment 13": "41.5", "Feedback": "Good, clear"}
    assert cy["Experiment 13"] == ""


@pytest.mark.parametrize(
    ("theirs", "marks", "said"),
    [
        ("name,grade\nAnn,1\n", MARKS, "no column of IDs"),
        (MOODLE, "student_id,name\n1,A\n", "no column total"),
        (MOODLE, "student_id,total\n1,ten\n", "'ten'"),
        (MOODLE, "student_id,total\n1,nan\n", "'nan'"),
        (MOODLE, "student_id,total\n1,5\n1,6\n", "each ID once"),
    ],
)
def test_what_cannot_be_used_is_refused(fill, theirs, marks, said):
    with pytest.raises(LabError) as refused:
        fill(theirs, marks)
    assert said in str(refused.value)


def test_the_command_says_who_is_not_there(tmp_path):
    (tmp_path / "marks.csv").write_text(MARKS)
    Path(tmp_path / "moodle.csv").write_text(MOODLE, encoding="utf-8")
    done = dae_lab("export", "marks.csv", "moodle.csv", cwd=tmp_path)
    assert done.returncode == 0 and "2 marks in grades.csv" in done.stdout and "99" in done.stderr
    assert len(rows((tmp_path / "grades.csv").read_bytes())) == 3
