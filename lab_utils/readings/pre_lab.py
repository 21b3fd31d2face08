"""What is to be read in the results of the pre-lab: one function a result; each says when it is a surprise."""

import pandas as pd
from IPython.display import Markdown

from lab_utils import facts
from lab_utils.figures.described import joined

NEAR = 0.03
"""How near to PCA's error is as good as PCA: the threshold of the fact "linear-is-pca"."""

CHANCE = 1.0
"""Points of accuracy: a smaller difference is no news."""


def purpose(gain: float, accuracy: pd.DataFrame) -> Markdown:
    """How many times smaller the error is than the mean digit's, and the table of ``codes.Experiment.views``."""
    pixels, random, code = accuracy["probe"]
    size = int(accuracy.index[-1].split("-")[0])
    text = (
        f"The code is {784 / size:.1f} times smaller than the digit, and the error is {gain:.1f} times smaller than "
        f"that of the mean digit. A linear probe reads {code:.1f} % of the codes, {code - random:+.1f} points against "
        f"as many random projections, and {pixels:.1f} % of the raw pixels. "
    )
    if gain < 1:
        return Markdown(
            f"{text}**Surprise:** the mean digit, one picture for all, is nearer. It has hardly been trained."
        )
    if code < random:
        return Markdown(
            f"{text}**Surprise:** learned values are read worse than random ones. Was the training so short?"
        )
    if code > pixels + CHANCE:
        return Markdown(f"{text}**Surprise:** the code, which holds less, is read better than the pixels.")
    return Markdown(f"{text}Random values, which nobody learned, keep much of the class, too: they are the yardstick.")


def bottleneck(sizes: pd.DataFrame) -> Markdown:
    """The tables of ``codes.Experiment.autoencoders`` by code size; rows of other methods are left alone."""
    means = sizes[sizes["method"] == "autoencoder"].groupby("code_size")[["mse", "probe"]].mean()
    small, large = means.index[0], means.index[-1]
    middle = means.index[-2]
    lost = means["mse"] / means["mse"].shift(-1)
    gained = 100 * means["probe"].diff()
    step = lost.idxmax()
    after = means.index[means.index.get_loc(step) + 1]
    text = (
        f"From {small} to {large} values the error falls by a factor of {means.mse[small] / means.mse[large]:.1f}, "
        f"most from {step} to {after} ({lost[step]:.2f} times). The linear probe goes from "
        f"{100 * means.probe[small]:.0f} to {100 * means.probe[large]:.0f} %, and its last step, from {middle} to "
        f"{large}, is worth {gained[large]:+.1f} points. "
    )
    if gained[large] < -CHANCE:
        return Markdown(f"{text}**Surprise:** the largest code is read worse than the one before it.")
    if lost[middle] < 1:
        return Markdown(
            f"{text}**Surprise:** the largest code loses more than the one before it: it is not trained out."
        )
    return Markdown(f"{text}More values always help the copy; the class needs few of them.")


def activation(activations: pd.DataFrame, errors: pd.DataFrame) -> Markdown:
    """The table of ``codes.Experiment.autoencoders`` by activation, and ``codes.errors``, where PCA is the last row."""
    pca_name, error = errors.index[-1], errors["mse"]
    linear, pca = error["linear"], error[pca_name]
    bent = error.drop(["linear", pca_name]).sort_values()
    seeds = activations["seed"].nunique()
    text = (
        f"Without an activation the error is {linear:.4f}, {linear / pca:.2f} times PCA's {pca:.4f}: "
        + (
            "that is PCA, found the slow way. "
            if abs(linear / pca - 1) <= NEAR
            else "the training has not come so far. "
        )
        + f"With {bent.index[0]} it is {bent.iloc[0]:.4f} (means over {seeds} seeds). "
    )
    if bent.iloc[0] > linear:
        return Markdown(f"{text}**Surprise:** no activation bends well enough to beat the flat subspace.")
    worse = [f"{name} ({value:.4f})" for name, value in bent.items() if value > linear]
    if worse:
        return Markdown(
            f"{text}**Surprise:** {joined(worse)} is *worse* than no activation at all. An activation makes more "
            "possible; whether training finds it, at one learning rate for all, is another matter, as the curves show."
        )
    return Markdown(f"{text}All of them beat the flat subspace.")


def pca_table(ratios: pd.DataFrame) -> Markdown:
    """``codes.ratios`` as a table, with the name of the method that has the smaller error."""
    winner = (ratios["ratio"] > 1).map({True: "autoencoder", False: "PCA"})
    table = ratios.assign(smaller=winner).rename(columns={"smaller": "smaller error"}).rename_axis("code size")
    return Markdown(facts.table(table, floatfmt=("", ".4f", ".4f", ".2f", "")))


def against_pca(ratios: pd.DataFrame) -> Markdown:
    """``codes.ratios`` in words."""
    best, worst = ratios["ratio"].idxmax(), ratios["ratio"].idxmin()
    lost = [f"{size}" for size in ratios.index[ratios["ratio"] < 1]]
    text = f"The autoencoder does best at {best} values: PCA's error is {ratios.ratio[best]:.2f} times its own. "
    if not lost:
        return Markdown(f"{text}It is ahead at every size here, least at {worst} ({ratios.ratio[worst]:.2f}).")
    where = f"at {worst} " if len(lost) > 1 else ""
    return Markdown(
        f"{text}**Surprise** for whoever thinks that the newer method wins: at {joined(lost)} values PCA is "
        f"better, {where}by a factor of {1 / ratios.ratio[worst]:.1f}. PCA is solved exactly, in one step; the "
        "network would have to learn what PCA is given."
    )
