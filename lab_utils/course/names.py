"""Safe names for what untrusted text names: a student's folder, a spreadsheet's cell."""

import hashlib
import re
import unicodedata

LONGEST = 48
PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST - 1}}}")
RESERVED = re.compile(r"(con|prn|aux|nul|conin|conout|clock|com[0-9]|lpt[0-9])", re.IGNORECASE)
"""Device names: on Windows a file of such a name cannot be made."""


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


def spreadsheet_text(text: str) -> str:
    """Return text that a spreadsheet shows as it stands instead of computing it.

    A leading ``= + - @``, tab or line break gets an apostrophe before it (OWASP, CSV injection).
    """
    return f"'{text}" if text.lstrip(" ")[:1] in tuple("=+-@\t\r\n") else text
