"""The page of a class: who has handed in, the main numbers, the marks, and what all of them say together."""

import base64
import io
import math
from html import escape
from pathlib import Path
from urllib.parse import quote

from lab_utils.course import pooled
from lab_utils.course.collected import Collected, Collection, code_of
from lab_utils.course.marks import NAME as MARKS
from lab_utils.course.marks import Marks, open_marks
from lab_utils.course.names import folder_name
from lab_utils.course.numbers import KEY_NAMES, above_interval, with_interval
from lab_utils.course.reports import PAGE
from lab_utils.course.summary import Cell, page_of, table_of
from lab_utils.figures.pooled import Line, class_forest
from lab_utils.files import put
from lab_utils.verdicts.statistics import SUPPORTED

HEADS = (
    *("Student ID", "Name", "Status", "Marks", "Not answered"),
    *KEY_NAMES.values(),
    *("Code", "Look at", "Files"),
)
POOLED_HEADS = ("The manual says", "Students", "Pooled effect [95 % interval]", "I²", "Verdict", "Published run")
LONGEST = 20_000  # characters of a difference on the page
WAITING = ("complete", "missing")
TOLD = """Each student ran with a seed of their own, so the class is a replication of the experiment. The effects are
pooled by random effects (Paule and Mandel; intervals by Hartung and Knapp); I² is the share of their spread that the
students’ own errors do not explain."""


def write_overview(collection: Collection, out: Path) -> Path | None:
    """Write ``index.html``; where one is now found that a person had changed."""
    marks = open_marks(out, collection) if (out / MARKS).exists() else None
    rows = pooled.pool({id: row.effects for id, row in collection.students.items()})
    apart = pooled.look_at(rows)
    students = collection.students
    missing = sum(row.status == "missing" for row in students.values())
    looked = sum(row.look_at or row.student_id in apart for row in collection.rows)
    told = f"{len(students)} students, {missing} missing; {looked} lines to look at."
    lines = [_row(row, out, marks, apart.get(row.student_id, [])) for row in collection.rows]
    return put(out / "index.html", page_of("Submissions", told, HEADS, lines, _together(rows)).encode())


def _row(row: Collected, out: Path, marks: Marks | None, apart: list[str]) -> list[Cell]:
    folder = quote(folder_name(row.student_id))
    made = sorted((out / folder_name(row.student_id)).glob("*.ipynb")) if row.asked else []
    report = f"{folder}/{PAGE}" if row.asked and (out / folder_name(row.student_id) / PAGE).is_file() else ""
    links = [f'<a href="{report}">report</a>'] if report else []
    links += [f'<a href="{folder}/{quote(path.name)}">{escape(path.stem)}</a>' for path in made]
    status, failed = _status(row, marks)
    given = math.fsum(marks.of(row.student_id).marks.values()) if marks else 0
    started = bool(marks and marks.of(row.student_id).marks)
    told = [*row.numbers, *row.alike, *row.notes, *(f"apart from the class: {id}" for id in apart)]
    return [
        ("", f"<bdi>{escape(row.student_id)}</bdi>"),
        ("", f"<bdi>{escape(row.name)}</bdi>"),
        ('class="failed"' if failed else "", escape(status)),
        (f'data-key="{given:09.2f}"', f"{given:g}" if started else ""),
        (f'data-key="{len(row.unanswered)}"', " ".join(_to_answer(id, report) for id in row.unanswered)),
        *((_sorted_by(row, id), above_interval(id, row.effects.get(id))) for id in KEY_NAMES),
        ("", _code(row)),
        ('class="message look"', escape("\n".join(told))),
        ('class="message"', f"{' '.join(links)} <small>{escape(row.handed_in)}</small>".strip()),
    ]


def _sorted_by(row: Collected, id: str) -> str:
    return f'data-key="{row.effects[id][0]:g}"' if id in row.effects else ""


def _to_answer(id: str, report: str) -> str:
    return f'<a href="{report}#answer-{quote(id)}">{escape(id)}</a>' if report else escape(id)


def _status(row: Collected, marks: Marks | None) -> tuple[str, bool]:
    """In words, and whether something went wrong: to wait for a hand-in or for marks is nothing wrong."""
    if not row.listed or row.status == "missing":
        return {"missing": "not handed in"}.get(row.status, row.status), not row.listed
    done = len(marks.of(row.student_id).marks) if marks else 0
    word = "to mark" if not done else "marked" if done == len(marks.rubric) else f"{done} of {len(marks.rubric)} marked"
    return (word, False) if row.status == "complete" else (f"{row.status}; {word}", True)


def _code(row: Collected) -> str:
    changed = "\n".join(line for key, lines in row.changes.items() for line in [key, *lines])
    told = escape(code_of(row))
    return f"<details><summary>{told}</summary><pre>{escape(changed[:LONGEST])}</pre></details>" if changed else told


def _together(rows: list[pooled.Pooled]) -> str:
    """The pooled effects as a picture and a table; nothing where no effect can be pooled."""
    if not rows:
        return ""
    figure = class_forest([_line(row) for row in rows])
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    picture = base64.b64encode(stream.getvalue()).decode()
    table = table_of(POOLED_HEADS, [pooled_row(row) for row in rows])
    return (
        f"<h2>The class as an experiment</h2><p>{TOLD}</p>"
        f'<p><img src="data:image/png;base64,{picture}" alt="{escape(figure.alt)}"></p>{table}'
    )


def _line(row: pooled.Pooled) -> Line:
    unit = abs(row.threshold) or 1.0

    def scaled(numbers: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(number / unit for number in numbers)

    return Line(
        row.id,
        scaled(tuple(effect for effect, _, _ in row.effects.values())),
        scaled((row.effect, row.low, row.high)),
        scaled(row.published) if row.published else None,
        row.verdict == SUPPORTED,
    )


def pooled_row(row: pooled.Pooled) -> list[Cell]:
    """What the class says of one hypothesis, as cells of a table."""
    return [
        ("", f"{escape(row.statement)}<br><small>{escape(row.test)}</small>"),
        ("", f"{len(row.effects)}"),
        ("", with_interval(row.id, (row.effect, row.low, row.high))),
        ("", f"{row.i2:.0%}"),
        ("", escape(row.verdict)),
        ("", with_interval(row.id, row.published)),
    ]
