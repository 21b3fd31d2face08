"""The fourth notebook: its functions where the answer is known, its readings both ways, its bounds, its exercises."""

from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from ipywidgets import fixed, interactive

from lab_utils import beyond, data, metrics, settings
from lab_utils.beyond import readings
from lab_utils.beyond.scores import CODE_SIZE, auroc
from lab_utils.cli import main
from lab_utils.errors import LabError
from lab_utils.noise import KINDS, corrupt, to_unit
from lab_utils.running.source import find_notebooks
from lab_utils.training import Recipe, batches

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOK = FOLDER / "04_beyond.ipynb"
MNIST = data.load_mnist("embedded")
TRAIN, LABELS = MNIST.train.digits[:1500], MNIST.train.labels[:1500]
TEST, TEST_LABELS = MNIST.test.digits[:300], MNIST.test.labels[:300]
CLEAN = to_unit(TEST)
RECIPE = Recipe(epochs=8, batch_size=50, learning_rate=2e-3, schedule="cosine")


@pytest.fixture(scope="module")
def experiment():
    return beyond.Experiment(TRAIN, MNIST.validation.digits[:200], RECIPE, [1, 2])


@pytest.fixture(scope="module")
def score_run(experiment):
    return experiment.fit(noise_level=1.0, lowest_level=0.05, clip=False)[0]


# Training --------------------------------------------------------------------------------------------------------


def test_a_blind_denoiser_sees_all_levels_and_unclipped_noise_stays():
    blank = np.zeros((400, 28, 28), np.uint8)
    recipe = Recipe(epochs=1, batch_size=400, noise_level=0.8, lowest_level=0.2, clip=False)
    noisy, clean = next(batches(blank, recipe))
    levels = noisy.std(axis=(1, 2, 3))
    assert levels.min() == pytest.approx(0.2, abs=0.03) and levels.max() == pytest.approx(0.8, abs=0.05)
    assert levels.mean() == pytest.approx(0.5, abs=0.04)
    assert noisy.min() < -1 and not clean.any()


def test_a_noisy_target_is_another_copy_of_the_same_digit():
    recipe = Recipe(epochs=1, batch_size=1000, noise_level=0.3, clip=False, noisy_target=True)
    noisy, target = next(batches(TRAIN[:1].repeat(1000, axis=0), recipe))
    digit = to_unit(TRAIN[:1])[..., None]
    assert np.abs(target.mean(axis=0) - digit[0]).max() < 0.06
    correlation = np.corrcoef((noisy - digit).ravel(), (target - digit).ravel())[0, 1]
    assert abs(correlation) < 0.01 and (target - digit).std() == pytest.approx(0.3, rel=0.01)


def test_each_digit_can_have_its_own_level():
    levels = np.array([0.1, 0.6], np.float32)
    noisy = corrupt(TEST[:2], "gaussian", levels, 3, clip=False)
    for place, level in enumerate(levels):
        assert (noisy[place] == corrupt(TEST[:2], "gaussian", level, 3, clip=False)[place]).all()
    assert (np.clip(noisy, 0, 1) == corrupt(TEST[:2], "gaussian", levels, 3)).all()
    with pytest.raises(LabError, match="out of range"):
        corrupt(TEST[:2], "gaussian", np.array([0.1, np.nan]), 3)


# Known answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_the_mean_of_a_clipped_pixel_is_the_formula_and_is_inverted(level):
    pixels = np.linspace(0, 1, 5)
    drawn = np.clip(pixels + level * np.random.default_rng(0).standard_normal((200_000, 5)), 0, 1)
    assert beyond.clipped_mean(pixels, level) == pytest.approx(drawn.mean(axis=0), abs=0.004)
    assert beyond.unclipped(beyond.clipped_mean(pixels, level), level) == pytest.approx(pixels, abs=1e-3)
    assert beyond.unclipped(np.array([0.0, 1.0]), level).tolist() == [0.0, 1.0]


