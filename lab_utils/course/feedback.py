"""What goes back to the students: each one's report with the marks in it, and a page that says what they were for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from lab_utils import files
from lab_utils.course import pooled
from lab_utils.course.collected import Collected, Collection
from lab_utils.course.marks import Marks, evaluation
from lab_utils.course.names import folder_name
from lab_utils.course.numbers import with_interval
from lab_utils.course.reports import Wanted, make_all, notebooks_in
from lab_utils.course.summary import Cell, page_of, table_of
from lab_utils.manual import QUESTIONS
from lab_utils.text import visible

HEADS = ("Answer", "Marks", "Comment", "Question")
POOLED_HEADS = ("The manual says", "Your effect [95 % interval]", "The class", "Verdict of the class")
PAGE = "feedback.html"


@dataclass
class Given:
    """What came of it: students with a page; those that are not marked to the end; reports that could not be made."""

    students: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def give_feedback(folder: Path, out: Path, collection: Collection, marks: Marks, *, workers: int = 1) -> Given:
    """Write a folder for each student who has handed in and is marked to the end.

    Parameters
    ----------
    folder : Path
        Where ``dae-lab collect`` has written.
    out : Path
        Gets a folder for each student: ``feedback.html`` and the report with marks, as PDF and HTML.
    collection : Collection
    marks : Marks
    workers : int
        Reports at a time.
    """
    given = Given()
    rows = pooled.pool({id: row.effects for id, row in collection.students.items()})
    jobs = []
    for id, row in collection.students.items():
        if marks.total(id) is None:
            given.unmarked += [id] if row.asked else []
            continue
        place = out / folder_name(id)
        files.say_set_aside([files.put(place / PAGE, _page(row, marks, collection, rows).encode())])
        given.students.append(id)
        if notebooks_in(folder / folder_name(id)):
            name = f"{folder_name(id)}_exp13_report"
            jobs.append(Wanted(id, folder / folder_name(id), evaluation(marks, id), place, name))
        else:
            given.problems[id] = "no notebook of theirs ran to its end, so there is no report"
    made = make_all(jobs, workers=workers)
    given.problems |= {id: result.problem for id, result in made.items() if result.problem}
    return given


def _page(row: Collected, marks: Marks, collection: Collection, rows: list[pooled.Pooled]) -> str:
    given, told = evaluation(marks, row.student_id), marks.of(row.student_id)
    parts = "; ".join(f"{title} {secured}" for title, secured in given.sections.items())
    said = f"Marks secured: {given.total} out of {given.out_of} ({parts})."
    lines = [_line(id, points, told.marks, told.comments, collection) for id, points in marks.rubric.items()]
    remark = f'<h2>Remark of the evaluator</h2><p class="remark" dir="auto">{escape(visible(given.remark))}</p>'
    more = (remark if given.remark else "") + _beside_the_class(row, rows)
    return page_of(f"Feedback: {visible(row.name)} ({visible(row.student_id)})", said, HEADS, lines, more)


def _line(id: str, points: float, marks: dict, comments: dict, collection: Collection) -> list[Cell]:
    question = QUESTIONS.get(id) or collection.questions.get(id, "")
    return [
        ("", escape(id)),
        ("", f"{marks[id]:g} of {points:g}"),
        ('class="message" dir="auto"', escape(visible(comments.get(id, "")))),
        ('class="message"', escape(visible(question))),
    ]


def _beside_the_class(row: Collected, rows: Iterable[pooled.Pooled]) -> str:
    """The student's effects beside those of the class, as a table."""
    own = [each for each in rows if row.student_id in each.effects]
    if not own:
        return ""
    cells = [
        [
            ("", f"{escape(each.statement)}<br><small>{escape(each.test)}</small>"),
            ("", with_interval(each.id, each.effects[row.student_id])),
            ("", with_interval(each.id, (each.effect, each.low, each.high))),
            ("", escape(each.verdict)),
        ]
        for each in own
    ]
    return f"<h2>Your run beside the class</h2>{table_of(POOLED_HEADS, cells)}"
