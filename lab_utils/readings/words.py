"""Numbers as a sentence says them."""

from lab_utils.metrics import Interval


def told(interval: Interval, unit: str = "", form: str = ".2f") -> str:
    """A mean in bold with its interval: "**1.20** dB (95 % interval 1.10 to 1.30)"; without one, the mean alone."""
    mean, low, high = (f"{value:{form}}" for value in interval)
    between = "" if low == "nan" else f" (95 % interval {low} to {high})"
    return f"**{mean}**{unit and f' {unit}'}{between}"


def counted(count: int, one: str, many: str = "") -> str:
    """How many, with the word that fits: "1 pass", "2 passes"."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
