"""Answers of a class that are alike: shown as pairs, with the likeness, and never as a verdict."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

ALIKE = 85.0
"""Percent from which a pair is shown; answers that two people write to one of the questions have about 40 to 65."""
SHORTEST = 60  # letters: below it, right answers are alike because they are right
LONGEST = 5_000
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class Pair:
    """Two students' answers to one question, and how alike they are in percent."""

    answer: str
    first: str
    second: str
    percent: float


def pairs(answers: Mapping[str, Mapping[str, str]], handed_out: Iterable[str] = ()) -> list[Pair]:
    """Pairs of answers that are alike, whatever the order of their words.

    Parameters
    ----------
    answers : mapping
        Text by answer's id, by student.
    handed_out : iterable of str
        Questions, prompts and model answers: their sentences count for nothing.

    Returns
    -------
    list of Pair
        The most alike first.

    References
    ----------
    RapidFuzz, ``fuzz.token_sort_ratio``: edit distance of the sorted words. (``token_set_ratio`` calls a short answer
    the same as each long one that holds its words.)
    """
    common = {_plain(sentence) for text in handed_out for sentence in SENTENCE.split(text)}
    found = []
    for id in dict.fromkeys(id for own in answers.values() for id in own):
        texts = {student: _own(own.get(id, ""), common) for student, own in answers.items()}
        texts = {student: text for student, text in texts.items() if len(text.replace(" ", "")) >= SHORTEST}
        students = list(texts)
        likeness = process.cdist(
            list(texts.values()), list(texts.values()), scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE
        )
        for i, j in zip(*np.nonzero(np.triu(likeness, k=1)), strict=True):
            found.append(Pair(id, students[i], students[j], round(float(likeness[i, j]), 1)))
    return sorted(found, key=lambda pair: (-pair.percent, pair.answer, pair.first, pair.second))


def _own(text: str, common: set[str]) -> str:
    """The sentences of an answer that were not handed out."""
    sentences = (_plain(sentence) for sentence in SENTENCE.split(text[:LONGEST]))
    return " ".join(sentence for sentence in sentences if sentence and sentence not in common)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in folded).split())
