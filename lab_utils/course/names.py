"""Untrusted names: what they have in common, and what is safe as a student's folder or a spreadsheet's cell."""

import functools
import hashlib
import re
import unicodedata

from fontTools.ttLib import TTFont

from lab_utils.text import FONTS, visible

LONGEST = 48
PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST - 1}}}")
RESERVED = re.compile(r"(con|prn|aux|nul|conin|conout|clock|com[0-9]|lpt[0-9])", re.IGNORECASE)
"""Device names: on Windows a file of such a name cannot be made."""
MOST_MARKS = 4
"""Vietnamese, Yoruba and vowelled Arabic need two on a letter, Vedic and cantillated texts up to four."""


def folder_name(student_id: str) -> str:
    """Return the name of a student's folder: the ID itself where it is plain, else its plain part and a hash.

    The result always matches ``PLAIN`` and is never a device name, so it can neither leave the output folder nor
    fail on any file system. A dot never survives, so it is never the name of a file beside the folders either.

    Parameters
    ----------
    student_id : str
        Any text at all.
    """
    if PLAIN.fullmatch(student_id) and not RESERVED.fullmatch(student_id):
        return student_id
    ascii_text = unicodedata.normalize("NFKD", student_id).encode("ascii", "ignore").decode()
    plain_part = re.sub(r"[^A-Za-z0-9]+", "-", ascii_text).strip("-")[:32].strip("-")
    digest = hashlib.sha256(student_id.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{plain_part or 'id'}-{digest}"


def identity_key(text: str) -> str:
    """Return what two IDs have in common when a person, or a file system, would take them for the same.

    Case and Unicode compatibility forms are folded; spaces and invisible characters (zero-width, direction marks)
    are dropped. Empty for text that shows nothing.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in folded if unicodedata.category(c) not in ("Cc", "Cf", "Zs", "Zl", "Zp"))


def lookalike_keys(text: str) -> set[str]:
    """Return keys of which two IDs share one when they are easily taken for each other, though they differ.

    Letters of other scripts that look like Latin ones are those (Cyrillic and Latin a, 0 and O, 1 and l), digits of
    every script are the usual ones, and leading zeros count for nothing ("0007" and "7").

    References
    ----------
    Unicode Technical Standard 39, "Unicode Security Mechanisms", section 4 (skeletons of confusable strings); its
    table comes from the library ``confusable-homoglyphs``.
    """
    normal = unicodedata.normalize("NFKC", text)
    digits = "".join(str(unicodedata.decimal(c, c)) for c in normal)
    short = re.sub(r"(?<![0-9])0+(?=[0-9])", "", digits)
    return {identity_key("".join(_prototype(c) for c in spelling)) for spelling in (digits, short)}


@functools.cache
def _prototype(character: str) -> str:
    """Return the character that stands for all that look like this one.

    The library's table links each character to its prototype and each prototype to all that it stands for.
    """
    from confusable_homoglyphs.confusables import confusables_data  # a table of 0.9 MB, read when it is needed

    linked = [other["c"].strip("\u200e") for other in confusables_data.get(character, [])]
    if len(linked) != 1:
        return character
    back = confusables_data.get(linked[0], [])
    return linked[0] if len(back) != 1 else min(character, linked[0])


def unprintable_marks(text: str) -> list[str]:
    """Return the letters whose marks the report cannot set: no single font has the letter and all its marks.

    A letter and its accents or vowel signs are shaped by one font; a mark from another would stand beside it. More
    than ``MOST_MARKS`` marks reach over the lines above and below.
    """
    found: list[str] = []
    for character in visible(text):
        if found and unicodedata.category(character).startswith("M"):
            found[-1] += character
        else:
            found.append(character)
    marked = dict.fromkeys(cluster for cluster in found if len(cluster) > 1)
    return [
        cluster
        for cluster in marked
        if len(cluster) > MOST_MARKS + 1 or not any(points.issuperset(map(ord, cluster)) for points in _fonts())
    ]


@functools.cache
def _fonts() -> tuple[frozenset[int], ...]:
    """Return the code points of each of the report's fonts."""
    found = []
    for path in sorted(FONTS.glob("*.ttf")):
        with TTFont(path, lazy=True) as font:
            found.append(frozenset(font.getBestCmap()))
    return tuple(found)


FORMULA = "=+\\-@＝＋－＠﹦﹢﹣﹫−"
IGNORED = '\\s\\x00-\\x1f\\x7f-\\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff"'
"""Spaces, controls, invisible characters and the quote that begins a cell: a spreadsheet looks behind them."""
COMPUTED = re.compile(f"(^|[,;|\t\r\n])(?=[{IGNORED}]*[{FORMULA}])|^(?= *[\t\r\n])")


def spreadsheet_text(text: str) -> str:
    """Return text that a spreadsheet shows as it stands instead of computing it.

    An apostrophe is put before what could begin a formula (``= + - @``, also full-width, small or as a minus sign;
    at the start also a tab or a line break), even behind spaces or invisible characters: at the start of the text,
    and after a separator or line break in it, where a spreadsheet set to another country begins a new cell.

    References
    ----------
    OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection
    """
    return COMPUTED.sub(r"\1'", text)
