"""Marks of a class: what the page saves is there whatever happens, and the sheet and the page merge cell by cell."""

import http.client
import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from test_cli import dae_lab

from lab_utils.course import marking, marksheet
from lab_utils.course.collected import Collected, Collection, Measured, read_collected, write_collected
from lab_utils.course.exports import filled
from lab_utils.course.marks import LONGEST, Marks, evaluation, open_marks, save_marks
from lab_utils.course.rubric import RUBRIC
from lab_utils.errors import LabError

ITEMS = [id for part in tomllib.loads(RUBRIC.read_text()).values() if isinstance(part, dict) for id in part]
HOSTILE = '=HYPERLINK("http://x")<script>alert(1)</script>'
NAMES = {"0012345": "Zoë Ångström", "=1+1": "தமிழ்ச்செல்வன்", "7": "<b>Pat</b>"}


def class_of(names: dict[str, str]) -> Collection:
    rows = [
        Collected(
            id,
            name,
            "complete",
            "x.zip",
            asked=len(ITEMS),
            answered=len(ITEMS),
            answers={item: f"{HOSTILE} {item}" for item in ITEMS},
            facts={"02_in_lab/gain": Measured(HOSTILE, 8.5, "dB", "holds")},
        )
        for id, name in names.items()
    ]
    rows.append(Collected("9", "Away", "missing"))
    rows.append(Collected("stranger", "", "foreign", "y.zip"))
    return Collection({item: f"Why {item}?" for item in ITEMS}, {ITEMS[0]: "Because."}, rows)


@pytest.fixture
def folder(tmp_path) -> Path:
    write_collected(class_of(NAMES), tmp_path / "marks")
    return tmp_path / "marks"


@pytest.fixture
def collection(folder) -> Collection:
    return read_collected(folder)


def edit(folder: Path, cells: dict[tuple[str, str], object]) -> None:
    """Change cells of the sheet as a spreadsheet program does."""
    book = load_workbook(folder / marksheet.NAME)
    sheet = book.active
    heads = {cell.value: cell.column for cell in sheet[1]}
    rows = {str(row[0].value): row[0].row for row in sheet.iter_rows(min_row=2)}
    for (student, column), value in cells.items():
        sheet.cell(rows[student], heads[column]).value = value
    book.save(folder / marksheet.NAME)


# ---- marks ------------------------------------------------------------------------------------------------------


def test_what_was_collected_is_read_as_it_was_written(collection):
    assert collection == class_of(NAMES) and list(collection.students) == [*NAMES, "9"]


@pytest.mark.parametrize("value", [-0.5, 3.5, 0.3, "two", float("nan"), True, [], "1e999"])
def test_a_mark_that_the_rubric_does_not_allow_is_refused_and_changes_nothing(folder, collection, value):
    marks = open_marks(folder, collection)
    marks.change("7", "pre-lab-1", 2.5)
    with pytest.raises(LabError, match="0 to 3 in steps of"):
        marks.change("7", "pre-lab-1", value)
    assert marks.cells("7") == {"pre-lab-1": "2.5"}


def test_a_total_is_there_when_everything_is_marked_and_the_report_gets_it(folder, collection):
    marks = open_marks(folder, collection)
    for item, points in marks.rubric.items():
        assert marks.total("7") is None
        marks.change("7", item, points - 0.5)
    marks.change("7", "comment: viva-2", " Say why.\x00\r\n")
    marks.change("7", "remark", "Clear.")
    told = evaluation(marks, "7")
    assert marks.total("7") == 50 - 17 / 2 and told.total == "41.5" and told.out_of == "50"
    assert told.sections == {
        "Pre-Lab": "10 of 12",
        "In-Lab": "14 of 16",
        "Viva-voce": "7.5 of 10",
        "Post-Lab": "10 of 12",
    }
    assert told.comments == [("viva-2", "1.5 of 2", "Say why.")] and told.remark == "Clear."
    save_marks(folder, marks)
    assert open_marks(folder, collection) == marks


