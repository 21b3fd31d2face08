"""What the optional fourth notebook needs: its experiments, digits drawn from noise, and what is to be read in both."""

from lab_utils.beyond.explorer import between, explore, halfway, moved
from lab_utils.beyond.sampling import Judge, draw
from lab_utils.beyond.scores import (
    Experiment,
    alarms,
    ceiling,
    clipped_mean,
    clipping,
    denoise,
    intervals,
    left_out,
    memorising,
    psnr,
    transfer,
    tweedie,
    unclipped,
)

__all__ = [
    "Experiment",
    "Judge",
    "alarms",
    "between",
    "ceiling",
    "clipped_mean",
    "clipping",
    "denoise",
    "draw",
    "explore",
    "halfway",
    "intervals",
    "left_out",
    "memorising",
    "moved",
    "psnr",
    "transfer",
    "tweedie",
    "unclipped",
]
