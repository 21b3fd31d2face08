"""What is to be read in the results of the in-lab: one function a result; each says when it is a surprise."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from IPython.display import Markdown

from lab_utils import facts, metrics
from lab_utils.readings.words import counted, told

if TYPE_CHECKING:  # TensorFlow takes two seconds to import, and a sentence does not need it
    from lab_utils.training import Run

AUTOENCODER = "manual's autoencoder"
LEARNERS = ("PCA projection", "PCA, shrunk", "linear (ridge)", "posterior mean")
"""Methods without a network that learn from digits, as ``baselines`` names them."""


def program(
    clean: np.ndarray,
    noisy: np.ndarray,
    denoised: np.ndarray,
    history: Mapping[str, Sequence[float]],
    codes: np.ndarray,
) -> Markdown:
    """Program 1 as it stands: digits, (n, 28, 28, 1), the ``history`` of Keras' ``fit``, and codes, (n, size)."""
    clean, noisy, denoised = (digits[..., 0] for digits in (clean, noisy, denoised))
    before, after = (metrics.psnr(clean, digits).mean() for digits in (noisy, denoised))
    text = (
        f"After {counted(len(history['loss']), 'pass', 'passes')} the PSNR of the test digits has gone from "
        f"{before:.1f} to **{after:.1f}** dB. "
    )
    if after <= before + 1:
        return Markdown(text + "**Surprise:** the network hardly denoises. Were the noisy digits the target, too?")
    left = 100 * 10 ** ((before - after) / 10)
    floor = metrics.bce(clean, clean).mean()
    alike = np.corrcoef(codes[:100])[np.triu_indices(len(codes[:100]), 1)].mean()
    text += (
        f"That leaves {left:.0f} % of the squared error. The loss of {history['val_loss'][-1]:.3f} is not to be "
        "compared with 0: grey pixels are no events, and the clean digits themselves, given as the answer, would "
        f"have a binary cross-entropy of {floor:.3f}. And the feature set? The codes of two digits correlate by "
        f"{alike:.2f} on average: "
    )
    if alike < 0.3:
        return Markdown(text + "**surprise**, they hardly resemble each other, and the strips ought to be told apart.")
    return Markdown(text + "most of what is drawn is the same for every digit, and the strips do not say which it is.")


def denoised(before: pd.DataFrame, after: pd.DataFrame, runs: Sequence["Run"]) -> Markdown:
    """The quality of test digits (``metrics.quality``) before and after, and the runs, of which the first did it."""
    gain = metrics.paired_interval(after["psnr"], before["psnr"])
    passes = counted(len(runs[0].history["val_psnr"]), "pass", "passes")
    text = (
        f"After {passes} the PSNR of {counted(len(after), 'test digit')} goes from "
        f"{before['psnr'].mean():.2f} to **{after['psnr'].mean():.2f} dB**: by {told(gain, 'dB')}. SSIM goes from "
        f"{before['ssim'].mean():.2f} to {after['ssim'].mean():.2f}. "
    )
    if gain.low <= 0 or np.isnan(gain.low):
        return Markdown(text + "**Surprise:** nothing is gained. Is the noise so weak that there is nothing to undo?")
    ends = [run.history["val_psnr"][-1] for run in runs]
    if len(ends) > 1:
        text += (
            f"The seeds end {max(ends) - min(ends):.2f} dB apart on validation digits: the interval over digits does "
            "not know of that."
        )
    return Markdown(text)


