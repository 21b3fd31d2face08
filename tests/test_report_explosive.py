"""Answers made to take minutes or gigabytes: each is named and printed as typed, and costs no other anything."""

import json
import re
import subprocess
import sys
from html import unescape

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_report import executed, report, short  # noqa: F401  (fixtures)
from test_report_hostile import answering

from lab_utils.report import html, markdown, model, pdf
from lab_utils.report.bounded import Failure, replies

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="getrusage tells the memory of children")

SECONDS, BYTES = 20, 1e9
BACKSLASH = chr(92)


def macros(names: str, width: int, command: str = "newcommand", first: str = "xxxxxxxxxx") -> str:
    """A formula in which each macro is ``width`` times the one before."""
    bodies = [first, *((BACKSLASH + name) * width for name in names[:-1])]
    defined = [f"{BACKSLASH}{command}{{{BACKSLASH}{name}}}{{{body}}}" for name, body in zip(names, bodies, strict=True)]
    return f"${''.join(defined)}{BACKSLASH}{names[-1]}$"


EXPLOSIVE = {
    "macros": macros("abcdef", 10),
    "powers": "$" + "x^{" * 20 + "x" + "}" * 20 + "$",
    "fractions": "$" + r"\frac{1}{" * 1500 + "x" + "}" * 1500 + "$",
    "endless": "a" * 30_000,
    "quotations": ">" * 19_000 + " x",
    "lists": "1. " * 6_000,
    "formulas": "$a$ " * 4_900,
    "emphasis": "*_" * 9_000,
    "powers side by side": ("$" + "x^{" * 10 + "x" + "}" * 10 + "$ ") * 400,
}
IN_TIME = {"formulas", "emphasis", "powers side by side"}
"""What a fast machine converts within the limits, and a slow one names."""

MEASURE = """
import json, resource, sys, time
from lab_utils.machine import peak_memory
from lab_utils.report.markdown import Fragment, convert
answers = [Fragment(text, "answer") for text in json.load(sys.stdin)]
start = time.monotonic()
made = convert(frozenset(answers))
seconds = time.monotonic() - start
unit = 1 if sys.platform == "darwin" else 1024
peak = max(peak_memory(), unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(json.dumps([seconds, peak, [vars(made[a]) for a in answers]]))
"""


def measured(answers: list[str]) -> tuple[float, int, list[markdown.Markup]]:
    """Seconds, bytes of the largest process, and the markup of each answer."""
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(command, input=json.dumps(answers), capture_output=True, check=True, text=True, timeout=300)
    seconds, peak, markups = json.loads(done.stdout)
    return seconds, peak, [markdown.Markup(**markup) for markup in markups]


