"""Parameters that arrive as text (a command line, a roster), turned into values of the types that settings ask for."""

import hashlib
import json
import math
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab_utils import settings
from lab_utils.errors import LabError
from lab_utils.places import existing_path, storage_address

TEXT_ADAPTERS = {
    notebook: {name: TypeAdapter(field.annotation) for name, field in model.model_fields.items()}
    for notebook, model in settings.NOTEBOOKS.items()
}


def from_text(notebook: str, texts: dict[str, str]) -> dict[str, Any]:
    """Give each text the type of its field; text that does not fit stays text, for ``settings.check`` to refuse.

    Parameters
    ----------
    notebook : str
        A key of ``settings.NOTEBOOKS``.
    texts : dict
        Parameter name to text. A field of type str keeps it as it stands: "0012345", "1e5", "No".
    """
    values: dict[str, Any] = {}
    for name, text in texts.items():
        adapter = TEXT_ADAPTERS[notebook].get(name)
        try:
            values[name] = adapter.validate_python(text) if adapter else text
        except ValidationError:
            values[name] = text
    return values


def checked(notebook: str, texts: dict[str, str]) -> dict[str, Any]:
    """Return the parameters of one notebook as values, ready for papermill.

    Raises
    ------
    LabError
        For a notebook that is not the lab's, an unknown name, a wrong type, a value out of range.
    """
    if notebook not in settings.NOTEBOOKS:
        raise LabError(
            f"{notebook!r} is not one of the lab's notebooks.",
            ", ".join(settings.NOTEBOOKS),
            "Name one of them, or add yours to NOTEBOOKS in lab_utils/settings.py.",
        )
    values = from_text(notebook, texts)
    settings.check(notebook, values)
    if values.get("data_source", "auto") not in settings.SOURCES:
        values["data_source"] = str(existing_path(values["data_source"]))  # runs in another folder
    if values.get("other_images"):
        values["other_images"] = str(existing_path(values["other_images"]))
    if values.get("storage"):
        values["storage"] = storage_address(values["storage"])
    return values


def checked_minutes(minutes: float | None) -> float | None:
    """Return the wall-clock limit of a notebook as it was given.

    Raises
    ------
    LabError
        For a limit that is no positive number of minutes: NaN is neither reached nor exceeded.
    """
    if minutes is None or (math.isfinite(minutes) and minutes > 0):
        return minutes
    raise LabError(f"minutes = {minutes} is not allowed.", "a number of minutes above 0", "Correct it and run again.")


def for_series(notebooks: list[str], texts: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Hand each parameter to every notebook that has it.

    Raises
    ------
    LabError
        As ``checked``; a name is unknown only when no notebook has it.
    """
    known = {name for notebook in notebooks for name in TEXT_ADAPTERS[notebook]}
    series = {}
    for notebook in notebooks:
        own = {name: text for name, text in texts.items() if name in TEXT_ADAPTERS[notebook] or name not in known}
        series[notebook] = checked(notebook, own)
    return series


def student_seed(course_code: str, academic_year: str, experiment_number: int, student_id: str) -> int:
    """Return a student's own seed, the same on every machine, in [0, 2**31)."""
    identity = json.dumps([course_code, academic_year, experiment_number, student_id])
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8]) % 2**31
