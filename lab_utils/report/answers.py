"""When an answer counts as none."""

import difflib
import html
import re
import unicodedata
from collections.abc import Iterable

from lab_utils.manual import ANSWER_PROMPT
from lab_utils.report.model import Answer, Figure, Printed

ALIKE = 0.97
LONGEST = 6_000  # characters that are compared with the model answers


def missing(answer: Answer, copied: Iterable[str]) -> str:
    """Why an answer is none, in words; empty if it is one.

    Parameters
    ----------
    answer : Answer
    copied : iterable of str
        Texts that are not the student's: questions and model answers.
    """
    if any(isinstance(block, Figure) or (isinstance(block, Printed) and block.text.strip()) for block in answer.blocks):
        return ""
    typed = answer.text.replace(ANSWER_PROMPT, " ")
    words = _words(re.sub(r"\(\*picture not printed:\* `[^`]*`\)", " ", typed))
    if not words or words == _words(ANSWER_PROMPT):
        return "nothing that can be printed" if "picture not printed" in typed else "nothing is written"
    if any(_alike(words, _words(text)) for text in copied if text.strip()):
        return "a copy of the notebook's own text"
    return ""


def _words(text: str) -> str:
    """Letters, digits and signs alone, without case: what a copy cannot help having."""
    folded = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LNSM" and c not in "`^~|<>=+$")


def _alike(words: str, text: str) -> bool:
    if words == text or max(len(words), len(text)) > LONGEST or min(len(words), len(text)) < 40:
        return words == text
    matcher = difflib.SequenceMatcher(None, words, text, autojunk=False)
    return matcher.real_quick_ratio() > ALIKE and matcher.quick_ratio() > ALIKE and matcher.ratio() > ALIKE
