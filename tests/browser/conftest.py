"""The pages that the tests of this folder open, and the browser that opens them."""

import pytest
from browsing import ROOT, browser, open_page  # noqa: F401
from test_marks import ITEMS, class_of

from lab_utils import facts
from lab_utils.course.marks import open_marks, save_marks
from lab_utils.course.overview import write_overview
from lab_utils.course.student import Result
from lab_utils.course.summary import write_summary
from lab_utils.report import html
from lab_utils.report.compose import compose
from lab_utils.report.evidence import KEY
from lab_utils.verdicts.hypotheses import HYPOTHESES


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run all three notebooks in JupyterLab, which takes minutes")


@pytest.fixture(scope="session")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the HTML report of the committed notebooks."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    html.write(compose(ROOT / "notebooks"), path)
    return path.as_uri()


@pytest.fixture(scope="session")
def index_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a class's index: students that are complete, one that failed with a long message."""
    out = tmp_path_factory.mktemp("class")
    fact = {"id": "gain", "claim": "Denoising raises the PSNR", "measured": 8.5, "unit": "dB", "verdict": facts.HOLDS}
    named = [("0012345", "Asha Rao"), ("0012346", "محمد علي"), ("0012350", "Zoë Ångström"), ("0012347", "தமிழ்ச்செல்வி")]
    results = [
        Result(
            student_id,
            name,
            out / student_id,
            "complete",
            seconds={"01_pre_lab": 60.0 * minutes},
            records={name: {"facts": [fact | {"measured": minutes}]} for name in ("01_pre_lab", "02_in_lab")},
            unanswered=tuple(f"viva-{n}" for n in range(minutes)),
        )
        for minutes, (student_id, name) in enumerate(named, start=9)
    ]
    message = "Cell 7 of 02_in_lab.ipynb failed.\nMemoryError: Unable_to_allocate_" + "a_very_long_word_" * 12
    results.insert(2, Result("0012340", "Kim Lee", out / "0012340", "failed", message))
    write_summary(results, out)
    return (out / "index.html").as_uri()


@pytest.fixture(scope="session")
def class_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of a class that has handed in: pooled effects, marks, one of everything to look at."""
    out = tmp_path_factory.mktemp("collected")
    made = class_of({f"{n:07d}": f"Student {n}" for n in range(1, 9)})
    for n, row in enumerate(made.students.values()):
        row.effects = {each.id: (n + 1.0, n + 0.2, n + 1.8) for each in HYPOTHESES[:6]}
        row.effects |= {id: (8.5 - n / 10, 8.1, 8.9) for id in KEY}
    first, second, third, *_ = made.rows
    first.unanswered = ITEMS[:3]
    second.changes, second.numbers = {"01_pre_lab/body": ["-1", "+2"]}, ["gain: handed in 3.5, run again 3"]
    third.status, third.notes = "timeout", ["a_very_long_word_" * 12]
    marks = open_marks(out, made)
    marks.change(first.student_id, ITEMS[0], 2.5)
    save_marks(out, marks)
    write_overview(made, out)
    return (out / "index.html").as_uri()
