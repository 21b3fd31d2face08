"""What is to be read in the results of the fourth notebook: one function a result; each says when it is a surprise."""

import numpy as np
import pandas as pd
from IPython.display import Markdown

from lab_utils.metrics import Interval, mean_interval, paired_interval
from lab_utils.readings.words import told

LEVEL = 0.3
"""Decibels that a fourfold training of twice the channels must gain to count as climbing."""


def noise2noise(psnr: dict[str, list[float]], cap: float) -> Markdown:
    """PSNR (dB) per seed by targets, and that of perfect digits seen through the clipping."""
    clean, noisy, inverted = (psnr[name] for name in ("clean", "noisy", "noisy, inverted"))
    text = (
        f"Noisy targets cost {told(paired_interval(clean, noisy), 'dB')}. A network that learns the mean of clipped "
        f"targets cannot pass {cap:.1f} dB, however long it trains. With the known bias inverted the same weights gain "
        f"{told(paired_interval(inverted, noisy), 'dB')}. "
    )
    if np.mean(inverted) <= np.mean(noisy):
        return Markdown(
            text + "**Surprise:** the inversion does not help. Is the noise so weak that little is clipped?"
        )
    rest = told(paired_interval(clean, inverted), "dB")
    return Markdown(
        f"{text}Still missing is {rest}: the price of noise in the targets in so short a training, and of an inversion "
        "that is exact only where a pixel is certain."
    )


def blind(facing: pd.DataFrame) -> Markdown:
    """The table of ``scores.transfer`` for a denoiser "blind" and others, each named "knows" and its level."""
    table = facing.pivot_table("psnr", "seed", ["denoiser", "level"])
    average = table.T.groupby("denoiser").mean().T
    specialists = average.columns.drop("blind")
    home = {name: float(name.removeprefix("knows ")) for name in specialists}
    ahead = pd.DataFrame({name: table[name, level] - table["blind", level] for name, level in home.items()})
    best = average[specialists].mean().idxmax()
    gain = paired_interval(average["blind"], average[best])
    text = (
        f"On the level that it knows, a specialist is ahead by {told(mean_interval(ahead.mean(axis=1)), 'dB')}. "
        f"Averaged over all levels, the blind denoiser is ahead of the best of them, the one that *{best}*, by "
        f"{told(gain, 'dB')}. "
    )
    if gain.mean <= 0:
        return Markdown(text + "**Surprise:** one level is a better school than all of them.")
    least = ahead.mean().idxmin()
    behind = mean_interval(-ahead[least])
    if behind.low > 0:
        text += f"**Surprise:** even there, the one that *{least}* is behind, by {told(behind, 'dB')}. "
    worst = facing.groupby(["denoiser", "level"])["psnr"].mean().idxmin()
    return Markdown(text + f"The worst of all is the one that *{worst[0]}*, at level {worst[1]:g}.")


def tweedie(uphill: np.ndarray, mean: np.ndarray, network: np.ndarray, clean: np.ndarray) -> Markdown:
    """The two sides of Tweedie's identity for noisy digits, a network's estimate, and the clean digits."""
    apart = np.abs(uphill - mean).max()
    text = f"The two sides differ by at most {apart:.0e} of a pixel. "
    if apart > 1e-6:
        return Markdown(text + "**Surprise:** that is more than rounding. Is the level the one of the noise?")
    errors = [np.sqrt(np.mean((guess - clean) ** 2)) for guess in (mean, network)]
    return Markdown(
        f"{text}Whoever can denoise knows the slope of log p, without ever having written p down. But of *which* p? "
        f"On these new digits, that of the given digits alone leads to a root mean squared error of {errors[0]:.2f}, "
        f"that of the network to {errors[1]:.2f}."
    )


def drawn(judged: pd.DataFrame) -> Markdown:
    """The table of ``Judge.table`` with sets "seed ..." that were drawn, "one step" and "real digits"."""
    sets = judged[judged.index.str.startswith("seed")]
    real, start = judged.loc["real digits"], judged.loc["one step"]
    share, classes, distance = (mean_interval(sets[name]) for name in ("recognised", "classes", "distance"))
    text = (
        f"The judge recognises {told(Interval(*(100 * value for value in share)), '%', '.0f')} of what was drawn, "
        f"{100 * real.recognised:.0f} % of real digits and {100 * start.recognised:.0f} % of what one step makes of "
        f"noise. What was drawn spreads over {told(classes, 'classes', '.1f')}, real digits over {real.classes:.1f}; "
        f"the most frequent class of a seed takes {100 * sets['largest'].mean():.0f} %. "
    )
    if share.mean > real.recognised:
        text += "**Surprise:** drawn digits are *easier* to recognise than real ones: typical, where people vary. "
    text += (
        f"From the nearest training digit they are {told(distance, form='.1f')} away, real ones {real.distance:.1f}: "
    )
    text += "**surprise**, so near they are copies. " if distance.mean < real.distance / 2 else "they are no copies. "
    apart = mean_interval(sets["apart"])
    text += f"From each other they are {told(apart, form='.1f')} away, real ones {real.apart:.1f}: "
    repeated = apart.mean < real.apart / 3
    return Markdown(text + ("**surprise**, they repeat themselves." if repeated else "the less, the less varied."))


