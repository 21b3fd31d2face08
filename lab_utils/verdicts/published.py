"""The published run: what the full profile found, committed, so that every other run can stand beside it.

``make published-run`` executes the three notebooks at profile *full* and writes ``published.json``: for each hypothesis
its effect, interval and verdict, and when, where and of which digits. A test fails when the hypotheses, or their
thresholds, are no longer those that the published run judged.
"""

import datetime
import hashlib
import json
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from lab_utils import files, machine
from lab_utils.errors import LabError
from lab_utils.facts import RECORD_MIME
from lab_utils.settings import SERIES

PATH = Path(__file__).with_name("published.json")
KEPT = ("id", "effect", "low", "high", "unit", "seeds", "verdict", "holm", "note")


def digest(hypotheses: Iterable[Any], limits: dict[str, Any]) -> str:
    """SHA-256 (hex) of what is tested, how, and against which threshold."""
    told = [[each.id, each.test, list(each.also), limits[each.limit].value] for each in hypotheses]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@cache
def read() -> dict[str, Any]:
    """The published run, or an empty one where none is committed."""
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {"rows": []}


def beside(id: str) -> str:
    """What the published run says of a hypothesis, as "supported, +3.1 (+2.2 to +4.0) %"; empty if it says nothing."""
    row = next((row for row in read()["rows"] if row["id"] == id), None)
    if row is None:
        return ""
    numbers = [row["effect"], row["low"], row["high"]]
    if None in numbers:
        return row["holm"]
    effect, low, high = (f"{number:+.3g}" for number in numbers)
    return f"{row['holm']}, {effect} ({low} to {high}) {row['unit']}"


def collect(folder: Path) -> dict[str, Any]:
    """The published run from the three executed notebooks of a folder.

    Raises
    ------
    LabError
        A notebook is missing, did not end with its record, or did not run at profile *full*.
    """
    from lab_utils.verdicts.hypotheses import HYPOTHESES
    from lab_utils.verdicts.thresholds import HYPOTHESES as LIMITS

    records = [_record(folder / f"{name}.ipynb") for name in SERIES]
    return {
        "hypotheses": digest(HYPOTHESES, LIMITS),
        "date": datetime.date.today().isoformat(),
        "machine": machine.description(),
        "version": records[0]["version"],
        "settings": {record["notebook"]: _sizes(record["settings"]) for record in records},
        "rows": [{name: row[name] for name in KEPT} for record in records for row in record["hypotheses"]],
    }


def _sizes(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that are numbers, or switches: nothing that names a person or a place."""
    return {name: value for name, value in settings.items() if isinstance(value, int | float)}


def _record(path: Path) -> dict[str, Any]:
    """The record of one executed notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else []
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    found = [data[RECORD_MIME] for data in outputs if RECORD_MIME in data]
    if not found or found[-1]["settings"]["profile"] != "full":
        raise LabError(
            f"{path} is no finished run at profile full.", "the three notebooks, executed", "make published-run"
        )
    return found[-1]


if __name__ == "__main__":
    files.write_json(PATH, collect(Path(sys.argv[1])))
