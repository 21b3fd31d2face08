"""A formula means the same in the PDF as in HTML: Typst's own reading of it is compared with the MathML."""

import json
import re
import unicodedata
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import typst
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lab_utils.report.markdown import ONLY_OUR_FONTS, Fragment, Markup, convert

SAME = str.maketrans("-*∣∥‾→←", "−∗|‖\u0304\u20d7\u20d6")  # one sign where the two languages have two characters
OVER = {"overline": "¯", "overbrace": "⏞", "overbracket": "⎴", "overparen": "⏜"}
UNDER = {"underline": "_", "underbrace": "⏟", "underbracket": "⎵", "underparen": "⏝"}
SCRIPTS = {"msub": "br", "msup": "tr", "msubsup": "br tr", "munder": "b", "mover": "t", "munderover": "b t"}

# A meaning is a tuple: characters and constructs in order. A construct is a tuple too, its name first.


def characters(text: str) -> tuple:
    return tuple("".join(c for c in text if not "\u2061" <= c <= "\u2064").strip().translate(SAME))


def of_mathml(node: Element) -> tuple:
    tag = node.tag.rpartition("}")[2]
    own = [child for child in node if child.tag.rpartition("}")[2] != "annotation"]
    text = "".join(node.itertext())
    if tag == "mspace":
        return ()
    if tag == "mi" and len(text) > 1 and text.isascii():
        return (("op", characters(text)),)
    if tag in {"mi", "mo", "mn", "mtext"}:
        return characters(text)
    if tag == "mfrac":
        parts = [of_mathml(child) for child in own]
        bar = not node.get("linethickness", "").startswith("0")
        return (("frac", *parts),) if bar else (("table", *((part,) for part in parts)),)
    if tag == "mroot":
        return (("root", of_mathml(own[1]), of_mathml(own[0])),)
    if tag == "mtable":
        return (("table", *(tuple(of_mathml(cell) for cell in row) for row in own)),)
    if tag in SCRIPTS:
        return scripts_of_mathml(tag, own)
    row = tuple(meaning for child in own for meaning in of_mathml(child))
    named = {"msqrt": ("root", (), row), "mphantom": ("hide", row), "menclose": (node.get("notation"), row)}
    if tag in named:
        return (named[tag],)
    assert tag in {"math", "semantics", "mrow", "mstyle", "mtd", "mpadded"}, tag
    fenced = any(
        child.tag.endswith("mo") and child.get("stretchy") == "true" and not child.get("minsize") for child in own
    )
    return (("lr", row),) if fenced else row


def scripts_of_mathml(tag: str, own: list[Element]) -> tuple:
    base, *scripts = (of_mathml(child) for child in own)
    scripts = [("_",) if script == ("\u0331",) else script for script in scripts]
    return (("attach", base, *zip(SCRIPTS[tag].split(), scripts, strict=True)),)


def of_typst(content: dict) -> tuple:
    kind = content["func"]
    if kind in {"symbol", "text"}:
        return characters(content["text"])
    if kind == "op":
        return (("op", of_typst(content["text"])),)
    if kind == "sequence":
        return tuple(meaning for child in content["children"] for meaning in of_typst(child))
    if kind in {"h", "align-point"}:
        return ()
    if kind == "frac":
        return (("frac", of_typst(content["num"]), of_typst(content["denom"])),)
    if kind == "root":
        return (("root", of_typst(content["index"]) if content.get("index") else (), of_typst(content["radicand"])),)
    if kind == "mat":
        return (("table", *(tuple(of_typst(cell) for cell in row) for row in content["rows"])),)
    if kind == "accent":
        return (("attach", of_typst(content["base"]), ("t", characters(content["accent"]))),)
    if kind == "attach":
        scripts = [
            (place, of_typst(content[place])) for place in ("br", "b", "tr", "t", "tl", "bl") if place in content
        ]
        return (("attach", of_typst(content["base"]), *scripts),)
    inner = of_typst(content["child"] if kind == "styled" else content["body"])
    named = {"hide": ("hide", inner), "box": ("box", inner), "lr": ("lr", inner)}
    named |= {over: ("attach", inner, ("t", (sign,))) for over, sign in OVER.items()}
    named |= {under: ("attach", inner, ("b", (sign,))) for under, sign in UNDER.items()}
    named["cancel"] = ("downdiagonalstrike" if content.get("inverted") else "updiagonalstrike", inner)
    if kind in named and "size" not in content:
        return (named[kind],)
    assert kind in {"styled", "equation", "limits", "mid", "class", "lr"}, kind
    return inner


