"""Markdown of notebooks and students as Typst and HTML, through one pandoc process."""

import functools
import json
import re
import sys
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nh3
import pypandoc

from lab_utils.report import maths
from lab_utils.report.bounded import Failure, replies
from lab_utils.text import FONTS, visible

SCRIPT = Path(__file__).with_name("markdown.lua")
TYPST = (sys.executable, "-P", str(Path(__file__).with_name("typeset.py")))
LONGEST = 20_000  # characters of one fragment; pandoc's time grows with the square of a word's length
DEEP = re.compile(r"^[ \t]*(?:>[ \t]*|(?:[-+*]|\d{1,9}[.)])[ \t]+){41}", re.MULTILINE)  # a line's quotes and lists
SECONDS = 8  # for one fragment; a whole report takes less than one
MEMORY = 800 << 20  # bytes of one child
PLACE = re.compile("\ue000(\\d+)\ue001")
HEADING = "\ue002"  # stands at the beginning of a heading's text in Typst's markup
SET = """#for source in json(bytes(sys.inputs.sources)) {
  eval(source, mode: "markup", scope: (horizontalrule: none))
}"""
ONLY_OUR_FONTS = {"font_paths": [str(FONTS)], "ignore_system_fonts": True}

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
    """The same fragment for the two writers; neither can run code.

    ``note`` says what is printed as it was typed, all of it or some formulas, and why; else it is empty.
    """

    typst: str
    html: str
    note: str = ""


@functools.lru_cache(maxsize=4)
def convert(fragments: frozenset[Fragment]) -> dict[Fragment, Markup]:
    """Convert all fragments of a report at once; each has its markup, whatever the others hold.

    CommonMark with pipe tables, strike-out and TeX maths between dollars. HTML, raw attributes, images
    and links other than http(s) print as text. Maths becomes MathML and Typst maths of the same structure.
    HTML goes through nh3 as a second line of defence. Pandoc and Typst run as children with bounded time and
    memory. What they cannot read, or not within these bounds, prints as it was typed, and has a ``note``.
    """
    ordered = sorted(fragments, key=lambda fragment: (fragment.kind, fragment.text))
    made = {fragment: as_typed(fragment, why) for fragment in ordered if (why := _excess(fragment.text))}
    bounded = [fragment for fragment in ordered if fragment not in made]
    made |= {f: _markup(f, reply) for f, reply in zip(bounded, _pandoc(bounded), strict=True)}
    if all(_refusals([[markup.typst for markup in made.values()]])):
        refusals = _refusals([[markup.typst] for markup in made.values()])
        made |= {f: as_typed(f, why) for f, why in zip(made, refusals, strict=True) if why}
    return made


def _excess(text: str) -> str:
    """What of a text goes beyond what pandoc is given; empty if nothing does."""
    if len(text) > LONGEST:
        return f"it has {len(text):,} characters, of which the first {LONGEST:,} are shown"
    return "it is nested too deep" if DEEP.search(text) else ""


def as_typed(fragment: Fragment, why: str) -> Markup:
    """A fragment without any markup, after a line that says why; of a very long one the beginning."""
    text = visible(fragment.text[:LONGEST])
    note = f"printed as it was typed: {why}"
    return Markup(
        f"#emph({_string(note)})\n\n#raw(block: true, {_string(text)})",
        f"<p><em>{escape(note)}</em></p>\n<pre><code>{escape(text)}</code></pre>",
        note,
    )


def _pandoc(fragments: list[Fragment]) -> list[dict[str, Any] | Failure]:
    command = [pypandoc.get_pandoc_path(), "+RTS", f"-M{MEMORY >> 20}m", "-RTS", "lua", str(SCRIPT)]
    request = [asdict(fragment) | {"text": visible(fragment.text)} for fragment in fragments]
    return replies(command, request, seconds=SECONDS, memory=MEMORY)


def _markup(fragment: Fragment, reply: dict[str, Any] | Failure) -> Markup:
    """Both markups, with the formulas in their places."""
    if isinstance(reply, Failure):
        return as_typed(fragment, f"converting it {reply.why}")
    if "typst" not in reply:
        return as_typed(fragment, "it is nested too deep")
    formulas = [_formula(**formula) for formula in reply["formulas"]]
    notes = dict.fromkeys(formula.note for formula in formulas if formula.note)
    note = f"formulas printed as they were typed: {', '.join(notes)}" if notes else ""
    typst = PLACE.sub(lambda place: formulas[int(place[1]) - 1].typst, reply["typst"])
    html = PLACE.sub(lambda place: formulas[int(place[1]) - 1].html, reply["html"]).replace(HEADING, "")
    return Markup(typst, _sanitised(html), note)


def _formula(tex: str, mathml: str = "") -> Markup:
    """A formula in both languages; as it was typed in both, where there is none in one."""
    try:
        if mathml:
            alt = _string(visible(tex).strip("$ \n\t") or "an empty formula")
            return Markup(f"#[#set math.equation(alt: {alt});{maths.typst(mathml, tex)}]", mathml)
    except (maths.Unconvertible, ElementTree.ParseError):
        pass
    return Markup(f"#raw({_string(tex)});", f"<code>{escape(tex)}</code>", tex if len(tex) <= 60 else f"{tex[:60]}…")


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _refusals(groups: list[list[str]]) -> list[str]:
    """Why Typst does not set the pieces of markup of each group; empty where it does."""
    requests = [{"source": SET, "sys_inputs": {"sources": json.dumps(group)}} | ONLY_OUR_FONTS for group in groups]
    found = replies(TYPST, requests, seconds=SECONDS, memory=MEMORY)
    return [f"setting it {why.why}" if isinstance(why, Failure) else why and f"Typst says {why!r}" for why in found]


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
