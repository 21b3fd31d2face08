"""What each cell of a notebook is, even where an editor dropped its tags or its id."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LAB_TAGS = frozenset(
    {"question", "model-answer", "answer", "prediction", "report-skip", "parameters", "injected-parameters"}
)


@dataclass(frozen=True)
class Role:
    """What a cell is.

    Attributes
    ----------
    tags : frozenset of str
        Its own tags, or those of the lab's cell that it is.
    answer : str
        Id of the question that it answers, such as "viva-3"; empty for any other cell.
    key : str
        Id of the lab's cell that it is, or its own.
    own : bool
        The student wrote it: the lab has no such cell, or has it with other code.
    twin : cell or None
        The lab's cell that it is.
    """

    tags: frozenset[str]
    answer: str
    key: str
    own: bool
    twin: Any = None


def recognise(cells: list[Any], lab: list[Any]) -> list[Role]:
    """Say of every cell of a notebook which of the lab's it is.

    By its id; else by its text, where that is unique; a text that is neither, and that stands where the lab has
    an answer which nothing else answers, is that answer. Its own tags count first.

    Parameters
    ----------
    cells : list of cells of the notebook.
    lab : list of cells of the lab's own notebook (``running.original``); may be empty.
    """
    twins = _twins(cells, lab)
    answers = [str(cell.metadata.get("answer", "")) if "answer" in _tags(cell) else "" for cell in cells]
    places = {id(cell): place for place, cell in enumerate(lab)}
    known = [places[id(twin)] if twin else None for twin in twins]
    for i, place in enumerate(known):
        if place is not None and not answers[i] and _is_answer(lab[place]) and not _tags(cells[i]) & LAB_TAGS:
            answers[i] = lab[place].metadata["answer"]
    for i, cell in enumerate(cells):
        if known[i] is None and cell.cell_type != "code" and not _tags(cell) & LAB_TAGS:
            last, first = _first(known[i::-1]), _first(known[i:])
            between = [] if last is None or first is None else lab[last + 1 : first]
            free = [c for c in between if _is_answer(c) and c.metadata["answer"] not in answers]
            if free:
                answers[i], twins[i] = free[0].metadata["answer"], free[0]
    injected = _injected(cells, twins)
    return [_role(*each, is_injected=i == injected) for i, each in enumerate(zip(cells, twins, answers, strict=True))]


def _role(cell: Any, twin: Any, answer: str, *, is_injected: bool) -> Role:
    tags = _tags(cell) if _tags(cell) & LAB_TAGS or twin is None else _tags(twin)
    tags = tags | {"injected-parameters"} if is_injected else tags
    known = bool(tags & LAB_TAGS) if twin is None else cell.cell_type != "code" or _same(cell, twin)
    return Role(tags, answer, twin.id if twin else cell.get("id", ""), not known, twin)


def _twins(cells: list[Any], lab: list[Any]) -> list[Any]:
    by_id = {cell.id: cell for cell in lab}
    twins = [by_id.pop(cell.get("id"), None) for cell in cells]
    sources = [_text(cell) for cell in lab]
    by_text = {
        _text(cell): cell for cell in lab if cell.id in by_id and sources.count(_text(cell)) == 1 and _text(cell)
    }
    return [twin or by_text.pop(_text(cell), None) for cell, twin in zip(cells, twins, strict=True)]


def _injected(cells: list[Any], twins: list[Any]) -> int | None:
    """Place of the cell that papermill puts after the parameters, if it lost its tag."""
    for i, (before, after) in enumerate(itertools.pairwise(zip(cells, twins, strict=True)), start=1):
        parameters = "parameters" in _tags(before[0]) | (_tags(before[1]) if before[1] else set())
        if parameters and after[1] is None and after[0].source.startswith("# Parameters"):
            return i
    return None


def changes(cells: list[Any], roles: list[Role], lab: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Code cells that are not the lab's, as (key, the lab's code, the code there); parameters do not count."""
    left = {cell.id: cell for cell in lab if cell.cell_type == "code" and "parameters" not in _tags(cell)}
    for cell, role in zip(cells, roles, strict=True):
        if role.twin is not None:
            left.pop(role.twin.id, None)
        if cell.cell_type != "code" or role.tags & {"parameters", "injected-parameters"} or not cell.source.strip():
            continue
        if role.twin is None or not _same(cell, role.twin):
            yield role.key, role.twin.source if role.twin else "", cell.source
    yield from ((key, cell.source, "") for key, cell in left.items())


def digest(cells: list[Any]) -> str:
    """SHA-256 (hex) of the code cells of a notebook; parameters do not count."""
    code = [
        [line.rstrip() for line in cell.source.strip().splitlines()]
        for cell in cells
        if cell.cell_type == "code" and cell.source.strip() and not _tags(cell) & {"parameters", "injected-parameters"}
    ]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def _tags(cell: Any) -> frozenset[str]:
    tags = cell.metadata.get("tags", [])
    return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()


def _is_answer(cell: Any) -> bool:
    return "answer" in _tags(cell)


def _text(cell: Any) -> str:
    return " ".join(cell.source.split())


def _same(cell: Any, twin: Any) -> bool:
    return [line.rstrip() for line in cell.source.strip().splitlines()] == [
        line.rstrip() for line in twin.source.strip().splitlines()
    ]


def _first(places: list[int | None]) -> int | None:
    return next((place for place in places if place is not None), None)
