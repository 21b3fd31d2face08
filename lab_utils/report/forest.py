"""Effects with their intervals as small drawings (SVG), in units of the smallest effect that counts."""

import math

from lab_utils.report.model import Finding

WIDTH, HEIGHT, MARGIN = 120, 14, 8
FARTHEST = 100  # thresholds from zero; what lies farther stands at the edge
TICKS = (-100, -10, 0, 10, 100)
COLOURS = {"yes": "#00557f", "no": "#a53f00"}
GREY = "#5b6470"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">{body}</svg>'


def bar(row: Finding, sign: str) -> str:
    """The interval of a row as a line, its effect as a dot, zero and the threshold as upright lines.

    Parameters
    ----------
    row : Finding
        Its numbers may be missing.
    sign : str
        "yes", "no" or another, which is drawn in grey.
    """
    unit = abs(row.threshold or 0) or max(map(abs, filter(None, (row.effect, row.low, row.high))), default=1.0)
    colour = COLOURS.get(sign, GREY)
    body = _upright(_place(0), "#c3c9d1", HEIGHT)
    if row.threshold:
        body += _upright(_place(math.copysign(1, row.threshold)), "#d98200", HEIGHT)
    if row.low is not None and row.high is not None:
        ends = (_place(row.low / unit), _place(row.high / unit))
        body += _line(ends[0], HEIGHT / 2, ends[1], HEIGHT / 2, colour, 1.3)
        body += "".join(_line(x, HEIGHT / 2 - 2.5, x, HEIGHT / 2 + 2.5, colour, 1) for x in ends)
    if row.effect is not None:
        body += f'<circle cx="{_place(row.effect / unit):.1f}" cy="{HEIGHT / 2}" r="2.6" fill="{colour}"/>'
    return SVG.format(w=WIDTH, h=HEIGHT, body=body)


def axis() -> str:
    """The scale of the drawings: multiples of the threshold, the same distance on both sides of zero."""
    labels = "".join(
        f'<text x="{_place(tick):.1f}" y="8" font-size="8" font-family="Noto Sans, sans-serif" fill="{GREY}" '
        f'text-anchor="middle">{str(tick).replace("-", "−")}</text>'
        + _line(_place(tick), 10, _place(tick), 13, GREY, 0.6)
        for tick in TICKS
    )
    return SVG.format(w=WIDTH, h=HEIGHT, body=labels + _line(MARGIN, 13, WIDTH - MARGIN, 13, GREY, 0.6))


def _place(value: float) -> float:
    """Where a multiple of the threshold is drawn: evenly near zero, by its logarithm far from it."""
    part = math.asinh(max(-FARTHEST, min(FARTHEST, value))) / math.asinh(FARTHEST)
    return WIDTH / 2 + part * (WIDTH / 2 - MARGIN)


def _upright(x: float, colour: str, height: float) -> str:
    return _line(x, 0, x, height, colour, 1)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
