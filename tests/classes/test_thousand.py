"""A simulated class of 1,000, records only: page, pooled verdicts, marks and exports in a minute and a gigabyte."""

import csv
import resource
import time

import numpy as np
from test_marks import ITEMS, class_of

from lab_utils.course.collected import read_collected, write_collected
from lab_utils.course.exports import filled
from lab_utils.course.marks import open_marks, save_marks
from lab_utils.course.marksheet import merge_sheet
from lab_utils.course.overview import write_overview
from lab_utils.verdicts.hypotheses import HYPOTHESES

STUDENTS, SECONDS, GIGABYTE = 1_000, 60, 1_000_000  # kB


def test_a_class_of_a_thousand_in_a_minute_and_a_gigabyte(tmp_path):
    random = np.random.default_rng(0)
    made = class_of({f"{n:07d}": f"Student {n}" for n in range(STUDENTS)})
    for row in made.students.values():
        for each in HYPOTHESES:
            effect = random.normal(3, 0.5)
            row.effects[each.id] = (effect, effect - 0.8, effect + 0.8)
    begun = time.monotonic()
    write_collected(made, tmp_path)
    class_ = read_collected(tmp_path)
    marks = open_marks(tmp_path, class_)
    for student in class_.students:
        for item in ITEMS:
            marks.change(student, item, 1.5)
    save_marks(tmp_path, marks)
    write_overview(class_, tmp_path)
    drawn = time.monotonic()
    merge_sheet(tmp_path, class_, marks)
    merge_sheet(tmp_path, class_, marks)
    with open(tmp_path / "list.csv", "w", newline="") as file:
        csv.writer(file).writerows([("student_id", "name"), *((id, row.name) for id, row in class_.students.items())])
    _, written, _ = filled(tmp_path, tmp_path / "list.csv", "Experiment 13")
    ended, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\n1,000 students: page and pooled effects {drawn - begun:.1f} s, sheet and export {ended - drawn:.1f} s, "
          f"{memory / 1000:.0f} MB")  # fmt: skip
    assert written == STUDENTS + 1 and ended - begun < SECONDS and memory < GIGABYTE
