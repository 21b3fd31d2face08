"""A code is a point: what the decoder draws where no digit has put one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lab_utils import features, figures, noise, training
from lab_utils.beyond.sampling import Judge
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
    places, spread = _liveliest(codes, 2)
    codes[:, places] += np.array([first, second], np.float32) * spread
    rows = {"noisy": noisy, "denoised": run.denoise(noisy)}
    rows |= {"code moved": _drawn(run, codes), "clean": clean}
    return figures.digit_rows(rows, title=f"{kind.replace('_', ' ')} noise of level {level:g}".capitalize())


def moved(run: training.Run, digit: np.ndarray, digits: np.ndarray, values: int = 5) -> dict[str, np.ndarray]:
    """What the decoder draws when one value of a digit's code is moved, for each of the values that vary most.

    Parameters
    ----------
    run : training.Run
    digit : ndarray, shape (28, 28), float in [0, 1]
    digits : ndarray, shape (n, 28, 28), float in [0, 1]
        Over these the values' standard deviations are taken.
    values : int
        How many values are moved.

    Returns
    -------
    dict of str to ndarray, shape (9, 28, 28)
        By the name of the value: it goes from 4 standard deviations less than it is to 4 more.
    """
    places, spread = _liveliest(features.encode(run.encoder, digits), values)
    code = features.encode(run.encoder, digit[None])
    rows = {}
    for place, deviation in zip(places, spread, strict=True):
        codes = np.repeat(code, 9, axis=0)
        codes[:, place] += np.linspace(-4, 4, 9, dtype=np.float32) * deviation
        rows[f"value {place}"] = _drawn(run, codes)
    return rows


def between(run: training.Run, start: np.ndarray, end: np.ndarray, steps: int = 9) -> dict[str, np.ndarray]:
    """A straight way from one digit to another, through the codes and through the pixels.

    Parameters
    ----------
    run : training.Run
    start, end : ndarray, shape (28, 28) or (n, 28, 28), float in [0, 1]
    steps : int
        Digits on the way, both ends among them.

    Returns
    -------
    dict of str to ndarray, shape (steps, 28, 28) or (steps, n, 28, 28)
        "in code" and "in pixels".
    """
    ends = [np.reshape(each, (-1, 28, 28)) for each in (start, end)]
    first, last = (features.encode(run.encoder, each) for each in ends)
    parts = np.linspace(0, 1, steps, dtype=np.float32)
    drawn = [_drawn(run, (1 - part) * first + part * last) for part in parts]
    faded = [(1 - part) * ends[0] + part * ends[1] for part in parts]
    shape = steps, *np.shape(start)
    return {"in code": np.reshape(drawn, shape), "in pixels": np.reshape(faded, shape)}


def halfway(runs: Sequence[training.Run], digits: np.ndarray, judge: Judge) -> pd.DataFrame:
    """What a judge says of digits halfway between pairs, for the codes of each run and for pixels.

    Parameters
    ----------
    runs : sequence of training.Run
    digits : ndarray, shape (2 n, 28, 28), float in [0, 1]
        The first half is paired with the second.
    judge : Judge

    Returns
    -------
    DataFrame
        A row for "in code" and "in pixels" of each run: ``where``, ``seed``, and the columns of ``Judge.table``.
    """
    half = len(digits) // 2
    tables = []
    for run in runs:
        ways = between(run, digits[:half], digits[half : 2 * half], steps=3)
        table = judge.table({where: way[1] for where, way in ways.items()})
        tables.append(table.rename_axis("where").reset_index().assign(seed=run.recipe.seed))
    return pd.concat(tables, ignore_index=True)


def _liveliest(codes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of the code that vary most, and their standard deviations."""
    spread = codes.std(axis=0)
    places = np.argsort(spread)[::-1][:count]
    return places, spread[places]


def _drawn(run: training.Run, codes: np.ndarray) -> np.ndarray:
    return training.predict(run.decoder, codes)[..., 0]
