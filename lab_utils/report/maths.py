"""Pandoc's MathML as Typst maths, in which function calls, and no signs with a precedence, hold the structure."""

import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lab_utils.text import lacking

DEEPEST = 40  # elements; Typst refuses maths nested deeper than about 250 levels, and browsers stop at 512
INVISIBLE = dict.fromkeys(range(0x2061, 0x2065))  # function application, times, separator, plus
EMPTY = '""'
SIGNS = str.maketrans("-*", "−∗")
FENCES = str.maketrans("∣∥", "|‖")  # "divides" and "parallel to" as delimiters: Typst stretches only these
OVER = {"¯": "overline", "⏞": "overbrace", "⎴": "overbracket", "⏜": "overparen"}
UNDER = {"_": "underline", "\u0331": "underline", "⏟": "underbrace", "⎵": "underbracket", "⏝": "underparen"}
ACCENTS = {"‾": "\u0304", "→": "\u20d7", "←": "\u20d6"}
STRIKES = {
    "box": "#box(stroke: 0.5pt, inset: 3pt, ${}$)",
    "updiagonalstrike": "cancel({})",
    "downdiagonalstrike": "cancel(inverted: #true, {})",
    "updiagonalstrike downdiagonalstrike": "cancel(cross: #true, {})",
}
POSITIONS = {
    "msub": "br",
    "msup": "tr",
    "msubsup": "br tr",
    "munder": "b",
    "mover": "t",
    "munderover": "b t",
}


class Unconvertible(ValueError):
    """MathML for which no Typst of the same structure is known."""


def typst(mathml: str, tex: str) -> str:
    """The equation as Typst markup.

    Parameters
    ----------
    mathml : str
        A ``math`` element as pandoc writes it.
    tex : str
        What was typed. A character that is neither in it nor in this package's fonts cannot be printed.

    Raises
    ------
    Unconvertible
        An element or attribute that is not known here, nesting deeper than 40 elements, or such a character.
    """
    math = ElementTree.fromstring(mathml)
    _without_annotations(math)
    made = "".join(sorted(set("".join(math.itertext()).translate(INVISIBLE)) - set(tex)))
    if lacking(made):
        raise Unconvertible(f"no font has {' '.join(lacking(made))}")
    body = _converted(math, 0) or EMPTY
    return f"$ {body} $" if math.get("display") == "block" else f"${body}$"


def _without_annotations(math: Element) -> None:
    for semantics in math:
        for annotation in semantics[1:]:
            semantics.remove(annotation)


def _converted(node: Element, depth: int) -> str:
    if depth > DEEPEST:
        raise Unconvertible(f"nested deeper than {DEEPEST} elements")
    tag = _tag(node)
    if tag in LEAVES:
        return LEAVES[tag](node)
    if tag == "mtable":
        return _table(node, depth)
    parts = [_converted(child, depth + 1) for child in node]
    if tag in POSITIONS:
        return _attached(node, parts)
    if tag not in BRANCHES:
        raise Unconvertible(f"the element {tag}")
    return BRANCHES[tag](node, parts)


def _tag(node: Element) -> str:
    return node.tag.rpartition("}")[2]


def _text(node: Element) -> str:
    return "".join(node.itertext()).translate(INVISIBLE).strip()


# ---- leaves ----------------------------------------------------------------------------------------------


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if text else ""


