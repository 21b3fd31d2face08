"""The five numbers that a student's report shows on its first page, for a table of a class."""

from functools import cache
from html import escape

from lab_utils.report.evidence import KEY
from lab_utils.report.findings import number
from lab_utils.verdicts import thresholds

NAMES = {
    "result-in-lab.denoised": "PSNR: denoised over noisy",
    "inference-in-lab.image": "PSNR: denoised over median filter",
    "inference-in-lab.features": "Probe: code over pixels",
    "pre-lab-4.nonlinear": "Error: PCA over autoencoder",
    "result-post-lab.error": "Error: base over chosen setting",
}
KEY_NAMES = {id: NAMES[id] for id in KEY}


@cache
def units() -> dict[str, str]:
    """The unit of each hypothesis by its ID."""
    from lab_utils.verdicts.hypotheses import HYPOTHESES  # SciPy and pandas: a second that most commands do without

    return {each.id: thresholds.HYPOTHESES[each.limit].unit for each in HYPOTHESES}


def with_interval(id: str, numbers: tuple[float, float, float] | None) -> str:
    """Effect, interval and unit of a hypothesis as HTML; empty where there is none."""
    if numbers is None:
        return ""
    effect, low, high = (number(value, 3) for value in numbers)
    return escape(f"{effect} [{low}, {high}] {units().get(id, '')}".strip())


def above_interval(id: str, numbers: tuple[float, float, float] | None) -> str:
    """The same in two lines, for a narrow column."""
    if numbers is None:
        return ""
    effect, low, high = (number(value, 3) for value in numbers)
    return f"{effect} {escape(units().get(id, ''))}<br><small>[{low}, {high}]</small>"
