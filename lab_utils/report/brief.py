"""The short report: every question and answer with what bears on it, and everything else that is the student's."""

import re
from dataclasses import replace

from lab_utils.report.evidence import EVIDENCE
from lab_utils.report.findings import compared
from lab_utils.report.model import Answer, Block, Figure, Note, Part, Printed, Prose, Question, Reading, Report, Table
from lab_utils.report.numbering import numbered, works_named

LEFT_OUT = ("Digits", "Licence", "Checksum (SHA-256)", "Settings", "lab_utils")
"""Rows on how the report was made that only the HTML and the full report have."""
HEADING = re.compile(r"^##? +.+$", re.MULTILINE)


def brief(report: Report) -> Report:
    """The same report without the evidence that no question is about; figures and tables are numbered anew."""
    hypotheses = [replace(row, wanted=compared(row)) for row in report.hypotheses]
    origins = [(label, values) for label, values in report.origins if label not in LEFT_OUT]
    parts = [_short(part) for part in report.parts]
    short = replace(report, length="brief", parts=parts, hypotheses=hypotheses, origins=origins)
    return numbered(replace(short, works=works_named(parts)))


def _short(part: Part) -> Part:
    made: list[Block] = []
    own: list[Block] = []
    stretch: list[Block] = []  # what stands between two answers
    for block in part.blocks:
        if isinstance(block, Answer):
            made += [*_asked(stretch), block, *_evidence(block, stretch, part)]
            own += [each for each in stretch if _is_own(each)]
            stretch = []
        else:
            stretch.append(block)
    made += [each for each in stretch if isinstance(each, Question)]
    own += [each for each in stretch if _is_own(each)]
    heading = [Prose("## Outside the answers", "the student's own cells")] if own else []
    return replace(part, subtitle="", blocks=[*made, *heading, *own])


def _is_own(block: Block) -> bool:
    return isinstance(block, Note | Printed) or (isinstance(block, Figure) and block.own)


def _asked(stretch: list[Block]) -> list[Block]:
    """The last heading before a question, and the question."""
    questions = [block for block in stretch if isinstance(block, Question)]
    texts = [block for block in stretch if isinstance(block, Prose)]
    headings = [(text, found[-1]) for text in texts if (found := HEADING.findall(text.text))]
    kept = [replace(text, text=heading) for text, heading in headings[-1:]]
    has_own = any(HEADING.match(question.text) for question in questions)
    return questions if has_own else [*kept, *questions]


def _evidence(answer: Answer, stretch: list[Block], part: Part) -> list[Block]:
    shown = [block for block in stretch if isinstance(block, Figure | Table) and not _is_own(block)]
    said = [block for block in stretch if isinstance(block, Reading)]
    if answer.id not in EVIDENCE:
        return [*shown[-1:], *said[-1:]]
    keys = EVIDENCE[answer.id]
    blocks = [b for b in part.blocks if isinstance(b, Figure | Table | Reading) and b.key in keys and not _is_own(b)]
    return sorted(blocks, key=lambda block: keys.index(block.key))
