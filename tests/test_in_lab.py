"""The in-lab: Program 1 alone in a file, what is read in its results, and every cell twice."""

import ast
import subprocess
import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from students import same, student, told_what

from lab_utils import data, features, metrics, models, training
from lab_utils.noise import corrupt, to_unit
from lab_utils.readings import in_lab as readings
from lab_utils.readings.words import counted, told
from lab_utils.training import Recipe, Run

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "02_in_lab.ipynb"
CELLS = nbformat.read(NOTEBOOK, as_version=4).cells
PROGRAM = {cell.id: cell.source for cell in CELLS if "program-1" in cell.metadata.get("tags", [])}
MNIST = data.load_mnist("embedded")
TRAIN, VALIDATION = MNIST.train.digits[:1_000], MNIST.validation.digits[:100]
TEST, TEST_LABELS = MNIST.test.digits[:200], MNIST.test.labels[:200]
CLEAN = to_unit(TEST)
NOISY = corrupt(TEST, "gaussian", 0.5, 0)


# Program 1 -------------------------------------------------------------------------------------------------------


def test_program_1_pasted_into_a_file_runs_with_tensorflow_numpy_and_matplotlib_alone(tmp_path):
    source = "\n\n".join(PROGRAM.values())
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
        + ([node.module] if isinstance(node, ast.ImportFrom) else [])
    }
    assert imported == {"tensorflow", "numpy", "matplotlib"}
    np.savez(tmp_path / "digits.npz", train=TRAIN[:200], test=TEST[:50])
    before = (
        'import numpy as np\nwith np.load("digits.npz") as digits:\n    train, test = digits["train"], digits["test"]\n'
    )
    after = (
        "import sys\nassert 'lab_utils' not in sys.modules\n"
        "assert x_denoised.shape == (50, 28, 28, 1) and feature_set.shape == (50, 6272)\n"
        "assert len(history.history['val_loss']) == 2 and len(plt.get_fignums()) == 2\n"
    )
    (tmp_path / "program_1.py").write_text(before + source + "\n" + after)
    environment = {"MPLBACKEND": "agg", "PATH": "", "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "program_1.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "185,217 parameters; a code of 6,272 values" in done.stdout


def program(noise_factor: float = 0.5) -> dict:
    """The names that Program 1's first three cells leave behind, on few digits."""
    names = {"train": TRAIN[:256], "test": TEST[:100]}
    for cell in ("program-data", "program-model", "program-fit"):
        exec(PROGRAM[cell].replace("noise_factor = 0.5", f"noise_factor = {noise_factor}"), names)
    return names


@pytest.fixture(scope="module")
def ran() -> dict:
    return program()


def test_program_1_says_its_four_faults_where_they_stand():
    assert all(f"# fault {number}: " in "\n".join(PROGRAM.values()) for number in (1, 2, 3, 4))
    before = next(cell.source for cell in CELLS if cell.id == "program-text")
    assert all(
        word in before for word in ("**once**", "**no seed**", "**validates on the test digits**", "**displays no")
    )


def test_program_1_run_again_is_the_same_to_the_last_bit(ran):
    first, weights = ran["history"].history, ran["autoencoder"].get_weights()
    exec(PROGRAM["program-fit"], ran)
    assert ran["history"].history == first
    assert all((one == two).all() for one, two in zip(weights, ran["autoencoder"].get_weights(), strict=True))


def test_keras_fit_and_the_labs_agree(ran):
    """Equal weights and fixed noise, and one batch of all digits, so that no order differs: at most 0.3 dB apart."""
    network, start, digits = ran["autoencoder"], ran["untrained"], TRAIN[:32]
    recipe = Recipe(epochs=40, batch_size=32, learning_rate=3e-3, static_noise=True, seed=13)
    x_clean = to_unit(digits)[..., None]
    x_noisy = corrupt(digits, recipe.noise_kind, recipe.noise_level, recipe.seed)[..., None]
    network.set_weights(start)
    network.compile(optimizer=keras.optimizers.Adam(recipe.learning_rate), loss="binary_crossentropy")
    network.fit(x_noisy, x_clean, epochs=recipe.epochs, batch_size=32, verbose=0)
    by_keras = metrics.psnr(CLEAN[:100], network.predict(NOISY[:100, ..., None], verbose=0)[..., 0]).mean()
    network.set_weights(start)
    run = training.fit(network, digits, VALIDATION[:20], recipe, use_cache=False)
    assert np.argmin(run.history["val_loss"]) >= 35, "the weights that are kept are nearly the last"
    by_lab = metrics.psnr(CLEAN[:100], run.denoise(NOISY[:100])).mean()
    assert by_keras == pytest.approx(by_lab, abs=0.3) and by_lab > metrics.psnr(CLEAN, NOISY).mean() + 2


def test_models_manual_is_program_1(ran):
    mine = [layer for part in models.halves(models.manual(0)) for layer in part.layers if layer.weights]
    assert [weight.shape for layer in mine for weight in layer.weights] == [
        weight.shape for weight in ran["autoencoder"].weights
    ]


# Readings --------------------------------------------------------------------------------------------------------


def run_of(psnr: float, seed: int = 1) -> Run:
    return Run(None, Recipe(seed=seed), {"val_psnr": [psnr - 1, psnr]})


def quality(psnr: float) -> pd.DataFrame:
    return pd.DataFrame({"psnr": psnr + np.linspace(-1, 1, 50), "ssim": psnr / 30})


def scores(autoencoder: float) -> pd.DataFrame:
    psnr = {
        "noisy": 9.4,
        "median": 14.2,
        "median, recalibrated": 15.0,
        "linear (ridge)": 16.9,
        readings.AUTOENCODER: autoencoder,
    }
    table = pd.DataFrame({"psnr": psnr}).assign(mse=0.02, ssim=0.5, bce=0.2, seeds=1, seed_range=np.nan)
    return table.assign(psnr_low=table.psnr - 0.1, psnr_high=table.psnr + 0.1).astype(object)


def worth_of(**probes: float) -> pd.DataFrame:
    names = ["raw pixels", "PCA-32", "untrained", "plain", "denoising", "masking", "manual's 6,272"]
    probe = pd.Series(0.7, names) + pd.Series(probes).reindex(names).fillna(0)
    return pd.DataFrame({name: probe for name in ("linear_probe", "svm", "knn", "kmeans", "ari", "nmi")})


def curves_of(ahead: float) -> pd.DataFrame:
    rows = [
        (labels, draw, 0.6 + draw / 100 + (draw % 2) / 500 * (name == "plain") + ahead * (name == "denoising"), name)
        for name in ("raw pixels", "PCA-32", "plain", "denoising", "masking", "untrained")
        for labels in (10, 300)
        for draw in range(5)
    ]
    return pd.DataFrame(rows, columns=["labels", "draw", "accuracy", "representation"])


HISTORY = {"loss": [0.2, 0.1], "val_loss": [0.21, 0.135]}
INK = np.linspace(0.1, 0.9, 50)[:, None, None] * np.ones((1, 28, 28))
FALLING, LABELS = pd.Series(np.linspace(22, 12, 50)), np.arange(50) % 10
ALIKE = np.arange(90) + np.random.default_rng(0).normal(size=(20, 90))
CODES = np.where(np.arange(6272) % 128 < 60, 0.0, 1.0) * np.ones((20, 1))


@pytest.mark.parametrize(
    ("reading", "usual", "surprising", "said"),
    [
        (
            lambda guess: readings.program(CLEAN[..., None], NOISY[..., None], guess[..., None], HISTORY, ALIKE),
            np.clip(CLEAN + 0.1, 0, 1),
            NOISY,
            "After 2 passes",
        ),
        (
            lambda psnr: readings.denoised(quality(9.4), quality(psnr), [run_of(psnr), run_of(psnr + 0.2, 2)]),
            18.0,
            9.4,
            "to **18.00 dB**: by **8.60** dB",
        ),
        (readings.denoisers, scores(18.0), scores(15.5), "1.10 dB ahead of it"),
        (lambda psnr: readings.failures(psnr, LABELS, INK), FALLING, FALLING[::-1].reset_index(drop=True), "10 dB"),
        (
            lambda codes: readings.maps(codes.reshape(-1, 7, 7, 128)),
            CODES,
            CODES + 1,
            "60 of the 128 channels are silent",
        ),
        (
            lambda small: readings.compact(quality(18).psnr, quality(small).psnr, 8.6, 32, 6272),
            17.3,
            18.5,
            "92 % of the gain is kept",
        ),
        (
            lambda ahead: readings.worth(worth_of(denoising=0.05), worth_of(masking=0.02), curves_of(ahead)),
            0.04,
            -0.04,
            "ahead of the plain one by **3.9** points",
        ),
        (
            lambda masking: readings.worth(worth_of(denoising=0.05), worth_of(masking=masking), curves_of(0.04)),
            0.02,
            -0.02,
            "read 2.0 points better",
        ),
    ],
    ids=["program", "denoised", "denoisers", "failures", "maps", "compact", "labels", "masking"],
)
def test_a_reading_says_what_was_measured_and_when_it_is_a_surprise(reading, usual, surprising, said):
    assert said in reading(usual).data and "**surprise" not in reading(usual).data.lower()
    assert "**surprise" in reading(surprising).data.lower()


def test_strips_that_differ_are_a_surprise_as_well():
    guess = np.clip(CLEAN + 0.1, 0, 1)[..., None]
    unlike = np.random.default_rng(0).normal(size=(20, 90))
    assert "**surprise**" in readings.program(CLEAN[..., None], NOISY[..., None], guess, HISTORY, unlike).data


def test_readings_say_how_many_and_how_sure():
    one, two = (
        readings.denoised(quality(9), quality(18), [Run(None, Recipe(), {"val_psnr": [18.0] * epochs})]).data
        for epochs in (1, 2)
    )
    assert one.startswith("After 1 pass the") and two.startswith("After 2 passes the") and "seeds end" not in one
    assert "The seeds end 0.30 dB apart" in readings.denoised(quality(9), quality(18), [run_of(18), run_of(18.3)]).data
    assert counted(1, "value") == "1 value" and counted(6272, "value") == "6,272 values"
    assert told(metrics.mean_interval(np.array([1.0, 1.0])), "dB") == "**1.00** dB (95 % interval 1.00 to 1.00)"
    assert told(metrics.mean_interval(np.array([1.0])), "dB") == "**1.00** dB"


def test_what_little_is_kept_by_a_code_that_is_too_small_is_said():
    assert "only 30 % of the gain is kept" in readings.compact(quality(18).psnr, quality(12).psnr, 8.6, 1, 6272).data


def test_the_gains_are_the_tables():
    assert readings.gains(worth_of(denoising=0.05, untrained=-0.1)) == (pytest.approx(15), pytest.approx(0))


def test_the_best_the_middle_and_the_worst():
    values = np.random.default_rng(0).permutation(100)
    best, middle, worst = np.split(values[metrics.extremes(values)], 3)
    assert best.tolist() == [99, 98, 97, 96] and worst.tolist() == [3, 2, 1, 0] and abs(middle.mean() - 49.5) <= 1
    table = metrics.by_class(pd.Series([10.0, 12.0, 20.0, 22.0]), np.array([0, 0, 1, 1]))
    assert table["psnr"].to_dict() == {"digit 0": 11.0, "digit 1": 21.0, "all": 16.0}
    assert (table["psnr_low"] < table["psnr"]).all() and (table["psnr"] < table["psnr_high"]).all()
    assert metrics.captions(pd.DataFrame({"psnr": [18.04], "ssim": [0.9]})) == ["18.0 dB\n0.90"]


def test_runs_of_several_seeds_are_those_of_fit():
    recipe = Recipe(epochs=1, batch_size=50, seed=4)
    runs = training.fit_seeds(models.compact, TRAIN[:100], VALIDATION, recipe, 2, dtype="float32")
    assert [run.recipe.seed for run in runs] == [4, 5]
    alone = training.fit(models.compact(5), TRAIN[:100], VALIDATION, Recipe(epochs=1, batch_size=50, seed=5))
    assert runs[1].history == alone.history


# Exercises: each does what it says -------------------------------------------------------------------------------


def test_exercise_1_more_noise_costs_the_noisy_digits_more_than_the_denoised_ones(ran):
    worse = program(noise_factor=0.9)
    noisy, denoised = [], []
    for names in (ran, worse):
        x_test = names["x_test"][..., 0]
        noisy.append(metrics.psnr(x_test, names["x_test_noisy"][..., 0]).mean())
        guess = names["autoencoder"].predict(names["x_test_noisy"], verbose=0)[..., 0]
        denoised.append(metrics.psnr(x_test, guess).mean())
    assert noisy[0] > noisy[1] + 2 and denoised[0] >= denoised[1] - 0.5


def test_exercise_2_with_fixed_noise_the_gap_grows():
    gaps = {}
    for fixed in (False, True):
        recipe = Recipe(epochs=20, batch_size=50, learning_rate=2e-3, static_noise=fixed)
        history = training.fit(models.compact(0), TRAIN[:500], VALIDATION, recipe).history
        gaps[fixed] = history["val_loss"][-1] - history["loss"][-1]
    assert gaps[True] > gaps[False] + 0.01


def test_exercises_3_and_4_other_codes_and_other_masks_train_and_are_read():
    probes = {}
    labels = MNIST.train.labels[:500]
    for name, size, level in (("two values", 2, 0.5), ("masking", 32, 0.5), ("more masking", 32, 0.75)):
        recipe = Recipe(noise_kind="masking", noise_level=level, epochs=15, batch_size=50, learning_rate=3e-3)
        run = training.fit(models.compact(0, code_size=size), TRAIN, VALIDATION, recipe)
        probes[name] = features.probe_encoders([run.encoder], to_unit(TRAIN[:500]), labels, CLEAN, TEST_LABELS)[0]
    assert probes["two values"] + 0.15 < min(probes["masking"], probes["more masking"])


# The notebook ----------------------------------------------------------------------------------------------------


def test_it_runs_again_and_again_with_other_parameters(tmp_path, own_cache):
    given = {"seed": 5, "noise_kind": "masking", "noise_level": 0.4, "compact_epochs": 1, "repeats": 1}
    given |= {"test_digits": 200, "code_size": 8, "static_noise": True}
    with student("02_in_lab", tmp_path, **given) as at_work:
        first = at_work.run_all(twice=True)
        told_what(first, facts=8)
        assert same(first, at_work.run_all())


def test_every_work_that_is_linked_is_listed():
    texts = {cell.id: cell.source for cell in CELLS if cell.cell_type == "markdown"}
    listed = texts.pop("literature").split("](")[1:]
    assert {part.split(")")[0] for part in listed} == {
        part.split(")")[0] for text in texts.values() for part in text.split("](")[1:]
    }


def test_a_prediction_stands_after_a_question_and_before_its_result():
    places = [place for place, cell in enumerate(CELLS) if "prediction" in cell.metadata.get("tags", [])]
    assert len(places) == 5
    assert all("**Question.**" in CELLS[place - 1].source and CELLS[place + 1].cell_type == "code" for place in places)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")
