"""The picture behind the sliders."""

import numpy as np

from lab_utils import features, figures, noise, training
from lab_utils.figures.described import DescribedFigure


def explore(
    run: training.Run, digits: np.ndarray, kind: str, level: float, first: float = 0.0, second: float = 0.0
) -> DescribedFigure:
    """What a denoiser makes of digits, and what its decoder draws when two values of the code are moved.

    Parameters
    ----------
    run : training.Run
    digits : ndarray, shape (n, 28, 28), uint8 or float in [0, 1]
    kind, level : str, float
        Of the noise, see ``noise.KINDS``.
    first, second : float
        How far the two values of the code that vary most are moved, in standard deviations over these digits.
    """
    clean, noisy = noise.to_unit(digits), noise.corrupt(digits, kind, level, 0)
    codes = features.encode(run.encoder, noisy)
    spread = codes.std(axis=0)
    moved = np.argsort(spread)[::-1][:2]
    codes[:, moved] += np.array([first, second], np.float32) * spread[moved]
    rows = {"noisy": noisy, "denoised": run.denoise(noisy)}
    rows |= {"code moved": training.predict(run.decoder, codes)[..., 0], "clean": clean}
    return figures.digit_rows(rows, title=f"{kind.replace('_', ' ')} noise of level {level:g}".capitalize())
