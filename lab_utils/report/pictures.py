"""Pictures that a student pasted or drew: found in Markdown, read, bounded, encoded anew; nothing is fetched."""

import base64
import binascii
import io
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from PIL import Image, ImageOps

from lab_utils.text import FONTS

LARGEST_BYTES = 40_000_000
LARGEST_PIXELS = 80_000_000
SIDE = 1_600  # pixels that are printed: 200 dots per inch on 20 cm
LARGEST_PNG = 1_500_000  # a larger one is a photograph: JPEG
LARGEST_LAB = 6_000  # pixels a side
LARGEST_SVG = 3_000_000
SECONDS = 20
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")

CODE = r"(?P<code>```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`)"
INLINE = (
    r"!\[(?P<alt>(?:[^\[\]]|\[[^\]]{0,300}\]){0,300})\]\(\s*(?:<(?P<angle>[^>\n]*)>|"
    r"(?P<plain>[^\s()]*(?:\([^\s()]*\)[^\s()]*)*))(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"
)
HTML = r"<img\b[^>]{0,300}?\bsrc\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s>\"']+))[^>]*>"
PLACES = re.compile(f"{CODE}|{INLINE}|{HTML}", re.DOTALL | re.IGNORECASE)
REFERENCE = re.compile(r"!\[([^\[\]]{0,300})\](?:\[([^\[\]]{0,300})\])?(?!\()")
DEFINITION = re.compile(r"^ {0,3}\[([^\[\]]{1,300})\]:[ \t]*<?([^\s>]+)>?.*$", re.MULTILINE)


class Refused(ValueError):
    """Why a picture is not printed."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is printed: PNG or JPEG, its size in pixels."""

    data: bytes = field(repr=False)
    mime: str
    width: int
    height: int


@dataclass(frozen=True)
class Reference:
    """A picture in a Markdown text: its alternative text, its address, and whether it has a line to itself."""

    alt: str
    target: str
    alone: bool


def find(text: str) -> Iterator[str | Reference]:
    """A Markdown text in pieces: texts, and the pictures between them. Code is left alone."""
    definitions = {name.casefold(): target for name, target in DEFINITION.findall(text)}
    if definitions:
        text = REFERENCE.sub(lambda match: _inlined(match, definitions), text)
    end = 0
    for match in PLACES.finditer(text):
        if match["code"]:
            continue
        target = next((match[name] for name in ("angle", "plain", "double", "single", "bare") if match[name]), "")
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()], text[match.end() :].split("\n", 1)[0]
        yield text[end : match.start()]
        yield Reference(match["alt"] or "", target, not "".join(line).strip())
        end = match.end()
    yield text[end:]


def _inlined(match: re.Match[str], definitions: Mapping[str, str]) -> str:
    target = definitions.get((match[2] or match[1]).casefold())
    return f"![{match[1]}]({target})" if target else match[0]


def load(target: str, attachments: Mapping[str, Any], folder: Path) -> Picture:
    """The picture at an address in a cell: an attachment, a data URI, or a file in the notebook's folder.

    Raises
    ------
    Refused
        It is somewhere else, is not there, or is no picture; in the student's words.
    """
    if target.startswith("attachment:"):
        return _attachment(attachments, unquote(target.removeprefix("attachment:")))
    if target.startswith("data:"):
        header, _, content = target.partition(",")
        if not header.endswith(";base64"):
            raise Refused("its data are not in base64")
        return from_output(header.removeprefix("data:").split(";")[0], content)
    if urlsplit(target).scheme or target.startswith("//"):
        raise Refused("it is not in the notebook: nothing is fetched from another place")
    return _file(folder, unquote(target))


def _attachment(attachments: Mapping[str, Any], name: str) -> Picture:
    bundle = attachments.get(name) or {}
    mime, content = next(iter(bundle.items()), ("", ""))
    if not content:
        raise Refused("the notebook does not hold its data")
    return from_output(mime, content)


def _file(folder: Path, name: str) -> Picture:
    try:
        path = (folder / name).resolve()
        inside = path.is_relative_to(folder.resolve())
        size = path.stat().st_size if inside and path.is_file() else None
    except (OSError, ValueError):
        raise Refused("it is not a file") from None
    if not inside:
        raise Refused("it is outside the notebook's folder")
    if size is None:
        raise Refused("there is no such file beside the notebook")
    if size > LARGEST_BYTES:
        raise Refused(f"it has more than {LARGEST_BYTES // 1_000_000} MB")
    return from_svg(path.read_text("utf-8", "replace")) if path.suffix == ".svg" else encoded(path.read_bytes())


def from_output(mime: str, content: str | list[str]) -> Picture:
    """The picture of a cell's output or attachment: base64, or the text of an SVG."""
    content = content if isinstance(content, str) else "".join(content)
    if len(content) > LARGEST_BYTES * 4 // 3:
        raise Refused(f"it has more than {LARGEST_BYTES // 1_000_000} MB")
    if mime == "image/svg+xml" and content.lstrip().startswith("<"):
        return from_svg(content)
    try:
        raw = base64.b64decode(content)
    except (binascii.Error, ValueError):
        raise Refused("its data are damaged") from None
    return from_svg(raw.decode("utf-8", "replace")) if mime == "image/svg+xml" else encoded(raw)


def checked(content: str) -> Picture:
    """A figure of the lab's, as it is, if it is a sound PNG of a sensible size; else encoded anew."""
    try:
        raw = base64.b64decode(content)
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as image:
            size = image.size
            image.verify()
    except Exception as error:
        raise Refused("it is not a PNG") from error
    sound = max(size) <= LARGEST_LAB and len(raw) <= LARGEST_BYTES
    return Picture(raw, "image/png", *size) if sound else encoded(raw)


def encoded(raw: bytes) -> Picture:
    """A picture of at most 1,600 pixels a side, decoded and encoded anew, on white where it is transparent.

    Raises
    ------
    Refused
        It is no picture of a known kind, is damaged, or is too large; the size is read before the pixels.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise Refused(f"it has {image.width:,} × {image.height:,} pixels")
            kind = image.format
            image.draft("RGB", (SIDE, SIDE))
            image = ImageOps.exif_transpose(image)
            image.thumbnail((SIDE, SIDE))
            page = Image.new("RGB", image.size, "white")
            page.paste(image.convert("RGB"), mask=image.convert("RGBA").getchannel("A"))
    except Refused:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged data; any of them means the same to the reader
        raise Refused("it is not a picture that can be read") from error
    data = _saved(page, "PNG", optimize=True) if kind != "JPEG" else b""
    if data and len(data) < LARGEST_PNG:
        return Picture(data, "image/png", *page.size)
    return Picture(_saved(page, "JPEG", quality=85), "image/jpeg", *page.size)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def from_svg(text: str) -> Picture:
    """An SVG drawn as pixels by Typst, which runs no script and fetches nothing, in a process with a time limit.

    Raises
    ------
    Refused
        Typst cannot draw it within 20 s.
    """
    if len(text) > LARGEST_SVG:
        raise Refused(f"its drawing has more than {LARGEST_SVG // 1_000_000} MB")
    command = [sys.executable, "-I", str(Path(__file__).with_name("svg.py")), str(FONTS)]
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        raise Refused("its drawing (SVG) cannot be read") from error
    return encoded(done.stdout)
