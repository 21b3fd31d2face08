"""Untrusted text made safe to look at: no invisible or reordering characters, nothing that the fonts lack."""

import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from fontTools.ttLib import TTFont

from lab_utils.errors import LabError

FONTS = Path(__file__).parent / "fonts"
SCRIPTS = (
    "Latin, Greek, Cyrillic, Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, "
    "Sinhala, Meetei Mayek, Ol Chiki, Arabic; mathematical signs"
)
JOINERS = "\u200c\u200d"  # needed to spell Indian scripts, Persian and Urdu
DROPPED = {ord(c): None for c in "\u00ad\u200b\u2060\ufeff"}  # invisible and without meaning in print
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
LOGIN = re.compile(r"(\b[\w+.-]{1,40}://)[^\s'\"<>/@:]*:[^\s'\"<>]*@")


def masked(text: str) -> str:
    """Text in which no address shows a user's password: ``mysql://***@host/db``."""
    return LOGIN.sub(r"\1***@", text)


def visible(text: str) -> str:
    """Text in NFC in which every control, bidirectional or unassigned character shows as its code point.

    Right-to-left overrides and the like could make a report read otherwise than it is stored; they
    appear as ``‹U+202E›``. Line feeds, tabs and the joiners of Indian scripts stay.
    """
    normal = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).translate(DROPPED)
    return "".join(_shown(character) for character in normal)


def _shown(character: str) -> str:
    if character in "\n\t" + JOINERS or unicodedata.category(character) not in HIDDEN:
        return character
    return f"‹U+{ord(character):04X}›"


@functools.cache
def covered() -> frozenset[int]:
    """Code points that at least one font of this package has."""
    points: set[int] = set()
    for path in sorted(FONTS.glob("*.ttf")):
        with TTFont(path, lazy=True) as font:
            points |= font.getBestCmap().keys()
    return frozenset(points) | {ord(c) for c in "\n\t" + JOINERS}


def lacking(text: str) -> list[str]:
    """Characters of ``visible(text)`` that no font has, each once, in order."""
    return [c for c in dict.fromkeys(visible(text)) if ord(c) not in covered()]


def refuse_uncovered(places: Iterable[tuple[str, str]]) -> None:
    """Stop before a character would print as an empty box.

    Parameters
    ----------
    places : iterable of (where, text)
        ``where`` names the place in the student's words: "the student's name", "answer viva-3".

    Raises
    ------
    LabError
        Naming every place and every character with its code point.
    """
    problems = []
    for where, text in places:
        if characters := lacking(text):
            named = ", ".join(f"{c} (U+{ord(c):04X})" for c in characters[:10])
            more = f" and {len(characters) - 10} more" if len(characters) > 10 else ""
            problems.append(f"{where}: {named}{more}")
    if problems:
        raise LabError(
            "The report's fonts lack characters, which would print as empty boxes:\n  - " + "\n  - ".join(problems),
            SCRIPTS,
            "Write these words in one of the scripts above and make the report again.",
        )
