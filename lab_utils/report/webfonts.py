"""Fonts inside the HTML report: of every script that it uses beyond Latin, just the letters it uses."""

import base64
import functools
import io
import unicodedata

from fontTools import subset
from fontTools.ttLib import TTFont

from lab_utils.text import FONTS, JOINERS, visible

LATIN = "NotoSans-Regular.ttf"  # its characters are on every computer that shows HTML
MATHS = "NotoSansMath-Regular.ttf"  # with the table of measures that MathML needs
MATHS_LETTERS = {*range(0x20, 0x7F), *range(0x391, 0x3F6), *range(0x2190, 0x2300), *range(0x1D434, 0x1D468)}
MATHS_LETTERS |= {0x210E, 0x2016, 0x211D, 0x1D53C, *range(0x302, 0x305), *range(0x1D6E2, 0x1D71C)}
DOTTED_CIRCLE = 0x25CC  # stands for the missing letter under a vowel sign alone
FACE = '@font-face {{ font-family: {}; src: url("data:font/woff;base64,{}"); unicode-range: {}; }}\n'


def faces(text: str, maths: bool) -> str:
    """CSS rules that embed the letters of ``text`` as font "report" and those of maths as "report-math"."""
    shown = visible(text)  # shapers take two-part vowels to pieces, as NFD does
    wanted = {ord(character) for character in shown + unicodedata.normalize("NFD", shown)} - _characters(LATIN)
    rules = []
    for path in sorted(FONTS.glob("*.ttf")):
        if letters := wanted & _characters(path.name):
            wanted -= letters
            rules.append(_face("report", path.name, letters))
    if maths:
        rules.append(_face("report-math", MATHS, MATHS_LETTERS | wanted))
    return "".join(rules)


@functools.cache
def _characters(name: str) -> frozenset[int]:
    with TTFont(FONTS / name, lazy=True) as font:
        return frozenset(font.getBestCmap())


def _face(family: str, name: str, letters: set[int]) -> str:
    """A rule with these letters of a font, and all shapes that they combine to, as WOFF."""
    shaper = subset.Subsetter(subset.Options(layout_features=["*"], notdef_outline=True))
    letters = letters | {ord(c) for c in JOINERS}
    shaper.populate(unicodes=letters | {0x20, DOTTED_CIRCLE})
    with TTFont(FONTS / name) as font:
        shaper.subset(font)
        font.flavor = "woff"
        out = io.BytesIO()
        font.save(out)
    shown = ", ".join(f"U+{point:X}" for point in sorted(letters))
    return FACE.format(family, base64.b64encode(out.getvalue()).decode(), shown)
