"""Markdown of notebooks and students as Typst and HTML, through one pandoc process."""

import functools
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import nh3
import pypandoc
import typst

from lab_utils.errors import LabError
from lab_utils.text import FONTS, visible

SCRIPT = Path(__file__).with_name("markdown.lua")
LONGEST = 20_000  # characters of one fragment; pandoc's time grows with the square of a word's length
SECONDS = 120
EVALUATE = b"""#for source in json(bytes(sys.inputs.sources)) {
  eval(source, mode: "markup", scope: (horizontalrule: none))
}"""
ONLY_OUR_FONTS = {"font_paths": [FONTS], "ignore_system_fonts": True}

MATHS = {"math", "semantics", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mstyle", "mpadded", "mphantom"}
MATHS |= {"mfrac", "msqrt", "mroot", "msup", "msub", "msubsup", "mover", "munder", "munderover", "menclose"}
MATHS |= {"mtable", "mtr", "mtd", "mmultiscripts", "mprescripts", "none"}
PROSE = {"p", "br", "hr", "h2", "h3", "h4", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li"}
PROSE |= {"a", "span", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {
    "a": {"href"},
    "ol": {"start"},
    "td": {"class"},
    "th": {"class"},
    "math": {"display", "xmlns"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "form", "accent", "fence", "separator", "largeop", "movablelimits", "minsize", "maxsize"},
    "mtext": {"mathvariant"},
    "mspace": {"width"},
    "mstyle": {"displaystyle", "scriptlevel", "mathvariant"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mtd": {"columnalign"},
    "mfrac": {"linethickness"},
    "menclose": {"notation"},
}


@dataclass(frozen=True)
class Fragment:
    """A piece of untrusted Markdown; ``kind`` is "course" (may hold headings) or "answer" (may not)."""

    text: str
    kind: str


@dataclass(frozen=True)
class Markup:
    """The same fragment for the two writers; neither can run code."""

    typst: str
    html: str


@functools.lru_cache(maxsize=4)
def convert(fragments: frozenset[Fragment]) -> dict[Fragment, Markup]:
    """Convert all fragments of a report at once.

    CommonMark with pipe tables, strike-out and TeX maths between dollars. HTML, raw attributes, images
    and links other than http(s) print as text. Maths becomes MathML and Typst maths; what pandoc
    cannot read as TeX prints as it was typed. HTML goes through nh3 as a second line of defence.

    Raises
    ------
    LabError
        A fragment is longer than 20,000 characters, or pandoc fails or takes more than two minutes.
    """
    ordered = sorted(fragments, key=lambda fragment: (fragment.kind, fragment.text))
    for fragment in ordered:
        _refuse_too_long(fragment)
    request = [asdict(fragment) | {"text": visible(fragment.text)} for fragment in ordered]
    replies = [Markup(reply["typst"], _sanitised(reply["html"])) for reply in _pandoc(request)]
    if not _typst_accepts([reply.typst for reply in replies]):
        replies = [_or_as_typed(fragment, reply) for fragment, reply in zip(ordered, replies, strict=True)]
    return dict(zip(ordered, replies, strict=True))


def _typst_accepts(sources: list[str]) -> bool:
    """Whether Typst can evaluate these pieces of markup; pandoc knows maths signs that it does not."""
    try:
        typst.compile(EVALUATE, sys_inputs={"sources": json.dumps(sources)}, **ONLY_OUR_FONTS)
    except typst.TypstError:
        return False
    return True


def _or_as_typed(fragment: Fragment, markup: Markup) -> Markup:
    """The same markup, or, where Typst refuses it, the text as it was typed."""
    if _typst_accepts([markup.typst]):
        return markup
    return Markup(f"#raw(block: true, {json.dumps(visible(fragment.text), ensure_ascii=False)})", markup.html)


def _pandoc(request: list[dict[str, str]]) -> list[dict[str, str]]:
    command = [pypandoc.get_pandoc_path(), "lua", str(SCRIPT)]
    try:
        done = subprocess.run(
            command, input=json.dumps(request).encode(), capture_output=True, check=True, timeout=SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise LabError(
            f"pandoc could not convert the report's texts: {error}",
            f"Markdown that it converts within {SECONDS} s",
            "Simplify the answers (very long words, deep nesting) and make the report again.",
        ) from error
    return json.loads(done.stdout)


def _refuse_too_long(fragment: Fragment) -> None:
    if len(fragment.text) > LONGEST:
        raise LabError(
            f"A text of {len(fragment.text):,} characters begins with {fragment.text[:60]!r}.",
            f"at most {LONGEST:,} characters in one answer or cell",
            "Shorten it and make the report again.",
        )


def _sanitised(html: str) -> str:
    return nh3.clean(
        html,
        tags=PROSE | MATHS,
        clean_content_tags={"script", "style", "annotation"},
        attributes=ATTRIBUTES,
        allowed_classes=None,
        url_schemes={"http", "https"},
        strip_comments=True,
    )