def test_a_part_alone_is_marked_by_the_labs_points_of_it(folder, collection):
    part = Collection({id: "Why?" for id in ITEMS[:4]}, {}, collection.rows)
    assert open_marks(folder, part).rubric == dict.fromkeys(ITEMS[:4], 3)
    with pytest.raises(LabError, match="the answer mine has no points"):
        open_marks(folder, Collection({"mine": "Why?"}, {}, []))


def test_a_new_rubric_is_refused_while_marks_go_beyond_it(folder, collection, tmp_path):
    marks = open_marks(folder, collection)
    marks.change("7", "pre-lab-1", 3)
    save_marks(folder, marks)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        RUBRIC.read_text().replace("pre-lab-1 = 3", "pre-lab-1 = 2").replace("pre-lab-2 = 3", "pre-lab-2 = 4")
    )
    with pytest.raises(LabError, match="pre-lab-1"):
        open_marks(folder, collection, mine)
    marks.change("7", "pre-lab-1", 2)
    save_marks(folder, marks)
    assert open_marks(folder, collection, mine).rubric["pre-lab-2"] == 4


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', '{"schema": 1, "rubric": {"a": 1}, "students": {"7": 1}}'])
def test_marks_that_somebody_has_broken_are_refused_and_left(folder, text):
    (folder / "marks.json").write_text(text)
    with pytest.raises(LabError, match=r"marks\.json"):
        open_marks(folder, read_collected(folder))


# ---- the sheet --------------------------------------------------------------------------------------------------


def test_the_sheet_goes_there_and_back_and_computes_nothing(folder, collection):
    marks = open_marks(folder, collection)
    marks.change("=1+1", "pre-lab-1", 2.5)
    marks.change("=1+1", "comment: pre-lab-1", HOSTILE)
    marks.change("7", "remark", "two\nlines")
    before = marks.model_copy(deep=True).students
    assert marksheet.merge_sheet(folder, collection, marks) is None
    sheet = load_workbook(folder / marksheet.NAME).active
    assert all(cell.data_type in "sn" for row in sheet.iter_rows() for cell in row)
    again = open_marks(folder, collection)
    marksheet.merge_sheet(folder, collection, again)
    assert again.students == before


def test_changes_on_both_sides_come_together(folder, collection):
    marks = open_marks(folder, collection)
    marks.change("7", "pre-lab-1", 1)
    marks.change("7", "pre-lab-2", 1)
    marksheet.merge_sheet(folder, collection, marks)
    edit(folder, {("7", "pre-lab-1"): 2.5, ("7", "pre-lab-2"): None, ("=1+1", "remark"): "Good", ("7", "total"): 99})
    marks.change("7", "pre-lab-3", 3)
    marks.change("=1+1", "viva-1", 2)
    aside = marksheet.merge_sheet(folder, collection, marks)
    assert marks.cells("7") == {"pre-lab-1": "2.5", "pre-lab-3": "3"}
    assert marks.cells("=1+1") == {"remark": "Good", "viva-1": "2"}
    assert aside and load_workbook(aside).active["C4"].value == 2.5  # the person's own file is kept
    fresh = open_marks(folder, collection)
    marksheet.merge_sheet(folder, collection, fresh)
    assert fresh == marks


def test_a_conflict_is_named_and_nothing_is_overwritten(folder, collection):
    marks = open_marks(folder, collection)
    marks.change("7", "pre-lab-1", 1)
    marksheet.merge_sheet(folder, collection, marks)
    marks.change("7", "pre-lab-1", 2)
    save_marks(folder, marks)
    edit(folder, {("7", "pre-lab-1"): 3, ("7", "pre-lab-2"): 2, ("0012345", "viva-1"): 2.2})
    before = [(folder / name).read_bytes() for name in ("marks.json", "marks.xlsx")]
    done = dae_lab("mark", folder, "--sheet")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "7, pre-lab-1: it was '1', the page says '2', the sheet '3'" in done.stderr
    assert "0012345: viva-1 = '2.2' is no mark" in done.stderr and "pre-lab-2" not in done.stderr
    assert [(folder / name).read_bytes() for name in ("marks.json", "marks.xlsx")] == before
    edit(folder, {("7", "pre-lab-1"): 2, ("0012345", "viva-1"): 2})
    marks = open_marks(folder, collection)
    marksheet.merge_sheet(folder, collection, marks)
    assert open_marks(folder, collection).cells("7") == {"pre-lab-1": "2", "pre-lab-2": "2"}


