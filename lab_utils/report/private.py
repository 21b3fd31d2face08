"""What a notebook knows of a person's machine and the report does not print."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab_utils.settings import SOURCES
from lab_utils.text import masked


def private_texts(settings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What must not be printed, and what stands for it: paths of ``data_source``, addresses of ``storage``."""
    hidden = {}
    for values in settings:
        source, storage = str(values.get("data_source") or "auto"), str(values.get("storage") or "")
        path = Path(source).expanduser()
        if source not in SOURCES and len(path.parts) > 1:
            hidden |= {text: f"…/{path.name}" for text in (str(path.resolve()), str(path), source)}
        if "://" in storage:
            hidden[storage] = masked(storage) if masked(storage) != storage else f"{storage.split('://')[0]}://…"
    return dict(sorted(hidden.items(), key=lambda item: -len(item[0])))


def hide(text: str, private: Mapping[str, str]) -> str:
    """Text without private paths and without passwords of addresses."""
    for secret, shown in private.items():
        text = text.replace(secret, shown).replace(repr(secret)[1:-1], shown)
    return masked(text)
