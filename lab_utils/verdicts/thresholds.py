"""Every threshold of the notebooks: its value, its unit, why it is that, and the day it was fixed.

"Fixed before the run" is said of these alone. A threshold is changed for a reason that names no result, with a new
date. The reasons of the first day's were written down on the second.
"""

from typing import NamedTuple

FIRST, SECOND, THIRD = "2026-11-23", "2026-11-28", "2026-11-29"


class Threshold(NamedTuple):
    """One threshold; a negative one is a margin: "not worse by more than this"."""

    value: float
    unit: str
    fixed: str
    reason: str


HALF_POINT = "Half of a point of the training error: a smaller gap is below what the choice of held-out digits moves."
ONE_POINT = "One more digit in a hundred read right: the smallest gain that a user of the features would notice."
ONE_UNIT = "One unit, or code value, in a hundred: fewer could be spared without a trace."
TWO_PERCENT = "0.09 dB: the smallest change of error that is worth another setting."
NOT_WORSE = "The smallest change of error that counts, turned round."

HYPOTHESES = {
    "gap": Threshold(0.5, "points", FIRST, HALF_POINT),
    "gap-not-worse": Threshold(-0.5, "points", FIRST, "The smallest gap that counts, turned round."),
    "probe": Threshold(1, "points", FIRST, ONE_POINT),
    "probe-not-worse": Threshold(
        -5, "points", FIRST, "One digit in twenty: a code 16 times smaller may cost that much."
    ),
    "error": Threshold(2, "%", FIRST, TWO_PERCENT),
    "error-not-worse": Threshold(-2, "%", FIRST, NOT_WORSE),
    "error-same": Threshold(2, "%", SECOND, "The smallest change of error that counts, to either side."),
    "rises": Threshold(
        1, "% per epoch", SECOND, "Two epochs of it undo the smallest change of error that counts, 2 %."
    ),
    "speed": Threshold(20, "%", SECOND, "A training of five minutes takes one more: less is not felt as slower."),
    "dead": Threshold(1, "points", FIRST, ONE_UNIT),
    "near_zero": Threshold(1, "points", FIRST, ONE_UNIT),
    "vanishing": Threshold(0.25, "decades", FIRST, "A factor of 1.8: a learning rate is rarely known more closely."),
    "psnr": Threshold(1, "dB", FIRST, "A fifth of the squared error: about the least that the eye tells apart."),
    "psnr-noisy": Threshold(3, "dB", FIRST, "Half of the squared error is gone."),
}

CONDITIONS = {
    "did-not-train": Threshold(
        3, "%", SECOND, "So near to the error of the mean digit a network has learned no digit."
    ),
    "converged": Threshold(
        2, "%", SECOND, "The last third of the epochs gained less than the smallest error that counts."
    ),
}

FACTS = {
    "code-rebuilds": Threshold(2, "times", FIRST, "Half of what the mean digit leaves."),
    "code-beats-random": Threshold(3, "points", FIRST, "Three times the smallest gain that counts."),
    "less-error": Threshold(2, "times", FIRST, "16 times the values ought to halve the error at least."),
    "more-class": Threshold(
        15, "points", FIRST, "Two values keep ten classes apart badly: far more than seeds differ."
    ),
    "linear-is-pca": Threshold(
        3, "%", SECOND, "Of PCA's error, to either side: training stops near the optimum, not at it."
    ),
    "relu-bends": Threshold(1.15, "times", FIRST, "Seven times the smallest change of error that counts."),
    "beats-pca-at-8": Threshold(1.15, "times", FIRST, "Seven times the smallest change of error that counts."),
    "manual-parameters": Threshold(185_217, "", FIRST, "The manual's architecture has so many."),
    "manual-code-larger": Threshold(1, "values", FIRST, "Larger is larger."),
    "denoised-beats-noisy": Threshold(5, "dB", FIRST, "Two thirds of the squared error are gone."),
    "beats-median": Threshold(2, "dB", FIRST, "Twice the smallest gain in PSNR that counts."),
    "beats-pca": Threshold(1.5, "dB", FIRST, "More than the smallest gain in PSNR that counts."),
    "compact-keeps-most": Threshold(50, "%", FIRST, "Most is more than half."),
    "learned": Threshold(5, "points", FIRST, "Five times the smallest gain that counts."),
    "nearer": Threshold(2, "points", FIRST, "Twice the smallest gain that counts."),
    "every-trial-once": Threshold(0, "trials", FIRST, "Nothing may be missing."),
    "small-code-worse": Threshold(2, "%", FIRST, "The smallest change of error that counts."),
    "low-rate-slow": Threshold(10, "%", FIRST, "Five times the smallest change of error that counts."),
    "tuning-helps": Threshold(-3, "%", FIRST, "A choice by validation may miss the best by a little."),
    "n2n-biased": Threshold(1, "dB", SECOND, "The smallest gain in PSNR that counts."),
    "n2n-mended": Threshold(0.5, "", SECOND, "Half of what the bias had cost."),
    "blind-ahead": Threshold(0.3, "dB", SECOND, "A mean over all levels: a third of what counts for one."),
    "tweedie": Threshold(1e-6, "of a pixel", SECOND, "What rounding in float64 leaves, and no more."),
    "drawn": Threshold(50, "%", SECOND, "Most is more than half."),
    "spread": Threshold(5, "classes", SECOND, "Half of the ten classes."),
    "no-copies": Threshold(0.5, "", SECOND, "Half as far from its nearest training digit as a test digit is."),
    "varied": Threshold(0.9, "", SECOND, "A tenth less than real digits would hardly be seen."),
    "learns": Threshold(0.5, "dB", SECOND, "Half of the smallest gain in PSNR that counts."),
    "generalises": Threshold(0.5, "dB", SECOND, "Half of the smallest gain in PSNR that counts."),
    "above": Threshold(0.5, "dB", THIRD, "Half of the smallest gain in PSNR that counts."),
    "alarm": Threshold(0.6, "", SECOND, "A coin has 0.5: a fifth of the way to certainty."),
    "alarm-fails": Threshold(0.55, "", SECOND, "A coin has 0.5, and few digits move that by 0.05."),
    "turned": Threshold(0.85, "", SECOND, "Seven tenths of the way from a coin to certainty."),
}
"""The claims of each notebook, in its order. Those of the fourth were set when its prototypes had been seen."""
