"""Rows of the record as the report prints them."""

import math
from dataclasses import replace

from lab_utils.report.evidence import KEY, KEYS
from lab_utils.report.markdown import Fragment
from lab_utils.report.model import Finding
from lab_utils.running.check import FactRow, HypothesisRow

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
    measured = row.note or ABSENT if row.effect is None else f"{interval} {row.unit}".strip()
    numbers = (row.effect, row.low, row.high, row.threshold)
    told = (part, _inline(row.statement), measured, _inline(row.test), row.verdict, row.id, row.unit)
    alone = row.holm not in ("", row.verdict)
    return Finding(*told, *numbers, published=_published(row.published), alone=alone)


def _published(said: str) -> tuple[str, str] | None:
    """Effect with interval, and verdict, of the same hypothesis in the published run, which tells the verdict first."""
    verdict, _, measured = said.partition(", ")
    return (measured.replace("-", "\u2212"), verdict) if said else None


def _with_interval(effect: float | None, low: float | None, high: float | None) -> str:
    interval = f" [{number(low, 3)}, {number(high, 3)}]" if low is not None and high is not None else ""
    return f"{number(effect, 3)}{interval}"


def key_numbers(hypotheses: list[Finding]) -> list[Finding]:
    """The run's main numbers, each with its interval: those of ``KEY``, filled up with the clearest others."""
    measured = [row for row in hypotheses if None not in (row.effect, row.low, row.high)]
    chosen = [row for id in KEY for row in measured if row.id == id]
    others = [row for row in measured if row not in chosen]
    others.sort(key=lambda row: -abs(row.effect / row.threshold) if row.threshold else 0)
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


def _inline(text: str) -> Fragment:
    return Fragment(text.strip(), "answer")