def meanings(markup: Markup) -> tuple[tuple, tuple]:
    """Of the one formula: what HTML shows, and what Typst reads in the source of the PDF."""
    [math] = re.findall(r"<math.*?</math>", markup.html, re.DOTALL)
    equations = json.loads(typst.query(markup.typst.encode(), "math.equation", **ONLY_OUR_FONTS))
    return of_mathml(ElementTree.fromstring(math)), of_typst(equations[0])


def converted(formulas: list[str]) -> list[Markup]:
    fragments = [Fragment(formula, "answer") for formula in formulas]
    made = convert(frozenset(fragments))
    return [made[fragment] for fragment in fragments]


SIGNS = [*"+-=<>/!,;:|*[]", ":=", r"\le", r"\neq", r"\to", r"\cdot", r"\|", r"\mid", r"\%", r"\&", r"\#", r"\_", r"\{"]
NAMES = [
    *"abcxyzkn",
    "0",
    "12",
    "1.5",
    r"\alpha",
    r"\Gamma",
    r"\partial",
    r"\infty",
    r"\ldots",
    "x'",
    "f''",
    r"\,",
    r"\quad",
]
NAMES += [r"\sin", r"\log", r"\max", r"\lim", r"\sum", r"\int", r"\prod", r"\operatorname{argmax}", r"\mathrm{ReLU}"]
NAMES += [
    r"\mathbf{x}",
    r"\mathcal{L}",
    r"\mathbb{R}",
    r"\text{if }",
    r"\text{frac(a, b)}",
    r'\text{"}',
    r"\text{a # /}",
]
ATOMS = st.sampled_from(SIGNS + NAMES).map(lambda tex: tex + " ")
ONE = [
    "{{{0}}}",
    r"\sqrt{{{0}}}",
    r"\hat{{{0}}}",
    r"\bar{{{0}}}",
    r"\vec{{{0}}}",
    r"\tilde{{{0}}}",
    r"\overline{{{0}}}",
]
ONE += [r"\underline{{{0}}}", r"\left({0}\right)", r"\left\{{{0}\right.", r"\left|{0}\right|", r"\left\|{0}\right\|"]
ONE += [r"\phantom{{{0}}}", r"\boxed{{{0}}}", r"\cancel{{{0}}}", r"\dfrac{{{0}}}2", "({0})", r"\bigl({0}\bigr)"]
ONE += [r"\begin{{pmatrix}}{0}\end{{pmatrix}}", r"\sum_{{{0}}}", r"\sum\limits_{{{0}}}", r"\lim_{{{0}}}", "/{{{0}}}"]
TWO = [
    r"\frac{{{0}}}{{{1}}}",
    "{{{0}}}^{{{1}}}",
    "{{{0}}}_{{{1}}}",
    r"\sqrt[{0}]{{{1}}}",
    r"\binom{{{0}}}{{{1}}}",
    "{0}{1}",
]
TWO += [
    r"\overset{{{0}}}{{{1}}}",
    r"\underset{{{0}}}{{{1}}}",
    r"\overbrace{{{0}}}^{{{1}}}",
    r"\underbrace{{{0}}}_{{{1}}}",
]
TWO += [
    r"\sum_{{{0}}}^{{{1}}}",
    r"\int_{{{0}}}^{{{1}}}",
    "x_{{{0}}}^{{{1}}}",
    r"\left[{0}\middle|{1}\right)",
    "{0}/{1}",
]
TWO += [r"\begin{{cases}}{0} & {1} \\ a & b\end{{cases}}", r"\begin{{bmatrix}}{0} & {1} \\ & 1\end{{bmatrix}}"]
TWO += [r"\begin{{aligned}}{0} &= {1} \\ b &= c\end{{aligned}}", r"\begin{{array}}{{rl}}{0} & {1}\end{{array}}"]
TWO += [r"\begin{{vmatrix}}{0} \\ {1}\end{{vmatrix}}", r"\prod\limits_{{{0}}}^{{{1}}}", r"\xrightarrow[{0}]{{{1}}}"]


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.builds(str.format, st.sampled_from(ONE), inner)
    return one | st.builds(str.format, st.sampled_from(TWO), inner, inner)


