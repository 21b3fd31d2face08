"""Every figure says what it shows: computed from its data, without colour alone, and kept in the notebook."""

import re
from collections.abc import Callable
from dataclasses import asdict

import matplotlib.colors
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest

from lab_utils import figures
from lab_utils.data import load_mnist
from lab_utils.figures.described import LONGEST_ALT, DescribedFigure, joined, plain_alt
from lab_utils.figures.style import COLOURS, GREY
from lab_utils.noise import corrupt
from lab_utils.study import tables
from lab_utils.study.space import grid_settings, one_factor_settings
from lab_utils.training import Recipe, Run

CLEAN = load_mnist("embedded").test.digits[:10].astype("float32") / 255
LABELS = np.repeat(np.arange(10), 20)
SCORES = {"error": "MSE per pixel", "probe": "linear probe", "ari": "ARI of k-means"}
Draw = Callable[[int], DescribedFigure]


def numbers(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def run_of(seed: int, epochs: int = 4) -> Run:
    psnr = 12 + np.cumsum(numbers(seed).random(epochs))
    curve = [(500 * step, 0.3 / step) for step in range(1, 4 * epochs + 1)]
    history = {"loss": [0.2] * epochs, "val_loss": list(10 ** (-psnr / 10)), "val_psnr": list(psnr)}
    return Run(None, Recipe(), history, curve, seconds=10.0 + seed)


def trials_of(seed: int) -> pd.DataFrame:
    """A study's results as ``study.tables`` takes them, with scores that were drawn instead of trained."""
    settings = [("one-factor", varied, setting, s) for varied, setting in one_factor_settings() for s in (1, 2, 3)]
    settings += [(name, "", setting, 1) for name in ("grid", "random", "tpe") for setting in grid_settings(seed)[:6]]
    draw = numbers(seed)
    rows = []
    for number, (stage, varied, setting, of_seed) in enumerate(settings):
        error = 0.02 + 0.02 * draw.random() + 0.02 * (setting.learning_rate > 0.01)
        curve = list(error * np.linspace(2, 1, 4))
        scores = {"error": error, "probe": 0.9 - 5 * error, "ari": 0.3 + draw.random() / 9, "curve": curve}
        told = {"stage": stage, "trial": number % 6, "state": "complete", "varied": varied, "seed": of_seed}
        rows.append(told | asdict(setting) | scores | {"diverged": setting.learning_rate > 0.01})
    return pd.DataFrame(rows).reindex(columns=list(tables.COLUMNS))


def quality_table(seed: int) -> pd.DataFrame:
    psnr = pd.Series(9 + 9 * numbers(seed).random(4), ["noisy", "3x3 median", "PCA", "manual's autoencoder"])
    return pd.DataFrame({"psnr": psnr, "psnr_low": psnr - 0.4, "psnr_high": psnr + 0.4})


def sizes_table(seed: int) -> pd.DataFrame:
    rows = [(name, size, s) for name in ("autoencoder", "PCA") for size in (2, 8, 32, 128) for s in (1, 2)]
    table = pd.DataFrame(rows, columns=["method", "code_size", "seed"])
    noise = numbers(seed).random(len(table))
    return table.assign(mse=0.05 / np.sqrt(table["code_size"]) * (1 + noise), probe=0.5 + 0.4 * noise)


def rows_of_digits(seed: int) -> DescribedFigure:
    noisy, denoised = (corrupt(CLEAN, "gaussian", level, seed) for level in (0.5, 0.1))
    rows = {"noisy": noisy, "denoised": denoised, "clean": CLEAN}
    under = {"denoised": [f"{psnr:.1f} dB\n0.51" for psnr in np.linspace(14, 20, 10)]}
    return figures.digit_rows(rows, under, "Test digits before and after")


def units(seed: int) -> DescribedFigure:
    rows = {f"unit {unit}\n(−3.1 points)": numbers(seed + unit).permutation(CLEAN) for unit in (4, 7)}
    rows["unit 9"] = corrupt(CLEAN, "gaussian", 0.1 * seed, seed)
    return figures.digit_rows(rows, title="The digits that activate a unit most")


def maps(seed: int) -> DescribedFigure:
    codes = np.maximum(numbers(seed).normal(size=(7, 7, 128)) - numbers(1).random(128) * 4, 0)
    return figures.feature_maps(CLEAN[3], codes, "Code maps of a 3")


def means(seed: int) -> DescribedFigure:
    codes = numbers(seed).normal(size=(200, 40)) + (LABELS[:, None] == np.arange(40) % 10)
    return figures.class_means(codes, LABELS, "Which channels respond to which digit")


def matrix(seed: int) -> DescribedFigure:
    names = ["gaussian", "salt and\npepper", "masking", "speckle"]
    table = pd.DataFrame(9 + 9 * numbers(seed).random((4, 4)), names, names)
    return figures.heat_table(table, "PSNR (dB)", "Kind of noise, level 0.5", "tested on", "trained on")


def lines(seed: int) -> DescribedFigure:
    panels = {"mse": "validation MSE per pixel", "probe": "linear probe accuracy"}
    return figures.lines(sizes_table(seed), "code_size", panels, "method", xlabel="code size", title="A larger code")


def curves(seed: int) -> DescribedFigure:
    trials = trials_of(seed)
    table = tables.learning_curves(trials[trials["varied"].isin(["learning_rate", "base"])])
    return figures.learning_curves(table, "Validation error of the trials with other learning rates")


def effect(name: str) -> Draw:
    def draw(seed: int) -> DescribedFigure:
        trials = trials_of(seed)
        return figures.hyperparameter_effect({s: tables.effects(trials, s) for s in SCORES}, name, SCORES)

    return draw


DRAWN: dict[str, Draw] = {
    "bars": lambda seed: figures.bars(
        quality_table(seed), "psnr", "PSNR (dB)", "Who denoises best?", reference="noisy"
    ),
    "class_means": means,
    "digit_rows": rows_of_digits,
    "digit_rows, units": units,
    "error_against_accuracy": lambda seed: figures.error_against_accuracy(t := trials_of(seed), tables.pareto(t)),
    "feature_maps": maps,
    "heat_table": matrix,
    "hyperparameter_effect": effect("batch_size"),
    "hyperparameter_effect, regularization": effect("regularization"),
    "importance": lambda seed: figures.importance(tables.importance(trials_of(seed))),
    "learning_curves": curves,
    "lines": lines,
    "parallel_coordinates": lambda seed: figures.parallel_coordinates(trials_of(seed).query("varied == ''")),
    "search_progress": lambda seed: figures.search_progress(tables.best_so_far(trials_of(seed))),
    "training_curves": lambda seed: figures.training_curves({"manual's model": run_of(seed)}, "It learns to denoise"),
}


@pytest.fixture(scope="module", autouse=True)
def style():
    figures.use_style()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_every_figure_is_tested():
    assert {name.split(",")[0] for name in DRAWN} == set(figures.__all__) - {"use_style"}


@pytest.mark.parametrize("name", DRAWN)
def test_it_says_what_it_shows(name, capfd, recwarn):
    figure, again, other = (DRAWN[name](seed) for seed in (1, 1, 2))
    figure.canvas.draw()
    for text in (figure.alt, figure.caption):
        assert re.search(r"\d", text) and text.endswith(".") and "\n" not in text and "nan" not in text
    assert 60 < len(figure.alt) < 500 and 40 < len(figure.caption) < 400
    assert (figure.alt, figure.caption) == (again.alt, again.caption)
    assert figure.alt != other.alt, "the number is not of the data"
    assert capfd.readouterr().err == "" and not recwarn.list


def test_no_two_figures_have_the_same_texts():
    drawn = [draw(1) for draw in DRAWN.values()]
    assert len({figure.alt for figure in drawn}) == len({figure.caption for figure in drawn}) == len(drawn)


@pytest.mark.parametrize("name", DRAWN)
def test_it_is_read_in_grey_and_its_axes_have_names(name):
    figure = DRAWN[name](1)
    figure.canvas.draw()
    assert not any(axis.get_legend() for axis in figure.axes), "a legend lies on the data"
    allowed = {matplotlib.colors.to_hex(colour).upper() for colour in (*COLOURS, GREY)}
    for axis in figure.axes:
        for side in (axis.xaxis, axis.yaxis) if axis.axison else ():
            has_numbers = any(re.fullmatch(r"[−\d.,]+", tick.get_text()) for tick in side.get_ticklabels())
            assert side.get_label_text() or not has_numbers
        named = [line for line in axis.lines if not line.get_label().startswith("_")]
        looks = {(line.get_linestyle(), line.get_marker()) for line in named}
        assert len(looks) == len(named), "colour alone tells two lines apart"
        assert {matplotlib.colors.to_hex(line.get_color()).upper() for line in named} <= allowed


def test_hyperparameters_stand_in_order_with_the_base_named():
    ticks = [" ".join(tick.get_text().split()) for tick in effect("batch_size")(1).axes[0].get_xticklabels()]
    sizes = [int(tick.split()[0]) for tick in ticks]
    assert sizes == sorted(sizes) and {16, 64, 256} == set(sizes) and "64 (base)" in ticks
    legend = curves(1).legends[0]
    assert legend.get_title().get_text() == "learning rate"
    values = [float(text.get_text().split(" ")[0]) for text in legend.get_texts()]
    assert values == sorted(values) and len(values) == 4
    assert "(3 of 3 diverged)" in legend.get_texts()[-1].get_text()


def test_places_choose_the_digits_and_their_captions():
    rows, under = {"noisy": CLEAN / 2, "clean": CLEAN}, {"noisy": [f"digit {place}" for place in range(10)]}
    drawn = figures.digit_rows(rows, under, "Some", places=[7, 2])
    alone = figures.digit_rows({name: digits[[7, 2]] for name, digits in rows.items()}, title="Some")
    assert drawn.alt == alone.alt and "2 rows of 2 digits" in drawn.alt
    assert [text.get_text() for text in drawn.axes[0].texts if "digit" in text.get_text()] == ["digit 7", "digit 2"]


def test_the_units_drawn_are_those_that_tell_classes_apart():
    codes = numbers(1).normal(size=(len(LABELS), 6))
    codes[:, 4] += LABELS
    drawn = figures.class_means(codes, LABELS, "Units", count=2)
    assert drawn.axes[0].get_xticklabels()[0].get_text() == "4" and "ten digits by 2 units" in drawn.alt


def test_joined():
    assert [joined("abc"[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_a_plain_figure_is_described_by_its_titles_axes_and_panels():
    figure, axes = plt.subplots(2, 3)
    for axis in axes.flat:
        axis.imshow(np.zeros((28, 20)))
    figure.colorbar(axes[0, 0].images[0])
    figure.suptitle("Noisy,\nclean")
    assert plain_alt(figure) == "Noisy, clean: 6 panels, 2 rows of 3, an image of 28 by 20 in each."
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([1, 2], label="training")
    left.plot([2, 3], label="validation")
    left.set(title="Loss", xlabel="epoch", ylabel="loss")
    right.bar([1, 2, 3], 1)
    said = "Loss (loss against epoch): 2 lines (training and validation); 3 bars or shapes"
    assert plain_alt(figure) == f"Figure: 2 panels, {said}."
    figure.suptitle("x" * 5_000)
    assert len(plain_alt(figure)) == LONGEST_ALT
    assert plain_alt(plt.figure()) == "Figure: nothing drawn."


def test_a_notebook_keeps_the_texts_with_the_picture(tmp_path):
    """The lab's figure with both texts, at its width in CSS pixels; a student's own with what can be read off it."""
    lab = "figures.digit_rows({'noisy': digits / 2, 'clean': digits}, title='Two rows');"
    own = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);"
    cells = [
        "import numpy as np\nfrom lab_utils import figures\nfigures.use_style()\ndigits = np.ones((2, 28, 28))",
        lab,
        own,
        f"%matplotlib inline\n{lab}",
    ]
    path = tmp_path / "x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    papermill.execute_notebook(path, path, progress_bar=False, kernel_name="python3")
    outputs = [cell.outputs for cell in nbformat.read(path, as_version=4).cells]
    assert [len(put_out) for put_out in outputs] == [0, 1, 1, 1]
    _, [described], [plain], [later] = outputs
    told = described.metadata["image/png"]
    assert told["alt"].endswith("Mean PSNR of these digits against the row clean: noisy 6.0 dB.")
    assert told["caption"] == "Two rows: compare noisy to the row clean (6.0 dB)."
    assert told["width"] > told["height"] > 100
    assert set(plain.metadata["image/png"]) == {"alt", "width", "height"}
    assert plain.metadata["image/png"]["alt"] == "Figure: 1 line."
    assert later.metadata == described.metadata and later.data["image/png"] == described.data["image/png"]
