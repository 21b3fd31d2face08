"""What the optional fourth notebook needs: its experiments, digits drawn from noise, and what is to be read in both."""

from lab_utils.beyond.explorer import between, explore, halfway, moved
from lab_utils.beyond.sampling import Judge, draw
from lab_utils.beyond.scores import (
    Experiment,
    clipped_mean,
    clipping,
    denoise,
    left_out,
    memorising,
    over_seeds,
    psnr,
    transfer,
    tweedie,
    unclipped,
)

__all__ = [
    "Experiment",
    "Judge",
    "between",
    "clipped_mean",
    "clipping",
    "denoise",
    "draw",
    "explore",
    "halfway",
    "left_out",
    "memorising",
    "moved",
    "over_seeds",
    "psnr",
    "transfer",
    "tweedie",
    "unclipped",
]