FORMULAS = st.recursive(ATOMS, larger, max_leaves=12).map(str.strip).filter(lambda tex: len(tex) > 3)
TEN = st.lists(st.builds(str.format, st.sampled_from(["${0}$", "$${0}$$"]), FORMULAS), min_size=10, max_size=10)


def test_generated_formulas_keep_their_structure() -> None:
    count = {"same": 0, "as typed": 0}

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(formulas=TEN)
    def compare(formulas: list[str]) -> None:
        for formula, markup in zip(formulas, converted(formulas), strict=True):
            if markup.note:
                count["as typed"] += 1
                assert "<math" not in markup.html and markup.typst.startswith("#raw(")
                continue
            count["same"] += 1
            shown, printed = meanings(markup)
            assert printed == shown, formula

    compare()
    assert sum(count.values()) >= 300 and count["same"] >= 10 * count["as typed"], count


def test_a_fraction_in_a_fraction_stays_where_it_is() -> None:
    below, above = converted([r"$\frac{1}{\frac{a}{b}}$", r"$\frac{\frac{1}{a}}{b}$"])
    assert meanings(below)[1] == (("frac", ("1",), (("frac", ("a",), ("b",)),)),)
    assert meanings(above)[1] == (("frac", (("frac", ("1",), ("a",)),), ("b",)),)


@pytest.mark.parametrize(
    ("tex", "meaning"),
    [
        ("a/b/c", ("a", "/", "b", "/", "c")),
        (r"{a_b}_c", (("attach", (("attach", ("a",), ("br", ("b",))),), ("br", ("c",))),)),
        (r"x^{y^z}", (("attach", ("x",), ("tr", (("attach", ("y",), ("tr", ("z",))),))),)),
        (r"\sqrt{2}x", (("root", (), ("2",)), "x")),
        (r"\sqrt[n+1]{2}", (("root", ("n", "+", "1"), ("2",)),)),
        (r"(\text{a, b; c})", tuple("(a, b; c)")),
        (r"f(a,b;c)", tuple("f(a,b;c)")),
        (r"\binom{n}{k}", (("lr", ("(", ("table", (("n",),), (("k",),)), ")")),)),
        (r"\begin{matrix} & a \\ b & \end{matrix}", (("table", ((), ("a",)), (("b",), ())),)),
        (r"\overline{a}b", (("attach", ("a",), ("t", ("¯",))), "b")),
        ("pi alpha", tuple("pialpha")),
        ("->", ("−", ">")),
    ],
)
def test_what_typst_reads(tex: str, meaning: tuple) -> None:
    [markup] = converted([f"${tex}$"])
    shown, printed = meanings(markup)
    assert shown == printed == meaning


@pytest.mark.parametrize("formula", [r"$\cfrac{1}{2}$", r"$$\undefined{x}$$", "$" + "(" * 5000 + "$"])
def test_what_cannot_be_converted_prints_as_typed(formula: str) -> None:
    [markup] = converted([formula])
    assert f"#raw({json.dumps(formula)});" in markup.typst
    assert f"<code>{formula}</code>" in markup.html
    assert formula[:40] in markup.note


def test_text_beside_a_formula_printed_as_typed_is_no_call() -> None:
    [markup] = converted([r"$\cfrac{1}{2}$(a)[b].c"])
    equations = json.loads(typst.query(markup.typst.encode(), "raw", **ONLY_OUR_FONTS))
    assert [content["text"] for content in equations] == [r"$\cfrac{1}{2}$"]


def test_every_sign_is_only_itself() -> None:
    signs = [chr(c) for c in range(0x21, 0x7F) if not chr(c).isalnum() and chr(c) not in "$\\{}^_&%#~'\"`@"]
    for sign, markup in zip(signs, converted([f"$a {sign} b$" for sign in signs]), strict=True):
        shown, printed = meanings(markup)
        assert shown == printed == ("a", *characters(unicodedata.normalize("NFC", sign)), "b"), sign