def denoisers(scores: pd.DataFrame) -> Markdown:
    """The table of the methods, one row of ``metrics.summary`` each, and what is to be read in it."""
    ordered = scores.sort_values("psnr", ascending=False).astype(float)
    columns = {
        "PSNR, dB": ordered["psnr"].map("{:.2f}".format),
        "95 % interval": ordered["psnr_low"].map("{:.2f}".format) + " to " + ordered["psnr_high"].map("{:.2f}".format),
        "PSNR of the mean error": (-10 * np.log10(ordered["mse"])).map("{:.2f}".format),
        "SSIM": ordered["ssim"].map("{:.3f}".format),
        "MSE": ordered["mse"].map("{:.4f}".format),
        "BCE": ordered["bce"].map("{:.3f}".format),
    }
    table = facts.table(pd.DataFrame(columns).rename_axis("method"), disable_numparse=True)
    others = scores.drop(index=[AUTOENCODER, "noisy"])["psnr"].astype(float)
    filters = others.drop(index=[name for name in LEARNERS if name in others])
    ahead = scores["psnr"][AUTOENCODER] - others.max()
    text = f"The best method without a network is *{others.idxmax()}* with {others.max():.2f} dB; "
    if ahead <= 0:
        text += (
            f"the autoencoder is {-ahead:.2f} dB behind. **Surprise:** this network does not pay, or is not trained. "
        )
    else:
        text += (
            f"the autoencoder is {ahead:.2f} dB ahead of it. Whoever compares with filters alone sees a lead of "
            f"{scores['psnr'][AUTOENCODER] - filters.max():.2f} dB (over *{filters.idxmax()}*). "
        )
    fair = "median, recalibrated"
    if {fair, "median"} <= set(others.index):
        text += f"The straight line alone is worth {others[fair] - others['median']:.2f} dB to the median filter."
    return Markdown(f"{table}\n\n{text.strip()}")


def failures(psnr: pd.Series, labels: np.ndarray, clean: np.ndarray) -> Markdown:
    """PSNR (dB) of denoised test digits, their classes, and the clean digits."""
    by_class = psnr.groupby(labels).mean()
    ink = np.corrcoef(clean.mean(axis=(1, 2)), psnr)[0, 1]
    text = (
        f"Between the best and the worst digit lie {psnr.max() - psnr.min():.0f} dB. Easiest is the "
        f"{by_class.idxmax()} ({by_class.max():.1f} dB), hardest the {by_class.idxmin()} ({by_class.min():.1f} dB). "
    )
    if ink >= 0:
        return Markdown(text + f"**Surprise:** digits of more ink are no harder (correlation with PSNR {ink:+.2f}).")
    return Markdown(
        f"{text}Digits of more ink are harder, but ink alone explains only {100 * ink**2:.0f} % of the differences "
        f"(correlation with PSNR {ink:+.2f}): the shape matters, and where the noise happens to fall."
    )


def maps(codes: np.ndarray) -> Markdown:
    """Codes of noisy test digits as maps, shape (n, height, width, channels)."""
    values, channels = codes[0].size, codes.shape[-1]
    zero = 100 * np.mean(codes == 0)
    dead = int((codes.max(axis=(0, 1, 2)) <= 0).sum())
    text = f"{zero:.0f} % of all code values are 0, and {dead} of the {channels} channels are silent on every digit. "
    if dead == 0 and zero < 20:
        return Markdown(text + "**Surprise:** nearly everything is active. Has the network been trained at all?")
    pixels = 28 * 28
    return Markdown(
        f"{text}*Compressed* is the wrong word even so: {values:,} values stand for {pixels} pixels, "
        f"{values / pixels:.0f} times as many, and those that are not 0 are still "
        f"{(1 - zero / 100) * values:,.0f}."
    )


def compact(manual: pd.Series, small: pd.Series, gain: float, code_size: int, manual_code: int) -> Markdown:
    """PSNR (dB) of test digits through the manual's code and a small one, and the gain (dB) of the first over noisy."""
    lost = metrics.paired_interval(manual, small)
    text = f"A code of {counted(code_size, 'value')} instead of {manual_code:,} costs {told(lost, 'dB')}: "
    if lost.high < 0:
        return Markdown(
            f"{text}**surprise**, the small code denoises *better*. Was the large network trained long enough?"
        )
    kept = 100 * (1 - lost.mean / gain)
    if kept < 50:
        return Markdown(f"{text}only {kept:.0f} % of the gain is kept. So few values are too few for a digit.")
    return Markdown(
        f"{text}{kept:.0f} % of the gain is kept, by {28 * 28 / code_size:.0f} times fewer values than pixels. "
        "This is compression; and most of what the large network does, it does not owe to its large code."
    )