CELLS = st.sampled_from(["", "0", "0.5", "2"])
SIDES = st.tuples(CELLS, CELLS, CELLS)


@settings(max_examples=25, deadline=None)
@given(cells=st.lists(SIDES, min_size=3, max_size=3))
def test_a_merge_loses_no_change(tmp_path_factory, cells):
    """Of each cell (was, page, sheet): the changed side is there afterwards; two different changes stop everything."""
    place, class_ = tmp_path_factory.mktemp("m"), class_of({"1": "A"})
    marks = Marks(rubric=dict.fromkeys(ITEMS, 2.0))
    for item, (was, _, _) in zip(ITEMS, cells, strict=False):
        marks.change("1", item, was)
    marksheet.merge_sheet(place, class_, marks)
    edit(place, {("1", item): float(new) if new else None for item, (_, _, new) in zip(ITEMS, cells, strict=False)})
    for item, (_, page, _) in zip(ITEMS, cells, strict=False):
        marks.change("1", item, page)
    if any(page != was and sheet != was and page != sheet for was, page, sheet in cells):
        with pytest.raises(LabError):
            marksheet.merge_sheet(place, class_, marks)
        wanted = [page for _, page, _ in cells]
    else:
        marksheet.merge_sheet(place, class_, marks)
        wanted = [sheet if sheet != was else page for was, page, sheet in cells]
    assert [marks.cells("1").get(item, "") for item in ITEMS[:3]] == wanted


def test_marks_go_to_the_platform(folder, collection, tmp_path):
    marks = open_marks(folder, collection)
    for student in ("=1+1", "7"):
        for item, points in marks.rubric.items():
            marks.change(student, item, points)
    marks.change("7", "viva-1", None)
    marks.change("=1+1", "comment: viva-1", "=2+2")
    save_marks(folder, marks)
    (tmp_path / "list.csv").write_text("student_id,name\n=1+1,A\n7,B\n")
    content, written, told = filled(folder, tmp_path / "list.csv", "Marks")
    assert written == 1 and told == ["Not marked to the end, and without a grade: 0012345, 7"]
    assert content.decode("utf-8-sig").splitlines()[1:] == ["'=1+1,A,50,viva-1 (2 of 2): =2+2", "7,B,,"]


@pytest.mark.parametrize(
    "theirs",
    [
        "Student,ID,SIS User ID,SIS Login ID,Section,Marks (1)\n    Points Possible,,,,,{}\nA,1,7,a,X,\n",
        "Identifier,Full name,ID number,Grade,Maximum grade,Feedback comments\nParticipant 1,A,7,,{},\n",
    ],
    ids=["canvas", "moodle"],
)
def test_the_platform_gets_the_rubrics_total_and_hears_of_another(folder, collection, tmp_path, theirs):
    mine = tmp_path / "mine.toml"
    mine.write_text(re.sub(r"total = 50", "total = 52", RUBRIC.read_text().replace("viva-1 = 2", "viva-1 = 4")))
    marks = open_marks(folder, collection, mine)
    for item, points in marks.rubric.items():
        marks.change("7", item, points)
    save_marks(folder, marks)
    for before, differs in (("", False), ("52.00", False), ("50.00", True)):
        (tmp_path / "list.csv").write_text(theirs.format(before))
        content, _, told = filled(folder, tmp_path / "list.csv", "Marks")
        assert any("has 50.00 points, and the rubric 52" in text for text in told) == differs
        rows = content.decode("utf-8-sig").splitlines()
        assert rows[1].endswith(",52") if "Points" in rows[1] else ",7,52," in rows[1]


# ---- the page ---------------------------------------------------------------------------------------------------


class Page:
    """Requests to a page that is served."""

    def __init__(self, address: str) -> None:
        self.place = urlsplit(address)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes, dict]:
        connection = http.client.HTTPConnection(self.place.netloc, timeout=30)
        content = None if body is None else json.dumps(body)
        kind = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, content, kind | headers)
        reply = connection.getresponse()
        return reply.status, reply.read(), dict(reply.getheaders())

    def change(self, **told: object) -> tuple[int, dict]:
        status, content, _ = self.ask("POST", f"{self.place.path}marks", told)
        return status, json.loads(content)


