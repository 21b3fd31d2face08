"""Three executed notebooks in, the report's model out."""

import ast
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab_utils.manual import PREDICTION_PROMPT, QUESTIONS, TITLE, model_answers
from lab_utils.report import cells, outputs, pictures
from lab_utils.report.answers import missing
from lab_utils.report.evidence import CAPTIONS, PICTURE
from lab_utils.report.findings import key_numbers, of_fact, of_hypothesis
from lab_utils.report.model import (
    IDENTITY,
    PARTS,
    SECTIONS,
    Answer,
    Block,
    Change,
    Figure,
    Note,
    Part,
    Printed,
    Prose,
    Question,
    Reading,
    Report,
    Table,
)
from lab_utils.report.numbering import numbered, works_named
from lab_utils.report.origins import made_by, origins
from lab_utils.report.pictures import Reference, Refused
from lab_utils.report.private import hide, private_texts
from lab_utils.running.check import Record, read, read_record
from lab_utils.running.original import original
from lab_utils.text import visible

PICTURES = 60  # of one notebook's student
TABLE = re.compile(r"(^\|.*\n\|[-:| ]+\|[ \t]*$(?:\n\|.*)*)", re.MULTILINE)


def compose(
    folder: Path, *, code_appendix: bool = False, sources: Path | None = None, names: Iterable[str] = PARTS
) -> Report:
    """Make the report's model of notebooks that ``check.problems`` found complete, at full length.

    Parameters
    ----------
    folder : Path
        Holds the executed notebooks.
    code_appendix : bool
        Whether the PDF shows the code.
    sources : Path, optional
        Folder of the notebooks that were run, where the pictures lie that an answer names; by default ``folder``.
    names : iterable of str
        The notebooks, such as "02_in_lab"; by default all three.
    """
    notebooks = {name: read(folder / f"{name}.ipynb") for name in names}
    records = [read_record(nb) for nb in notebooks.values()]
    private = private_texts(record.settings for record in records)
    readers = [Reader(name, sources or folder, private) for name in notebooks]
    read_parts = [reader.part(nb.cells) for reader, nb in zip(readers, notebooks.values(), strict=True)]
    picture, parts = _without_picture(read_parts)
    found = list(zip(parts, records, strict=True))
    hypotheses = [of_hypothesis(part.title, row) for part, record in found for row in record.hypotheses]
    report = Report(
        title=f"Experiment {_said(records, 'experiment_number')}: {TITLE}",
        identity={name: _said(records, name) for name in IDENTITY},
        parts=parts,
        facts=[of_fact(part.title, row) for part, record in found for row in record.facts],
        hypotheses=hypotheses,
        origins=[*origins(records, private), *made_by(notebooks, parts)],
        unanswered=_unanswered(parts),
        code_appendix=code_appendix,
        notes=[visible(note) for reader in readers for note in reader.notes],
        picture=picture,
        key=key_numbers(hypotheses),
        works=works_named(parts),
    )
    return numbered(report)


def _without_picture(parts: list[Part]) -> tuple[Figure | None, list[Part]]:
    """The picture for the first page, and the parts without it."""
    for i, part in enumerate(parts):
        for block in part.blocks:
            if isinstance(block, Figure) and block.key == PICTURE and not block.own:
                rest = replace(part, blocks=[each for each in part.blocks if each is not block])
                return block, [*parts[:i], rest, *parts[i + 1 :]]
    return None, parts


def _said(records: list[Record], name: str) -> str:
    """A field of the header: what the first notebook that fills it in says."""
    values = [visible(str(record.settings.get(name, "")).strip()) for record in records]
    return next((value for value in values if value), "")


def _unanswered(parts: list[Part]) -> list[str]:
    given = {block.id for part in parts for block in part.blocks if isinstance(block, Answer) and not block.missing}
    there = [block.id for part in parts for block in part.blocks if isinstance(block, Answer)]
    titles = {part.title for part in parts}
    asked = [id for id in QUESTIONS if (SECTIONS["pre-lab"] if id.startswith("pre-lab") else "In-Lab") in titles]
    return [visible(id) for id in dict.fromkeys([*there, *asked]) if id not in given]


