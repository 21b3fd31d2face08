"""What libraries import and nothing here needs."""

import sys


def skip_format_checkers() -> None:
    """Keep jsonschema, which nbformat imports, from importing what checks formats that no notebook has.

    A grammar of URIs, which is compiled for 1.5 s, and a calendar. To be called before anything imports nbformat.
    """
    for checker in ("rfc3987_syntax", "isoduration"):
        sys.modules.setdefault(checker, None)