@pytest.fixture
def page(folder, collection) -> Iterator[Page]:
    server, address = marking.serve(marking.Marking(folder, collection, open_marks(folder, collection)))
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Page(address)
        server.shutdown()
        thread.join()


@contextmanager
def command(folder: Path) -> Iterator[Page]:
    """The command that serves the page, as a process that is killed at the end."""
    arguments = [sys.executable, "-m", "lab_utils", "mark", str(folder), "--no-open"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Page(next(line.strip() for line in process.stdout if line.startswith("http://")))
        finally:
            process.kill()


def test_what_was_entered_is_there_after_the_process_was_killed(folder, collection):
    with command(folder) as page:
        assert page.change(student="7", column="pre-lab-1", value=2.5)[0] == 200
        status, said = page.change(student="7", column="remark", value=HOSTILE)
        assert status == 200 and said["students"]["7"]["remark"] == HOSTILE
        assert page.change(phrases=["Say why.", "Say why.", ""])[1]["phrases"] == ["Say why."]
        second = dae_lab("mark", folder, "--sheet")
        assert second.returncode == 2 and "Another process is at work" in second.stderr
    assert open_marks(folder, collection).cells("7") == {"pre-lab-1": "2.5", "remark": HOSTILE}
    with command(folder) as page:
        told = json.loads(page.ask("GET", f"{page.place.path}class.json")[1])
    assert told["marks"]["students"]["7"]["marks"] == {"pre-lab-1": 2.5} and told["marks"]["phrases"] == ["Say why."]
    assert len(told["items"]) == 17 and len(told["students"]) == 4


def test_only_who_has_the_address_gets_anything(folder, page):
    place = page.place
    assert place.hostname == "127.0.0.1" and len(place.path) > 30
    assert page.ask("GET", "/")[0] == page.ask("GET", f"{place.path[:-2]}x/class.json")[0] == 403
    for header in ({"Host": "lab.example"}, {"Origin": "http://lab.example"}):
        assert page.ask("GET", f"{place.path}class.json", **header)[0] == 403
        assert page.ask("POST", f"{place.path}marks", {}, **header)[0] == 403
    assert page.ask("POST", f"{place.path}marks", {"student": "7"}, **{"Content-Type": "text/plain"})[0] == 403
    assert page.ask("POST", f"{place.path}marks", "x" * 70_000)[0] == 403
    for path in ("report/../marks.json", "report/..%2fmarks.json", "../marks.json", "marks.json", "report/nobody"):
        assert page.ask("GET", place.path + path)[0] == 404
    status, content, headers = page.ask("GET", place.path)
    policy = headers["Content-Security-Policy"]
    assert status == 200 and "script-src 'self'" in policy and "unsafe" not in policy
    assert not re.search(rb"<script>|style=| on\w+=", content) and headers["Referrer-Policy"] == "no-referrer"


def test_what_is_not_allowed_is_said_and_not_saved(folder, collection, page):
    for told, said in [
        ({"student": "7", "column": "pre-lab-1", "value": 99}, "0 to 3"),
        ({"student": "7", "column": "nothing", "value": 1}, "There is no"),
        ({"student": "stranger", "column": "remark", "value": "x"}, "no such student"),
        ({"student": "7", "column": "remark", "value": "x" * (LONGEST + 1)}, "at most 2,000"),
        ({"phrases": [1]}, "no comment"),
        ([], "no object"),
    ]:
        status, content, _ = page.ask("POST", f"{page.place.path}marks", told)
        assert status == 409 and said in json.loads(content)["problem"], told
    assert open_marks(folder, collection).students == {}
    text = (folder / "marks.json").read_text().replace('"phrases": []', '"phrases": ["by hand"]')
    (folder / "marks.json").write_text(text)
    status, said = page.change(student="7", column="pre-lab-1", value=1)
    assert status == 409 and "Something else has changed marks.json" in said["problem"]
    assert (folder / "marks.json").read_text() == text
