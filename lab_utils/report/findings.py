"""Rows of the record as the report prints them."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lab_utils.report.evidence import KEY, KEYS
from lab_utils.report.markdown import Fragment
from lab_utils.report.model import ALIKE, Finding
from lab_utils.report.private import hide
from lab_utils.running.check import FactRow, HypothesisRow, Record

SIGNS = {">=": "≥", "<=": "≤", "==": "="}
VERDICTS = {
    "holds": "yes",
    "supported": "yes",
    "does not hold": "no",
    "contradicted": "no",
    "opposite": "no",
    "negligible": "small",
}
"""The sign of a verdict; any other is open."""
ABSENT = "not measured"
NOT_SETTINGS = (*ALIKE, "date", "profile", "data_source", "storage")
"""Not among the settings that are printed: they stand elsewhere, or may name a person's folders and passwords."""


def of_fact(part: str, row: FactRow) -> Finding:
    """A fact: what is claimed, measured and wanted."""
    wanted = f"{SIGNS.get(row.relation, row.relation)} {number(row.threshold)} {row.unit}"
    measured = f"{number(row.measured)} {row.unit}".strip()
    extra = row.model_extra or {}
    bounds = [extra.get(name) if isinstance(extra.get(name), int | float) else None for name in ("low", "high")]
    return Finding(
        part, _inline(row.claim), measured, _inline(wanted), row.verdict, row.id, row.unit, row.measured, *bounds
    )


def of_hypothesis(part: str, row: HypothesisRow) -> Finding:
    """A statement of the manual: its test and the effect with its interval."""
    interval = _with_interval(row.effect, row.low, row.high)
    measured = ABSENT if row.effect is None else f"{interval} {row.unit}".strip()
    threshold = (row.model_extra or {}).get("threshold")
    threshold = threshold if isinstance(threshold, int | float) else None
    numbers = (row.effect, row.low, row.high, threshold)
    told = (part, _inline(row.statement), measured, _inline(row.test), row.verdict, row.id, row.unit)
    return Finding(*told, *numbers, published=_published((row.model_extra or {}).get("published")))


def _published(row: Any) -> tuple[str, str] | None:
    """Effect with interval, and verdict, of the same hypothesis in the published run."""
    if not isinstance(row, dict):
        return None
    numbers = [value if isinstance(value, int | float) else None for value in map(row.get, ("effect", "low", "high"))]
    return _with_interval(*numbers), str(row.get("verdict", ""))


def _with_interval(effect: float | None, low: float | None, high: float | None) -> str:
    interval = f" [{number(low, 3)}, {number(high, 3)}]" if low is not None and high is not None else ""
    return f"{number(effect, 3)}{interval}"


def key_numbers(hypotheses: list[Finding]) -> list[Finding]:
    """The run's main numbers, each with its interval: those of ``KEY``, filled up with the clearest others."""
    measured = [row for row in hypotheses if None not in (row.effect, row.low, row.high)]
    chosen = [row for id in KEY for row in measured if row.id == id]
    others = [row for row in measured if row not in chosen and row.threshold]
    others.sort(key=lambda row: -abs(row.effect / row.threshold))
    return [replace(row, claim=compared(row)) for row in [*chosen, *others][:KEYS]]


def compared(row: Finding) -> Fragment:
    """What the test of a hypothesis compares, without its threshold."""
    test = row.wanted.text.split(";")[0]
    return _inline(f"{test[:1].upper()}{test[1:]}")


def sign(row: Finding) -> str:
    """The sign that stands for a verdict: "yes", "no", "small" or "open"."""
    return VERDICTS.get(row.verdict, "open")


def number(value: float | None, digits: int = 4) -> str:
    """A few digits, a true minus sign; a dash for what could not be measured."""
    if value is None:
        return "–"
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e12
    digits = digits if abs(value) < 10**digits else 4
    return (f"{value:,.0f}" if whole else f"{value:.{digits}g}").replace("-", "\u2212")


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


def _inline(text: str) -> Fragment:
    return Fragment(text.strip(), "answer")