def worth(noisy: pd.DataFrame, clean: pd.DataFrame, curves: pd.DataFrame) -> Markdown:
    """What every representation is worth: a table, and what is to be read in it.

    Parameters
    ----------
    noisy, clean : DataFrame
        ``features.compare`` of the representations of noisy and of clean digits.
    curves : DataFrame
        ``features.label_curves`` of the noisy digits.
    """
    few = few_labels(curves)
    most = int(curves["labels"].max())
    columns = {
        "linear probe": noisy["linear_probe"],
        "SVM": noisy["svm"],
        "k-NN": noisy["knn"],
        "k-means": noisy["kmeans"],
        "ARI": noisy["ari"],
        f"probe, {most} labels": few.mean().reindex(noisy.index),
        "probe, clean": clean["linear_probe"],
        "k-NN, clean": clean["knn"],
    }
    shown = pd.DataFrame(columns).map("{:.3f}".format).replace("nan", "–").rename_axis("noisy digits")
    table = facts.table(shown, disable_numparse=True)
    small, pca = 100 * noisy["linear_probe"], next(name for name in noisy.index if name.startswith("PCA"))
    text = (
        f"From noisy digits a linear probe reads {small['denoising']:.1f} % in the denoising code, "
        f"{small['plain']:.1f} % in the plain one, {small[pca]:.1f} % in {pca}, {small['untrained']:.1f} % in the "
        f"untrained code and {small['raw pixels']:.1f} % in the pixels. With {most} labels the denoising code is ahead "
        f"of the plain one by {told(_ahead(few, 'plain'), 'points', '.1f')} and of {pca} by "
        f"{told(_ahead(few, pca), 'points', '.1f')}, over draws of the labels. "
    )
    if min(_ahead(few, "plain").mean, _ahead(few, pca).mean) <= 0:
        text += "**Surprise:** with few labels the denoising code does not pay. "
    return Markdown(f"{table}\n\n{text}\n\n{_masking(100 * clean['linear_probe'])}")


def gains(noisy: pd.DataFrame) -> tuple[float, float]:
    """What training adds to the linear probe, and the manual's code to k-NN over pixels: in points, on noisy digits."""
    probe, knn = 100 * noisy["linear_probe"], 100 * noisy["knn"]
    return probe["denoising"] - probe["untrained"], knn["manual's 6,272"] - knn["raw pixels"]


def few_labels(curves: pd.DataFrame) -> pd.DataFrame:
    """Accuracy at the most labels of ``features.label_curves``: a row for each draw, a column a representation."""
    return curves[curves["labels"] == curves["labels"].max()].pivot(
        index="draw", columns="representation", values="accuracy"
    )


def _ahead(few: pd.DataFrame, other: str) -> metrics.Interval:
    """By how many points the denoising code is read better than another."""
    return metrics.paired_interval(100 * few["denoising"], 100 * few[other])


def _masking(clean: pd.Series) -> str:
    """What the two corruptions are worth where theory compares them: on clean digits."""
    differ = clean["masking"] - clean["denoising"]
    text = (
        f"On *clean* digits, of which the theory speaks, the code trained against masking is read "
        f"{abs(differ):.1f} points {'better' if differ > 0 else 'worse'} than the one trained against the noise above "
        f"({clean['masking']:.1f} and {clean['denoising']:.1f} %; plain: {clean['plain']:.1f} %). "
    )
    if differ <= 0:
        return text + "**Surprise:** masking does not help here."
    if clean["denoising"] > clean["plain"]:
        return text + "Both help beside no noise at all."
    return text + "The additive noise does not help beside no noise at all, as the theory says."