def test_tweedie_on_a_gaussian():
    """Many points of a Gaussian of variance s²: the posterior mean is y s² / (s² + level²)."""
    points = np.zeros((20_000, 28, 28))
    points[:, 0, 0] = 0.5 + 0.1 * np.random.default_rng(0).standard_normal(20_000)
    noisy = np.zeros((3, 28, 28))
    noisy[:, 0, 0] = [0.3, 0.5, 0.6]
    uphill, mean = beyond.tweedie(points, 0.2, noisy)
    assert np.abs(uphill - mean).max() < 1e-9
    shrunk = 0.5 + (noisy[:, 0, 0] - 0.5) * 0.01 / (0.01 + 0.04)
    assert mean[:, 0, 0] == pytest.approx(shrunk, abs=0.003)


def test_draw_finds_the_only_digit_there_is():
    digit = CLEAN[:1]
    path = beyond.draw(lambda noisy: np.broadcast_to(digit, noisy.shape), 3, seed=0)
    assert path.shape == (31, 3, 28, 28) and (path[-1] == digit).all()


def test_draw_without_injected_noise_is_decided_by_the_start():
    seen = []
    beyond.draw(lambda noisy: seen.append(noisy) or 0.5 * noisy, 2, seed=0, steps=3, step=1.0, injected=1.0)
    for before, after in pairwise(seen):
        assert after == pytest.approx(0.5 * before, abs=1e-6)


