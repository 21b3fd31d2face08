"""The class as an experiment: pooled effects as statsmodels has them, intervals that cover, and who stands apart."""

import numpy as np
import pytest

from lab_utils.course import pooled
from lab_utils.figures.pooled import Line, class_forest
from lab_utils.verdicts.hypotheses import HYPOTHESES
from lab_utils.verdicts.statistics import SUPPORTED

ID = "result-in-lab.denoised"
EFFECTS = np.array([0.61, 0.23, 0.88, 0.45, 1.31, 0.72])
VARIANCES = np.array([0.04, 0.02, 0.09, 0.03, 0.06, 0.05])
STATSMODELS = [0.660095, 0.267771, 1.052419, 0.094762, 0.704751]


def test_it_is_what_statsmodels_finds():
    """``combine_effects(…, method_re="iterated", use_t=True)`` of statsmodels 0.15, the WLS interval."""
    made = pooled.combine(EFFECTS, VARIANCES)
    low, high = made.found.interval()
    assert [made.found.effect, low, high, made.between, made.i2] == pytest.approx(STATSMODELS, rel=1e-4)


def one_class(random: np.random.Generator, students: int, seeds: int, truth: float, between: float):
    """Effects with intervals of students, as each would report them: of few seeds, so badly known errors."""
    own = truth + between * random.standard_normal(students)
    spread = random.uniform(0.3, 1.5, students)
    runs = own[:, None] + spread[:, None] * random.standard_normal((students, seeds))
    half = 1.96 * runs.std(axis=1, ddof=1) / np.sqrt(seeds)
    return {str(n): {ID: (e, e - h, e + h)} for n, (e, h) in enumerate(zip(runs.mean(axis=1), half, strict=True))}


def coverage(classes: int, seed: int = 0) -> float:
    """Share of synthetic classes, of 5 to 60 students, whose pooled interval covers the truth."""
    random, covered = np.random.default_rng(seed), 0
    for _ in range(classes):
        truth = random.normal(0, 3)
        between = random.choice([0.0, 0.2, 1.0])
        made = one_class(random, int(random.integers(5, 61)), int(random.integers(3, 9)), truth, between)
        (row,) = pooled.pool(made)
        covered += row.low <= truth <= row.high
    return covered / classes


def test_intervals_cover_the_truth():
    """Of 300 classes; with 95 % each, fewer than 92 % or more than 98 % come up once in a hundred times."""
    assert 0.92 <= coverage(300) <= 0.98


def test_who_stands_apart_is_named_and_nobody_else():
    random = np.random.default_rng(1)
    students = one_class(random, 30, 6, 8.0, 0.3)
    (row,) = pooled.pool(students)
    assert row.apart == [] and row.verdict == SUPPORTED and len(row.effects) == 30 and row.unit == "dB"
    students["odd"] = {ID: (-9.0, -9.5, -8.5)}
    (row,) = pooled.pool(students)
    assert row.apart == ["odd"] and pooled.look_at([row]) == {"odd": [ID]}


def test_few_students_none_and_numbers_that_cannot_be_used():
    assert pooled.pool({}) == [] and pooled.pool({"1": {ID: (1.0, 0.0, 2.0)}}) == []
    two = {"1": {ID: (8.0, 8.0, 8.0), "no-such": (1.0, 0.0, 2.0)}, "2": {ID: (8.0, 8.0, 8.0)}}
    two["3"] = {ID: (float("inf"), 0.0, 1.0), "layers-fewer": (-100.0, -100.0, 5.0)}
    (row,) = pooled.pool(two)
    assert [row.effect, row.low, row.high] == pytest.approx([8, 8, 8], abs=0.01)
    assert row.i2 == 0 and list(row.effects) == ["1", "2"]


def test_ratios_are_pooled_as_ratios():
    """Half and double cancel."""
    id = next(h.id for h in HYPOTHESES if h.measure == "error" and not h.two_sided)
    own = {"1": {id: (-50.0, -55.0, -44.4)}, "2": {id: (100.0, 80.0, 122.2)}}
    (row,) = pooled.pool(own)
    assert row.effect == pytest.approx(0, abs=1.0) and row.i2 > 0.9 and row.low < -90 and row.high > 1_000


def test_the_picture_says_what_it_shows():
    lines = [
        Line("a", [1.0, 1e6, -1e6], (2.0, 1.5, 2.5), (1.0, 0.5, 1.5), True),
        Line("b", [0.0], (0, -1, 1), None, False),
    ]
    figure = class_forest(lines)
    assert "2 effects" in figure.alt and "up to 3 students; in 1 of them" in figure.alt and figure.caption
    figure.canvas.draw()