def _escaped(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def _symbols(text: str) -> str:
    """Characters that mean nothing but themselves: no name, number, operator or shorthand of Typst's."""
    return _joined([c if c.isalpha() else _escaped(c) for c in text])


def _quoted(node: Element) -> str:
    return _string(_text(node))


def _identifier(node: Element) -> str:
    text = _text(node)
    if len(text) > 1 and text.isascii():
        return f"op({_string(text)})"
    if node.get("mathvariant") == "normal" or len(text) > 1:
        return _string(text)
    return _sized(node, _symbols(text))


def _operator(node: Element) -> str:
    text = _text(node).translate(SIGNS)
    if len(text) > 1:
        return f'class("relation", {_string(text)})'
    if node.get("form"):
        text = text.translate(FENCES)
    return _sized(node, _string(text) if text.isalpha() else _symbols(text))


def _sized(node: Element, symbol: str) -> str:
    size = node.get("minsize")
    return f"lr(size: #{_measure(size, '%')}, {symbol})" if size else symbol


def _space(node: Element) -> str:
    return f"#h({_measure(node.get('width', ''), 'em')})"


def _measure(length: str, unit: str) -> str:
    if not re.fullmatch(rf"-?\d+(\.\d+)?{unit}", length):
        raise Unconvertible(f"the length {length!r}")
    return length


LEAVES: dict[str, Callable[[Element], str]] = {
    "mi": _identifier,
    "mo": _operator,
    "mn": _quoted,
    "mtext": _quoted,
    "ms": _quoted,
    "mspace": _space,
}


# ---- branches --------------------------------------------------------------------------------------------


def _joined(parts: Sequence[str]) -> str:
    """Parts side by side, without spaces, some of which Typst prints; two letters that meet must not become a name."""
    apart = list(filter(None, parts))
    for i, (left, right) in enumerate(itertools.pairwise(apart)):
        if re.match(r"\w\w", left[-1] + right[0]):
            apart[i] = left[:-1] + _escaped(left[-1])
    return "".join(apart)


def _call(function: str, *arguments: str) -> str:
    return f"{function}({', '.join(argument or EMPTY for argument in arguments)})"


def _row(node: Element, parts: list[str]) -> str:
    fences = [_tag(child) == "mo" and child.get("stretchy") == "true" and not child.get("minsize") for child in node]
    if not any(fences):
        return _joined(parts)
    inner = [_call("mid", part) if fences[i] and 0 < i < len(parts) - 1 else part for i, part in enumerate(parts)]
    return _call("lr", _joined(inner))


def _fraction(node: Element, parts: list[str]) -> str:
    if node.get("linethickness", "").startswith("0"):
        return f"mat(delim: #none, {parts[0] or EMPTY} ; {parts[1] or EMPTY})"
    return _call("frac", *parts)


def _attached(node: Element, parts: list[str]) -> str:
    base, *scripts = parts
    positions = POSITIONS[_tag(node)].split()
    if len(positions) != len(scripts):
        raise Unconvertible(f"{_tag(node)} with {len(scripts)} scripts")
    if positions in (["t"], ["b"]) and (over := _over(node, base)):
        return over
    if positions[0] in "tb":
        base = _call("limits", base)
    return _call("attach", base, *(f"{p}: {s or EMPTY}" for p, s in zip(positions, scripts, strict=True)))


def _over(node: Element, base: str) -> str:
    """What a line, brace or accent over or under ``base`` is in Typst; empty if it is a text there."""
    mark = node[1]
    if _tag(mark) != "mo":
        return ""
    sign = _text(mark)
    known = OVER if _tag(node) == "mover" else UNDER
    if sign in known:
        return _call(known[sign], base)
    accent = ACCENTS.get(sign, sign)
    if known is OVER and mark.get("accent") == "true" and len(accent) == 1 and unicodedata.combining(accent):
        return f'accent({base or EMPTY}, "{_escaped(accent)}")'
    return ""


def _table(node: Element, depth: int) -> str:
    """A matrix without delimiters. Where columns differ in their alignment, ``&`` marks the edge to align at.

    The space before ";" keeps it from being the end of "#h(…)".
    """
    rows = [[_converted(cell, depth + 2) for cell in row] for row in node]
    if not rows or not all(rows):
        raise Unconvertible("a table with nothing in a row")
    sides = [cell.get("columnalign", "center") for cell in node[0]]
    if len(set(sides)) == 1:
        options = f"align: #{sides[0]}, "
    elif any("padding" in cell.get("style", "") for cell in node[0]):  # equations in pairs of columns
        options = "column-gap: #0.28em, "
        rows = [
            [_equation(i, cell, side) for i, (cell, side) in enumerate(zip(row, sides, strict=False))] for row in rows
        ]
    else:
        options = ""
        rows = [[_aligned(cell, side) for cell, side in zip(row, sides, strict=False)] for row in rows]
    cells = " ; ".join(", ".join(cell or EMPTY for cell in row) for row in rows)
    return f"mat(delim: #none, {options}{cells})"


def _aligned(cell: str, side: str) -> str:
    return {"left": f"&{cell}", "right": f"{cell}&"}.get(side, cell)


def _equation(column: int, cell: str, side: str) -> str:
    distance = "#h(2em)" if column and side == "right" else ""
    return distance + _call("display", _aligned(cell, side))


def _styled(node: Element, parts: list[str]) -> str:
    style = {"true": "display", "false": "inline"}.get(node.get("displaystyle", ""))
    return _call(style, _row(node, parts)) if style else _row(node, parts)


def _enclosed(node: Element, parts: list[str]) -> str:
    notation = node.get("notation", "")
    if notation not in STRIKES:
        raise Unconvertible(f"the enclosure {notation!r}")
    return STRIKES[notation].format(_row(node, parts) or EMPTY)


BRANCHES: dict[str, Callable[[Element, list[str]], str]] = {
    "math": _row,
    "semantics": _row,
    "mrow": _row,
    "mpadded": _row,
    "mtd": _row,
    "mstyle": _styled,
    "mfrac": _fraction,
    "msqrt": lambda node, parts: _call("sqrt", _row(node, parts)),
    "mroot": lambda node, parts: _call("root", parts[1], parts[0]),
    "mphantom": lambda node, parts: f"#hide(${_row(node, parts) or EMPTY}$)",
    "menclose": _enclosed,
}