def test_auroc():
    assert auroc(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1
    assert auroc(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 0
    assert auroc(np.arange(4.0), np.arange(4.0)) == 0.5


def test_the_judge_knows_copies_and_a_single_class():
    judge = beyond.Judge(TRAIN, LABELS)
    copies = to_unit(TRAIN[:200])
    ones = to_unit(TRAIN[LABELS == 1][:50])
    table = judge.table({"copies": copies, "ones": ones, "real": CLEAN})
    assert table.distance["copies"] == pytest.approx(0, abs=1e-3) and (judge.nearest(copies) == copies).all()
    assert table.classes["ones"] == pytest.approx(1, abs=0.2) and table.largest["ones"] > 0.95
    assert table.classes["real"] > 8 and 0.3 < table.recognised["real"] < 1 and table.distance["real"] > 2


# Readings --------------------------------------------------------------------------------------------------------

FACING = pd.DataFrame(
    [
        (name, level, seed, psnr + seed / 100)
        for name, row in {"blind": (18, 14), "knows 0.1": (19, 10), "knows 0.9": (13, 15)}.items()
        for level, psnr in zip((0.1, 0.9), row, strict=True)
        for seed in (0, 1)
    ],
    columns=["denoiser", "level", "seed", "psnr"],
)
JUDGED = pd.DataFrame(
    {"recognised": [0.6, 0.7, 0.1, 0.8], "classes": [6, 7, 1, 9.5], "largest": [0.3, 0.2, 1, 0.12]},
    index=["seed 1", "seed 2", "one step", "real digits"],
).assign(distance=4.5, apart=5.0)
MEMORY = pd.DataFrame(
    [
        (given, f"{method} digits", seed, psnr + seed / 100)
        for given, method, psnr in [
            (100, "network, known", 16.5),
            (100, "network, new", 15.0),
            (100, "posterior mean, known", 77.0),
            (100, "posterior mean, new", 13.0),
            (900, "network, known", 16.0),
            (900, "network, new", 16.0),
            (900, "posterior mean, known", 75.0),
            (900, "posterior mean, new", 15.0),
        ]
        for seed in ((0, 1) if "network" in method else (0,))
    ],
    columns=["given", "curve", "seed", "psnr"],
)
ODD = pd.DataFrame({"auroc": [0.4, 0.9], "turned": [0.95, 0.97]}, index=[1, 8])
PSNR = {"clean": [16.0, 16.2], "noisy": [12.0, 12.1], "noisy, inverted": [15.5, 15.6]}
NEAR = np.full((2, 28, 28), 0.5)


STAIRS = pd.DataFrame(
    [
        (name, psnr + digit / 100)
        for name, psnr in [("dense", 15), ("memory", 16), ("small", 12), ("large", 18)]
        for digit in range(3)
    ],
    columns=["denoiser", "psnr"],
)
HALFWAY = pd.DataFrame(
    {
        "where": ["in code", "in pixels"] * 2,
        "seed": [1, 1, 2, 2],
        "recognised": [0.6, 0.1, 0.7, 0.1],
        "distance": [4.0, 5.0, 4.1, 5.1],
    }
)


@pytest.mark.parametrize(
    ("reading", "usual", "surprising", "said"),
    [
        (lambda psnr: readings.noise2noise(psnr, 14.6), PSNR, PSNR | {"noisy, inverted": [11, 11]}, "cost **4.05** dB"),
        (readings.blind, FACING, FACING.assign(psnr=FACING.psnr - 9 * (FACING.denoiser == "blind")), "by **1.50** dB"),
        (lambda mean: readings.tweedie(NEAR, mean, NEAR, NEAR), NEAR, NEAR + 0.1, "at most 0e+00"),
        (readings.drawn, JUDGED, JUDGED.assign(recognised=[0.9, 0.95, 0.1, 0.8]), "recognises **65** %"),
        (readings.drawn, JUDGED, JUDGED.assign(distance=[0.1, 0.2, 4, 5]), "they are no copies"),
        (readings.drawn, JUDGED, JUDGED.assign(apart=[0.1, 0.2, 4, 5]), "From each other they are **5.0**"),
        (readings.memorising, MEMORY, MEMORY.assign(psnr=14.0), "by **2.00** dB"),
        (readings.ceiling, STAIRS, STAIRS.assign(psnr=14.0), "is behind by **6.00** dB"),
        (readings.anomalies, ODD.assign(auroc=[0.6, 0.9]), ODD, "from 0.60 for the 1 to 0.90 for the 8"),
        (lambda half: readings.between(half, JUDGED), HALFWAY, HALFWAY.assign(distance=4.0), "recognises **65** %"),
        (lambda half: readings.between(half, JUDGED), HALFWAY, HALFWAY.assign(recognised=0.1), "by **1.0**"),
    ],
    ids=[
        "noise2noise",
        "blind",
        "tweedie",
        "recognised",
        "copies",
        "repeated",
        "memorising",
        "ceiling",
        "anomalies",
        "no-nearer",
        "no-digit",
    ],
)
def test_a_reading_says_what_was_measured_and_when_it_is_a_surprise(reading, usual, surprising, said):
    assert said in reading(usual).data and "**surprise" not in reading(usual).data.lower()
    assert "**surprise" in reading(surprising).data.lower()


def test_a_reading_does_not_say_what_was_not_measured():
    flat = STAIRS.assign(psnr=STAIRS.psnr.where(STAIRS.denoiser != "small", STAIRS.psnr + 5.9))
    assert "still climbing" in readings.ceiling(STAIRS).data and "still climbing" not in readings.ceiling(flat).data
    bends = "a blend of codes bends one into the other"
    assert bends in readings.between(HALFWAY.assign(recognised=[0.6, 0.1, 0.62, 0.11]), JUDGED).data
    assert bends not in readings.between(HALFWAY.assign(recognised=[0.6, 0.7, 0.7, 0.65]), JUDGED).data


# The experiments, small ------------------------------------------------------------------------------------------


def test_the_tables_have_what_the_readings_read(experiment):
    few = beyond.Experiment(TRAIN[:500], experiment.validation, Recipe(epochs=1, batch_size=50), [1, 2])
    facing = beyond.transfer({"blind": few.fit(lowest_level=0.1), "knows 0.5": few.fit()}, TEST[:50], [0.2, 0.5], 0)
    assert "Averaged over all levels" in readings.blind(facing).data
    memory = beyond.memorising(few, [100, 500], TEST[:50])
    means = memory.pivot_table("psnr", "given", "curve")
    assert (means["posterior mean, known digits"] > means["posterior mean, new digits"] + 3).all()
    assert len(memory) == 2 * 2 * (2 + 1) and "where both were given 500" in readings.memorising(memory).data
    odd = beyond.left_out(few, LABELS[:500], TEST, TEST_LABELS, [0, 1])
    assert odd.index.tolist() == [0, 1] and ((odd >= 0) & (odd <= 1)).all(axis=None)
    assert list(odd) == ["auroc", "turned"] and "give `other_images` the path" in readings.anomalies(odd).data


def test_other_images_are_told_from_digits_beside_the_classes(experiment, tmp_path):
    """Noisy digits, in an npz as Fashion-MNIST's: a file of images that no class is like."""
    np.savez(tmp_path / "other.npz", x_test=np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8))
    others = data.read_images(tmp_path / "other.npz")
    odd = beyond.left_out(experiment, LABELS, TEST, TEST_LABELS, [0, 1], others)
    assert (odd["other"] == 1).all() and odd["turned"].between(0.5, 1).all()
    assert beyond.alarms(odd).index.tolist() == ["without 0", "without 1", "turned digits", "other images", "a coin"]
    assert "For the other images it is **1.00** (95 % interval 1.00 to 1.00). " in readings.anomalies(odd).data
    assert "**Surprise:** they are drawn better than digits" in readings.anomalies(odd.assign(other=0.2)).data


def test_the_reference_climbs_with_size_and_time(experiment):
    """Each step has twice the channels, sees four times the digits, and is measured on the same noisy digits."""
    noisy = corrupt(TEST, "gaussian", 0.5, 0)
    (dense, _) = experiment.fit()
    stairs = beyond.ceiling(experiment, 2, TEST, noisy, dense)
    assert list(stairs["denoiser"].unique()) == [
        "dense, 12,000 seen",
        "posterior mean of 1,500",
        "reference, 16 channels, 375 seen",
        "reference, 32 channels, 1,500 seen",
    ]
    psnr = stairs.groupby("denoiser", sort=False)["psnr"].agg(["mean", "size"])
    assert (psnr["size"] == len(TEST)).all() and psnr["mean"].iloc[3] > psnr["mean"].iloc[2] + 0.5
    assert psnr["mean"].iloc[0] == pytest.approx(beyond.psnr(CLEAN, [dense.denoise(noisy)])[0], abs=1e-4)


def test_the_way_between_two_digits_begins_at_one_and_ends_at_the_other(score_run):
    ways = beyond.between(score_run, CLEAN[0], CLEAN[1], steps=5)
    assert {name: way.shape for name, way in ways.items()} == {"in code": (5, 28, 28), "in pixels": (5, 28, 28)}
    assert (ways["in pixels"][[0, 4]] == CLEAN[:2]).all()
    assert ways["in pixels"][2] == pytest.approx((CLEAN[0] + CLEAN[1]) / 2, abs=1e-6)
    assert ways["in code"][[0, 4]] == pytest.approx(score_run.denoise(CLEAN[:2]), abs=1e-5)
    assert np.abs(ways["in code"][2] - ways["in code"][[0, 4]].mean(axis=0)).max() > 0.05, "a decoder is not linear"


def test_halfway_is_judged_for_each_run_in_code_and_in_pixels(score_run):
    judge = beyond.Judge(TRAIN, LABELS)
    table = beyond.halfway([score_run, score_run], CLEAN[:40], judge)
    assert table["where"].tolist() == ["in code", "in pixels"] * 2
    twins = np.concatenate([CLEAN[:20], CLEAN[:20]])
    by_where = beyond.halfway([score_run], twins, judge).set_index("where")
    real = judge.table({"real": CLEAN[:20]})
    assert by_where["distance"]["in pixels"] == pytest.approx(real.distance["real"], abs=1e-4)


def test_one_value_of_the_code_is_moved_in_each_row(score_run):
    rows = beyond.moved(score_run, CLEAN[0], CLEAN[:50], values=3)
    assert len(rows) == 3 and all(row.shape == (9, 28, 28) for row in rows.values())
    for row in rows.values():
        assert row[4] == pytest.approx(score_run.denoise(CLEAN[:1])[0], abs=1e-5), "in the middle nothing is moved"
        assert np.abs(row[0] - row[8]).max() > 0.05


def test_explore_moves_the_picture(score_run):
    still = beyond.explore(score_run, TEST[:4], "masking", 0.3)
    moved = beyond.explore(score_run, TEST[:4], "masking", 0.3, first=3.0)
    assert "Masking noise of level 0.3" in still.alt and still.alt != moved.alt
    assert score_run.encoder.output_shape == (None, CODE_SIZE)


def test_a_slider_moves_the_picture(score_run):
    what = {"run": fixed(score_run), "digits": fixed(TEST[:4]), "kind": list(KINDS)}
    panel = interactive(beyond.explore, **what, level=(0.05, 1.0, 0.05), first=(-3.0, 3.0), second=(-3.0, 3.0))
    kind, level, *_ = panel.kwargs_widgets[2:]
    panel.update()
    assert "Gaussian noise of level 0.5" in panel.result.alt
    kind.value, level.value = "masking", 0.2
    panel.update()
    assert "Masking noise of level 0.2" in panel.result.alt


# Exercises: each does what it says -------------------------------------------------------------------------------


def test_exercise_1_less_noise_leaves_less_bias():
    caps = [metrics.psnr(CLEAN, beyond.clipped_mean(CLEAN, level)).mean() for level in (0.5, 0.2)]
    assert caps[1] > caps[0] + 5


def test_exercise_2_the_mean_of_several_networks_is_better_than_they_are_on_average(experiment):
    noisy = corrupt(TEST, "gaussian", 0.5, 0)
    guesses = [run.denoise(noisy) for run in experiment.fit()]
    alone = np.mean([metrics.mse(CLEAN, guess).mean() for guess in guesses])
    assert metrics.mse(CLEAN, np.mean(guesses, axis=0)).mean() < 0.99 * alone


def test_exercise_3_the_error_without_the_clean_digit(score_run):
    level, rng = 0.5, np.random.default_rng(0)
    noisy = corrupt(TEST, "gaussian", level, 0, clip=False)
    change = 0.01 * rng.standard_normal(noisy.shape, dtype=np.float32)
    guess = score_run.denoise(noisy)
    slope = np.mean(change * (score_run.denoise(noisy + change) - guess)) / np.mean(change**2)
    estimated = np.mean((guess - noisy) ** 2) - level**2 + 2 * level**2 * slope
    assert estimated == pytest.approx(metrics.mse(CLEAN, guess).mean(), rel=0.15)


def test_exercise_4_more_steps_are_easier_to_recognise_and_repeat_themselves(score_run):
    drawn = {steps: beyond.draw(score_run.denoise, 100, 0, steps=steps)[-1] for steps in (30, 60)}
    table = beyond.Judge(TRAIN, LABELS).table(drawn)
    assert table.recognised[60] > table.recognised[30] and table.apart[60] < 0.8 * table.apart[30]


def test_exercise_5_by_its_ink_a_one_is_noticed(experiment):
    run = experiment.fit(TRAIN[LABELS != 1], noise_level=0.0)[0]
    error, one = metrics.mse(CLEAN, run.denoise(CLEAN)), TEST_LABELS == 1
    by_ink = error / CLEAN.mean(axis=(1, 2))
    assert auroc(by_ink[~one], by_ink[one]) > auroc(error[~one], error[one]) + 0.2


# The notebook ----------------------------------------------------------------------------------------------------


def test_it_asks_for_no_answer():
    assert not any("answer" in cell.metadata.get("tags", []) for cell in nbformat.read(NOTEBOOK, as_version=4).cells)


def test_it_is_run_and_refreshed_when_named_and_never_part_of_the_report(tmp_path):
    assert list(find_notebooks(FOLDER)) == list(settings.SERIES)
    assert list(find_notebooks(FOLDER, optional=True)) == list(settings.NOTEBOOKS)
    result = CliRunner().invoke(main, ["run", "04_beyond", "-p", "epochs", "none", "--out", str(tmp_path / "x.ipynb")])
    assert result.exit_code == 2 and "epochs = 'none' is not allowed" in result.output
