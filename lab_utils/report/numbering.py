"""Numbers of figures and tables in reading order, and the places in the text that refer to them."""

from collections.abc import Iterator
from dataclasses import replace

from lab_utils.report.evidence import WORKS
from lab_utils.report.model import Answer, Block, Figure, Part, Prose, Reading, Report, Table, Written


def numbered(report: Report) -> Report:
    """The same report with its figures and tables numbered, each referred to from the text beside it."""
    count = {Figure: 0, Table: 0}

    def number(block: Block) -> Block:
        if isinstance(block, Answer):
            return replace(block, blocks=tuple(map(number, block.blocks)))
        if isinstance(block, Figure | Table):
            count[type(block)] += 1
            return replace(block, number=count[type(block)])
        return block

    picture = number(report.picture) if report.picture else None
    parts = [replace(part, blocks=_referred(map(number, part.blocks), picture)) for part in report.parts]
    return replace(report, picture=picture, parts=parts)


def _referred(blocks: Iterator[Block], picture: Figure | None) -> list[Block]:
    """The blocks; a sentence after a figure or a table refers to it, or else the text before it.

    The reading of the first page's ``picture`` refers to that.
    """
    made: list[Block] = []
    waiting: list[str] = []
    before: int | None = None  # place of the last text

    def refer(place: int | None) -> None:
        if place is not None and waiting:
            made[place] = replace(made[place], see=tuple(waiting))
            waiting.clear()

    for block in blocks:
        if isinstance(block, Figure | Table):
            waiting.append(block.anchor)
        elif isinstance(block, Written):
            reads_picture = picture is not None and block.key == f"{picture.key}-facts"
            block = replace(block, see=())
            waiting += [picture.anchor] if reads_picture else []
            if block.kind != "reading":
                refer(before)
            before = len(made)
        made.append(block)
        if block.kind == "reading":
            refer(before)
    refer(before)
    return made


def works_named(parts: list[Part]) -> list[str]:
    """The works that the course's text names."""
    texts = [block.text for part in parts for block in part.blocks if isinstance(block, Prose | Reading | Table)]
    return [work for word, work in WORKS.items() if any(word in text for text in texts)]
