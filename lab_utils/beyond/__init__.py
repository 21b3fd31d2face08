"""What the optional fourth notebook needs: its experiments, digits drawn from noise, and what is to be read in both."""

from lab_utils.beyond.explorer import explore
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
    "clipped_mean",
    "clipping",
    "denoise",
    "draw",
    "explore",
    "left_out",
    "memorising",
    "over_seeds",
    "psnr",
    "transfer",
    "tweedie",
    "unclipped",
]