def memorising(memory: pd.DataFrame) -> Markdown:
    """The table of ``scores.memorising``."""
    least, most = memory["given"].min(), memory["given"].max()
    psnr = memory.groupby(["given", "curve"])["psnr"].apply(np.array)
    lost = paired_interval(psnr[least, "network, known digits"], psnr[least, "network, new digits"])
    ahead = {
        given: mean_interval(psnr[given, "network, new digits"] - psnr[given, "posterior mean, new digits"])
        for given in (least, most)
    }
    text = (
        f"On the {least:,} digits that it was given the posterior mean is all but perfect "
        f"({psnr[least, 'posterior mean, known digits'][0]:.0f} dB). The network is {told(lost, 'dB')} better on them "
        f"than on new ones. On new digits it is ahead of the posterior mean by {told(ahead[least], 'dB')} where both "
        f"were given {least:,}, and by {told(ahead[most], 'dB')} where both were given {most:,}. "
    )
    if ahead[least].low <= 0:
        return Markdown(text + "**Surprise:** memory is as good as learning, even where there is little to remember.")
    if ahead[most].low <= 0:
        return Markdown(text + "With many digits, remembering catches up with so short a training.")
    return Markdown(text + "The exact answer for the wrong density loses to a rough answer for a better one.")


def ceiling(stairs: pd.DataFrame) -> Markdown:
    """The table of ``scores.ceiling``."""
    names = list(stairs["denoiser"].unique())
    psnr = {name: group.to_numpy() for name, group in stairs.groupby("denoiser")["psnr"]}
    dense, memory, *_, before, largest = names
    best = psnr[largest]
    ahead = {name: paired_interval(best, psnr[name]) for name in (dense, memory)}
    climbed = paired_interval(best, psnr[before])
    text = (
        f"The largest reference has {told(mean_interval(best), 'dB')}. It is ahead of the dense network by "
        f"{told(ahead[dense], 'dB')} and of the posterior mean by {told(ahead[memory], 'dB')}. The step before it is "
        f"behind by {told(climbed, 'dB')}. "
    )
    if min(gain.low for gain in ahead.values()) <= 0:
        return Markdown(text + "**Surprise:** with no code to go through, it is no better than both. Too short?")
    if climbed.low > LEVEL:
        return Markdown(text + "It is still climbing: the ceiling is likely higher, and nothing here says by how much.")
    return Markdown(
        f"{text}A step that gains {LEVEL:g} dB or less may be near the ceiling, of this architecture and these digits."
    )


def anomalies(odd: pd.DataFrame) -> Markdown:
    """The table of ``scores.left_out``."""
    auroc, best, worst = odd["auroc"], odd["auroc"].idxmax(), odd["auroc"].idxmin()
    text = (
        f"Over {len(odd)} classes, each left out once, the AUROC is {told(mean_interval(auroc))}: from "
        f"{auroc[worst]:.2f} for the {worst} to {auroc[best]:.2f} for the {best}. For turned digits it is "
        f"{told(mean_interval(odd['turned']))}. "
    )
    if "other" in odd:
        text += f"For the other images it is {told(mean_interval(odd['other']))}. "
        if odd["other"].mean() < 0.5:
            text += "**Surprise:** they are drawn better than digits. "
    else:
        text += "For garments or letters, give `other_images` the path of a file of them. "
    if auroc[worst] < 0.5:
        return Markdown(
            f"{text}**Surprise:** a network that has never seen the {worst} draws it *better* than the digits that it "
            "knows. The error says how hard a digit is to draw before it says how strange it is."
        )
    return Markdown(text + "No class is missed altogether, but the alarm is far surer of some than of others.")


def between(halfway: pd.DataFrame, judged: pd.DataFrame) -> Markdown:
    """The table of ``explorer.halfway``, and that of ``Judge.table`` with "real digits"."""
    real = judged.loc["real digits"]
    by_seed = halfway.pivot(index="seed", columns="where", values=["recognised", "distance"])
    share = mean_interval(100 * by_seed["recognised", "in code"])
    more = paired_interval(100 * by_seed["recognised", "in code"], 100 * by_seed["recognised", "in pixels"])
    nearer = paired_interval(by_seed["distance", "in pixels"], by_seed["distance", "in code"])
    text = (
        f"Halfway in code the judge recognises {told(share, '%', '.0f')}, halfway in pixels "
        f"{100 * by_seed['recognised', 'in pixels'].mean():.0f} %, less by {told(more, '%', '.0f')}, and "
        f"{100 * real.recognised:.0f} % of real digits. "
        f"The nearest training digit is {by_seed['distance', 'in code'].mean():.1f} away from what lies halfway in "
        f"code, {by_seed['distance', 'in pixels'].mean():.1f} from what lies halfway in pixels: the way through the "
        f"codes keeps nearer to digits by {told(nearer, form='.1f')}. "
    )
    if nearer.low <= 0:
        return Markdown(text + "**Surprise:** to blend two pictures does as well, or there are too few seeds to tell.")
    if share.mean < 100 * real.recognised / 2:
        return Markdown(text + "**Surprise:** nearer, and still no digit, for the most part.")
    if more.low <= 0:
        return Markdown(text + "Nearer, but whether more of it can be read, so few seeds do not tell.")
    return Markdown(text + "A blend of pictures has the strokes of both; a blend of codes bends one into the other.")
