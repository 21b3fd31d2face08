"""Facts: every sentence of the report that claims a result, as claim, measured value, threshold, verdict."""

import operator
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

import lab_utils
from lab_utils.errors import LabError
from lab_utils.settings import NOTEBOOKS, Settings

RECORD_MIME = "application/vnd.dae-lab.record+json"
RELATIONS = {">=": operator.ge, "<=": operator.le, "==": operator.eq}
HOLDS, FAILS = "holds", "does not hold"


@dataclass(frozen=True)
class Fact:
    """One claim put to the test.

    Parameters
    ----------
    id : str
        Stable name, such as "denoised-beats-noisy".
    claim : str
        The sentence, without the number.
    measured : float
        What this run measured, in ``unit``.
    relation : str
        ">=", "<=" or "==": how measured must stand to the threshold.
    threshold : float
        Fixed before the run, in ``unit``.
    unit : str
        "dB", "digits", ...; empty for a pure number.
    """

    id: str
    claim: str
    measured: float
    relation: str
    threshold: float
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Either `holds` or `does not hold`; a measured NaN never holds."""
        return HOLDS if RELATIONS[self.relation](self.measured, self.threshold) else FAILS


class Facts:
    """The facts of one notebook, in the order in which they were stated."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def add(self, id: str, claim: str, measured: float, relation: str, threshold: float, unit: str = "") -> Fact:
        """State a fact; the same id again replaces it, so that a cell can be run twice."""
        if relation not in RELATIONS:
            raise LabError(f"relation = {relation!r} is unknown.", ", ".join(RELATIONS), "Use one of these.")
        self._facts[id] = Fact(id, claim, float(measured), relation, float(threshold), unit)
        return self._facts[id]

    def __iter__(self):
        return iter(self._facts.values())

    def __getitem__(self, id: str) -> Fact:
        return self._facts[id]

    def verdict_table(self) -> str:
        """Markdown table of claims and verdicts: no measured number, so that CI can compare it exactly."""
        rows = [(f.claim, f"{f.relation} {f.threshold:g} {f.unit}".strip(), f.verdict) for f in self]
        return table(rows, ["claim", "holds if measured", "verdict"])

    def measured_table(self) -> str:
        """Markdown table of claims with what this run measured."""
        rows = [(f.id, f"{f.measured:.4g} {f.unit}".strip(), f"{f.relation} {f.threshold:g}") for f in self]
        return table(rows, ["fact", "measured", "threshold"])

    def rows(self) -> list[dict[str, Any]]:
        """One plain dictionary per fact, verdict included."""
        return [asdict(fact) | {"verdict": fact.verdict} for fact in self]


def table(rows: list, headers: list[str] | str = "keys", **options: Any) -> str:
    """A Markdown table, as notebooks, HTML and PDF all render it."""
    return tabulate(rows, headers=headers, tablefmt="pipe", **options)


def hypothesis_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table of the manual's statements put to the test: the rows of ``verdicts.hypotheses.judge``."""

    def interval(row: dict[str, Any]) -> str:
        numbers = [row["effect"], row["low"], row["high"]]
        if any(number is None for number in numbers):
            return row["note"] or "not measured"
        effect, low, high = (f"{number:+.3g}" for number in numbers)
        return f"{effect} ({low} to {high}) {row['unit']}"

    headers = ["the manual says", "the test", "effect (95 % interval)", "verdict", "after Holm"]
    keys = ["statement", "test", "", "verdict", "holm"]
    if any(row["published"] for row in rows):
        headers, keys = [*headers, "published run"], [*keys, "published"]
    return table([[row[key] if key else interval(row) for key in keys] for row in rows], headers)


def header(settings: Settings) -> str:
    """The manual's header as Markdown; fields that are still empty show as a blank to fill."""
    blank = "\\_\\_\\_\\_\\_\\_\\_\\_"
    s = settings
    rows = [
        ("Experiment #", s.experiment_number, "Student ID", literal(s.student_id) or blank),
        ("Date", literal(s.date) or blank, "Student Name", literal(s.student_name) or blank),
        ("Course Title", literal(s.course_title), "Academic Year", literal(s.academic_year)),
        ("Course Code", literal(s.course_code), "Seed / profile", f"{s.seed} / {s.profile}"),
    ]
    return table(rows, ["", "", "", ""], disable_numparse=True)


def literal(text: str) -> str:
    """Text that Markdown and HTML print as it stands."""
    shown = "".join(f"&#{ord(c)};" if c in "\\`*_{}[]<>()#+-.!|$&~^\"'@=:/" else c for c in text)
    return " ".join(shown.split())


class Record:
    """The last result of a notebook: everything a machine needs, as one JSON bundle.

    Parameters
    ----------
    settings : Settings
    data : dict
        The provenance of the digits.
    facts : Facts
    hypotheses : list of dict, optional
        Rows of the manual's statements put to the test.
    """

    def __init__(self, settings: Settings, data: dict, facts: Facts, hypotheses: list[dict] | None = None) -> None:
        notebook = next(name for name, model in NOTEBOOKS.items() if type(settings) is model)
        self.content = {
            "schema": 1,
            "notebook": notebook,
            "version": lab_utils.__version__,
            "settings": settings.model_dump(),
            "data": data,
            "facts": facts.rows(),
            "hypotheses": hypotheses or [],
        }

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        said = f"Record of {self.content['notebook']}: {len(self.content['facts'])} facts"
        return {RECORD_MIME: self.content, "text/plain": said}