def shown(page: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", page))


@pytest.mark.parametrize("name", EXPLOSIVE)
def test_an_answer_that_explodes_is_named_and_costs_no_other(name: str) -> None:
    typed = EXPLOSIVE[name]
    seconds, peak, [exploding, plain, formula] = measured([typed, "A plain answer.", r"$\frac{1}{2}$ more"])
    assert seconds < SECONDS and peak < BYTES
    assert exploding.note or name in IN_TIME
    assert typed[:60] in shown(exploding.html) or not exploding.note
    assert plain.html == "<p>A plain answer.</p>" and "<math" in formula.html
    assert plain.note == formula.note == ""


def test_a_report_with_answers_that_explode_is_made(short: model.Report) -> None:  # noqa: F811
    hostile = answering(short, [EXPLOSIVE[name] for name in ("macros", "powers", "fractions", "endless")])
    assert pdf.render(hostile).startswith(b"%PDF")
    assert "it has 30,000 characters" in html.render(hostile)


CHILD = """
import json, sys, time
for item in json.load(sys.stdin):
    if item == "hang": time.sleep(60)
    if item == "grow": kept = [bytearray(b"x" * (1 << 20)) for _ in range(400)]; time.sleep(60)
    if item == "die": sys.exit(3)
    if item == "half": print('"ha', end="", flush=True); sys.exit()
    print(json.dumps(item.upper()), flush=True)
"""


def test_only_the_item_that_hangs_grows_or_dies_fails() -> None:
    items = ["a", "hang", "b", "grow", "c", "die", "d", "half", "e"]
    found = replies([sys.executable, "-c", CHILD], items, seconds=3, memory=200 << 20)
    why = ["took more than 3 s", "needed more than 200 MB", "ended the converter", "ended the converter"]
    assert found[::2] == ["A", "B", "C", "D", "E"]
    assert found[1::2] == [Failure(reason) for reason in why]


WORDS = st.sampled_from(
    ["noise", "Rauschen", "தமிழ்", "शोर", "ضوضاء", "শব্দ", "шум", "θόρυβος", "x" * 300, "🙂", "\u202e"]
)
MARKS = [("*", "*"), ("**", "**"), ("[", "](https://a.example)"), ("~~", "~~"), ("![", "](b)"), ("`", "`")]
MARKS += [("> ", ""), ("- ", ""), ("1. ", ""), ("  - a\n", "")]
TEX = [
    ("x^{", "}"),
    ("x_{", "}"),
    ("{x}^{", "}"),
    ("x^", ""),
    ("{", "}"),
    ("(", ")"),
    (r"\hat{", "}"),
    (r"\sqrt{", "}"),
]
TEX += [(r"\frac{1}{", "}"), (r"\left(", r"\right)"), (r"\text{$", "$}"), (r"\begin{matrix}", r"\end{matrix}")]
COMMANDS = ["newcommand", "renewcommand", "providecommand", "DeclareMathOperator"]
DEPTHS = st.sampled_from([1, 3, 9, 11, 20, 60, 400])


def nested(pair: tuple[str, str], depth: int, inside: str) -> str:
    return pair[0] * depth + inside + pair[1] * depth


def table(word: str, columns: int, rows: int) -> str:
    return f"|{word}" * columns + "|\n" + "|-" * columns + "|\n" + (f"|{word}" * columns + "|\n") * rows


FORMULAS = st.builds(nested, st.sampled_from(TEX), DEPTHS, st.just("x"))
ANSWERS = st.one_of(
    st.builds(nested, st.sampled_from(MARKS), DEPTHS, WORDS),
    FORMULAS.map("${}$".format),
    st.builds(nested, st.sampled_from(TEX), DEPTHS, FORMULAS).map("$${}$$".format),
    st.builds(macros, st.sampled_from(["ab", "abcd", "abcdefgh"]), st.integers(1, 20), st.sampled_from(COMMANDS)),
    st.builds(table, WORDS, st.integers(1, 40), st.integers(1, 40)),
    st.lists(WORDS.map(lambda word: f"[{word}](https://a.example/{word})"), max_size=300).map(" ".join),
    st.lists(WORDS, max_size=300).map(" ".join),
)


def test_generated_answers_stay_within_bounds_and_none_is_dropped() -> None:
    counted = []

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(answers=st.lists(ANSWERS, min_size=20, max_size=20))
    def bounded(answers: list[str]) -> None:
        marked = [f"{answer}\n\nend{i}" for i, answer in enumerate(answers)]
        seconds, peak, markups = measured(marked)
        assert seconds < SECONDS and peak < BYTES
        for i, (answer, markup) in enumerate(zip(marked, markups, strict=True)):
            said = f"end{i}" if len(answer) <= markdown.LONGEST else f"{len(answer):,} characters"
            assert said in markup.typst and said in shown(markup.html)
        counted.extend(bool(markup.note) for markup in markups)

    bounded()
    assert len(counted) >= 120 and any(counted) and not all(counted)


@pytest.mark.parametrize("text", ["A **word** and $x^2$ for a temporary folder.", EXPLOSIVE["quotations"] + "!"])
def test_a_conversion_leaves_no_file_behind(tmp_path, own_cache, monkeypatch, text):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    markdown.convert(frozenset({markdown.Fragment(text, "answer")}))
    assert list((tmp_path / "temporary").iterdir()) == list((own_cache / "scratch").iterdir()) == []
