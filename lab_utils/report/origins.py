"""What a report was made from: data, settings, versions, and the digests of code and outputs."""

import re
from collections.abc import Mapping
from typing import Any

from lab_utils import __version__, cache
from lab_utils.report import cells
from lab_utils.report.model import ALIKE, Part
from lab_utils.report.private import hide
from lab_utils.running.check import Record
from lab_utils.running.execution import changed_since
from lab_utils.running.original import original

NOT_SETTINGS = (*ALIKE, "date", "profile", "data_source", "storage")
"""Not among the settings that are printed: they stand elsewhere, or may name a person's folders and passwords."""


def origins(records: list[Record], private: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """How each notebook was run: its data, its settings, its version, its time; without what is private."""
    settings = [{k: v for k, v in r.settings.items() if k not in NOT_SETTINGS and v is not None} for r in records]
    rows = [
        ("Seed, profile", [f"{r.settings.get('seed')}, {r.settings.get('profile')}" for r in records]),
        ("Digits from", [_source(r.data) for r in records]),
        ("Digits", [_flat(r.data.get("counts", "")) for r in records]),
        ("Licence", [str(r.data.get("licence", "")) for r in records]),
        ("Checksum (SHA-256)", [_flat(r.data.get("checksum", "")) for r in records]),
        ("Settings", [_flat(values) for values in settings]),
        ("lab_utils", [r.version for r in records]),
        ("Minutes", ["" if r.minutes is None else f"{r.minutes:.1f}" for r in records]),
    ]
    return [(label, [hide(value, private) for value in values]) for label, values in rows if any(values)]


def _source(data: dict[str, Any]) -> str:
    return f"{data.get('source', '')}{' (a subset of MNIST)' if data.get('subset') else ''}"


def _flat(value: Any) -> str:
    """A small dictionary on one line; checksums keep their first 12 digits."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    text = str(value)
    return f"{text[:12]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text


def made_by(notebooks: Mapping[str, Any], parts: list[Part]) -> list[tuple[str, list[str]]]:
    """What each notebook's code and outputs are, compared with the lab's and with what was put out."""
    package = f"lab_utils {__version__}, {cache.package_digest()[:12]}…"
    code, shown = [], []
    for (name, notebook), part in zip(notebooks.items(), parts, strict=True):
        own, lab = cells.digest(notebook.cells), cells.digest(original(name))
        count = len(part.changes or [])
        if part.changes is None:
            code.append(f"{own[:12]}…; the lab's notebook is not there to compare with")
        else:
            code.append(f"{count} changed: {own[:12]}…, the lab's {lab[:12]}…" if count else f"unchanged: {own[:12]}…")
        told = changed_since(notebook) is not None
        shown.append("as they were put out" if told else "not compared: run outside dae-lab")
    return [("Code cells (SHA-256)", code), ("Displayed outputs", shown), ("Report made by", [package] * len(parts))]