class Reader:
    """One notebook's cells, in order, as blocks; ``notes`` say what is not printed."""

    def __init__(self, name: str, folder: Path, private: Mapping[str, str]) -> None:
        self.name, self.folder, self.private = name, folder, private
        self.lab = original(name)
        self.notes: list[str] = []
        self.subtitle, self.heading = "", ""
        self.blocks: list[Block] = []
        self.answers: dict[str, list[Block]] = {}
        self.pictures = 0

    def part(self, notebook: list[Any]) -> Part:
        """Read all cells."""
        roles = cells.recognise(notebook, self.lab)
        answer = box = None  # the answer that text below it belongs to, and that outputs directly below it belong to
        for position, (cell, role) in enumerate(zip(notebook, roles, strict=True), start=1):
            where = f"{self.name}.ipynb, cell {position}"
            made = self._read(cell, role, where)
            if role.answer:
                answer = box = role.answer
                if answer not in self.answers:
                    self.blocks.append(Answer(answer))
                self.answers.setdefault(answer, []).extend(made)
                continue
            answer = None if "question" in role.tags else answer
            box = box if role.own and answer else None
            target = (answer if cell.cell_type != "code" else box) if role.own else None
            (self.answers[target] if target else self.blocks).extend(made)
        code = [hide(c.source, self.private) for c, role in zip(notebook, roles, strict=True) if _is_code(c, role)]
        changed = [self._change(*each) for each in cells.changes(notebook, roles, self.lab)] if self.lab else None
        blocks = [self._finished(block, notebook, roles) for block in self.blocks]
        return Part(PARTS[self.name], self.subtitle, blocks, code, changed)

    def _read(self, cell: Any, role: cells.Role, where: str) -> list[Block]:
        """The blocks of one cell."""
        if role.tags & {"injected-parameters", "parameters", "model-answer"}:
            return []
        if "prediction" in role.tags and cell.source.strip() == PREDICTION_PROMPT:
            return []
        if role.answer or "prediction" in role.tags or (role.own and cell.cell_type != "code"):
            return self._students(cell, f"answer {role.answer}" if role.answer else where)
        if cell.cell_type == "code":
            return self._put_out(cell, role, where)
        text = hide(cell.source, self.private)
        if not self.subtitle and (title := re.match(r"# +(.+)\n*", text)):
            self.subtitle, text = title[1].strip(), text[title.end() :]
        self.heading = next(iter(re.findall(r"^#{2,4} +(.+)$", text, re.MULTILINE)[-1:]), self.heading)
        if "report-skip" in role.tags or not text.strip():
            return []
        return [(Question if "question" in role.tags else Prose)(text, where, role.key)]

    def _students(self, cell: Any, where: str) -> list[Block]:
        """What a student wrote, with the pictures in it; code in an answer's place prints as it stands."""
        text = hide(cell.source, self.private)
        if cell.cell_type == "code":
            made = [Printed(text, where)] if text.strip() else []
            return made + [block for out in cell.outputs for block in outputs.of_student(out, where, self._tell)]
        if not self.subtitle and (title := re.match(r"# +(.+)\n*", text)) and not where.startswith("answer "):
            self.subtitle, text = title[1].strip(), text[title.end() :]
        made, written, later = [], "", []
        for piece in pictures.find(text):
            if isinstance(piece, str):
                written += piece
                continue
            figure = self._picture(piece, cell.get("attachments", {}), where)
            if figure is None:
                written += f" (*picture not printed:* `{_named(piece)}`) "
            elif piece.alone:
                made += [Note(written, where), figure]
                written = ""
            else:
                written += piece.alt
                later.append(figure)
        made = [*made, Note(written, where), *later]
        return [block for block in made if not isinstance(block, Note) or block.text.strip()]

    def _picture(self, reference: Reference, attachments: Mapping[str, Any], where: str) -> Figure | None:
        self.pictures += 1
        try:
            if self.pictures > PICTURES:
                raise Refused(f"there are more than {PICTURES} pictures")
            found = pictures.load(reference.target, attachments, self.folder)
        except Refused as error:
            self._tell(f"{where}: the picture {_named(reference)} is not printed: {error}")
            return None
        described = reference.alt.strip() if not re.fullmatch(r"[\w. -]*\.\w{2,4}", reference.alt.strip()) else ""
        described = described[:300] or f"The student's picture in {where}"
        return outputs.figure(found, alt=described, caption=described)

    def _put_out(self, cell: Any, role: cells.Role, where: str) -> list[Block]:
        if "report-skip" in role.tags:
            if role.own and cell.outputs:
                self._tell(f"{where}: what this changed cell put out is not printed")
            return []
        if role.own:
            made = [block for output in cell.outputs for block in outputs.of_student(output, where, self._tell)]
            return [self._hidden(block, role.key) for block in made]
        return [block for output in cell.outputs for block in self._of_lab(output, cell, role, where)]

    def _hidden(self, block: Block, key: str) -> Block:
        if isinstance(block, Figure):
            caption = block.caption or f"From a cell of the student's ({self.name})"
            return replace(block, alt=hide(block.alt, self.private), key=key, caption=caption)
        return replace(block, text=hide(block.text, self.private), key=key)

    def _of_lab(self, output: Any, cell: Any, role: cells.Role, where: str) -> list[Block]:
        """A picture, or a table or sentence in Markdown, of one of the lab's cells; what it prints is left out."""
        data, mime = output.get("data", {}), "image/png"
        if mime not in data:
            mime = next((mime for mime in outputs.PICTURES if mime in data), "")
        if not mime:
            told = output.get("metadata", {}).get("text/markdown", {})
            caption = str(told.get("caption") or CAPTIONS.get(role.key, self.heading))
            return _tables_and_sentences(hide(data.get("text/markdown", ""), self.private), where, role.key, caption)
        told = output.get("metadata", {}).get(mime, {})
        title = _literal_title(cell.source) or self.heading
        try:
            picture = pictures.checked(data[mime]) if mime == "image/png" else pictures.from_output(mime, data[mime])
        except Refused as error:
            self._tell(f"{where}: its picture is not printed: {error}")
            return []
        alt, caption = (str(told.get(name) or "").strip() for name in ("alt", "caption"))
        caption = caption or title
        alt = alt or f"{caption} ({PARTS[self.name]}, {role.key})"
        return [outputs.figure(picture, told.get("width"), alt=alt, caption=caption, key=role.key, own=False)]

    def _finished(self, block: Block, notebook: list[Any], roles: list[cells.Role]) -> Block:
        """An answer with all its blocks, and whether it is one."""
        if not isinstance(block, Answer):
            return block
        question = [*notebook, *self.lab]
        models = [c.source for c in question if "model-answer" in c.metadata.get("tags", [])]
        copied = models + [text for source in models for text in model_answers(source)]
        copied.append(QUESTIONS.get(block.id, ""))
        given = replace(block, blocks=tuple(self.answers[block.id]))
        return replace(given, missing=missing(given, copied))

    def _change(self, key: str, before: str, after: str) -> Change:
        old, new = (hide(text, self.private).splitlines() for text in (before, after))
        return Change(key, list(difflib.unified_diff(old, new, lineterm="", n=1))[2:])

    def _tell(self, note: str) -> None:
        self.notes.append(hide(note, self.private))


def _tables_and_sentences(text: str, where: str, key: str, caption: str) -> list[Block]:
    """The Markdown of an output in pieces: tables, and what is said before and after them."""
    pieces = [piece.strip("\n") for piece in TABLE.split(text)]
    return [
        Table(piece, where, key, caption=caption) if TABLE.fullmatch(piece) else Reading(piece, where, key)
        for piece in pieces
        if piece.strip()
    ]


def _is_code(cell: Any, role: cells.Role) -> bool:
    hidden = {"injected-parameters", "report-skip"}
    return cell.cell_type == "code" and bool(cell.source.strip()) and (role.own or not role.tags & hidden)


def _named(reference: Reference) -> str:
    target = reference.target.split(",")[0] if reference.target.startswith("data:") else reference.target
    return target.replace("`", "'")[:100] or "without an address"


def _literal_title(source: str) -> str:
    """The title that a figure's cell gives it, if it is a plain string."""
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    words = [k.value for call in calls for k in call.keywords if k.arg == "title"]
    words += [call.args[-1] for call in calls if call.args and isinstance(call.func, ast.Attribute)]
    texts = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    return next((text.strip() for text in texts if " " in text.strip()), "")
