"""What would hurt: a wrong pairing, noise that is off, a loss that is not its mean, a run that cannot be repeated."""

import inspect
import os
import signal
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lab_utils import data, models, training
from lab_utils.errors import LabError
from lab_utils.noise import corrupt, to_unit
from lab_utils.training import Recipe, batches, fit, loop, steps
from lab_utils.training.adam import FusedAdam

MNIST = data.load_mnist("embedded")
TRAIN, VALIDATION = MNIST.train.digits[:1_000], MNIST.validation.digits[:200]
SMALL = {"code_size": 8, "width": 32}


def small_run(use_store: bool = False, dropout: float = 0.0, **recipe) -> training.Run:
    how = Recipe(**{"epochs": 2, "batch_size": 50, "seed": 1} | recipe)
    return fit(models.compact(1, dropout=dropout, **SMALL), TRAIN, VALIDATION, how, use_store=use_store)


def assert_equal_runs(one: training.Run, two: training.Run) -> None:
    """Equal to the last bit: what was measured, and every variable of the model."""
    assert (one.recipe, one.history, one.curve) == (two.recipe, two.history, two.curve)
    for a, b in zip(one.model.variables, two.model.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.fixture
def store_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAE_LAB_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def interrupt_after_checkpoint(folder: Path) -> threading.Thread:
    """Press Ctrl-C as soon as a checkpoint lies in the store."""

    def wait_and_press() -> None:
        while not list(folder.glob("*.checkpoint")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait_and_press, daemon=True)
    thread.start()
    return thread


def validation_loss(run: training.Run, inputs: np.ndarray | None = None) -> float:
    """Binary cross-entropy by hand: the mean over digits and pixels."""
    noisy = corrupt(VALIDATION, "gaussian", 0.5, training.VALIDATION_NOISE) if inputs is None else inputs
    output, clean = np.clip(run.denoise(noisy), 1e-7, 1 - 1e-7), to_unit(VALIDATION)
    return -(clean * np.log(output) + (1 - clean) * np.log(1 - output)).mean()


def test_the_input_is_the_noisy_digit_and_the_target_its_clean_self():
    clean_digits = {digit.tobytes() for digit in to_unit(TRAIN)}
    for noisy, clean in batches(TRAIN, Recipe(epochs=1, batch_size=100)):
        noisy, clean = noisy.numpy()[..., 0], clean.numpy()[..., 0]
        assert all(digit.tobytes() in clean_digits for digit in clean)
        assert np.abs(noisy - clean).mean() > 0.1
        ink = clean > 0.9
        assert noisy[ink].mean() > noisy[~ink].mean() + 0.3


def test_training_noise_is_fresh_in_every_pass_unless_static():
    def first_digit(**how):
        stream = batches(TRAIN[:1].repeat(50, axis=0), Recipe(epochs=2, batch_size=50, **how))
        return [noisy.numpy()[0] for noisy, _ in stream]

    one, two = first_digit()
    assert (one != two).any()
    fixed = corrupt(TRAIN[:1].repeat(50, axis=0), "gaussian", 0.5, 0)
    for noisy in first_digit(static_noise=True):
        assert any(np.array_equal(noisy[..., 0], digit) for digit in fixed)


def test_every_digit_is_seen_in_every_pass():
    seen = np.concatenate([clean.numpy() for _, clean in batches(TRAIN, Recipe(epochs=1, batch_size=50))])
    assert sorted(d.tobytes() for d in seen[..., 0]) == sorted(d.tobytes() for d in to_unit(TRAIN))


def test_evaluation_is_noisy_and_its_loss_is_the_mean_over_pixels():
    run = small_run(epochs=1)
    noisy, clean = corrupt(VALIDATION, "gaussian", 0.5, training.VALIDATION_NOISE), to_unit(VALIDATION)
    assert run.history["val_loss"][0] == pytest.approx(validation_loss(run), rel=1e-4)
    assert abs(validation_loss(run, clean) - validation_loss(run)) > 1e-3
    error = np.square(run.denoise(noisy) - clean).mean(axis=(1, 2))
    assert run.history["val_psnr"][0] == pytest.approx((-10 * np.log10(error)).mean(), abs=0.01)


def test_no_label_can_reach_the_autoencoder():
    assert set(inspect.signature(fit).parameters).isdisjoint({"labels", "y"})
    inputs = next(iter(batches(TRAIN, Recipe(batch_size=10))))
    assert [tuple(part.shape) for part in inputs] == [(10, 28, 28, 1)] * 2


def test_equal_seeds_give_equal_runs_and_training_learns():
    one, two, other = small_run(), small_run(), small_run(seed=2)
    assert one.history == two.history and one.curve == two.curve
    assert one.history != other.history
    assert one.history["val_loss"][-1] < one.history["val_loss"][0]
    assert one.curve[-1][0] == 2 * 20 * 50


def test_a_loss_that_is_no_number_names_the_learning_rate():
    with pytest.raises(training.Diverged, match=r"learning_rate = 1e\+30"):
        small_run(learning_rate=1e30, loss="mean_squared_error")


def test_training_stops_early_and_keeps_the_best_weights():
    run = small_run(epochs=30, learning_rate=0.05, patience=1)
    losses = run.history["val_loss"]
    assert len(losses) < 30
    assert validation_loss(run) == pytest.approx(min(losses), rel=1e-4)


def test_ctrl_c_keeps_the_best_weights_so_far():
    threading.Timer(6, os.kill, (os.getpid(), signal.SIGINT)).start()
    run = small_run(epochs=100_000)
    losses = run.history["val_loss"]
    assert 1 <= len(losses) < 100_000
    assert validation_loss(run) == pytest.approx(min(losses), rel=1e-4)


def test_a_run_survives_saving_and_loading(tmp_path):
    run = small_run()
    run.save(tmp_path / "run")
    loaded = training.Run.load(tmp_path / "run")
    noisy = corrupt(VALIDATION, "gaussian", 0.5, 0)
    np.testing.assert_array_equal(loaded.denoise(noisy), run.denoise(noisy))
    assert (loaded.recipe, loaded.history, loaded.seconds) == (run.recipe, run.history, run.seconds)
    assert isinstance(loaded.encoder, keras.Model)
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(LabError, match="no complete run"):
        training.Run.load(tmp_path / "run")


def test_the_schedule_warms_up_and_decays_to_zero():
    rate = steps.learning_rate(Recipe(schedule="cosine", learning_rate=0.01, epochs=2), steps=100)
    rates = np.array([float(rate(step)) for step in range(201)])
    assert rates[0] == 0 and rates[-1] == pytest.approx(0, abs=1e-6)
    assert rates.argmax() == 10 and rates.max() == pytest.approx(0.01)
    assert steps.learning_rate(Recipe(learning_rate=0.01), steps=100) == 0.01


def test_a_stream_may_start_at_a_later_pass():
    how = Recipe(epochs=3, batch_size=300)
    whole, rest = list(batches(TRAIN, how)), list(batches(TRAIN, how, first_epoch=1))
    assert (len(whole), len(rest)) == (9, 6)
    for (noisy, clean), (later_noisy, later_clean) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(noisy, later_noisy)
        np.testing.assert_array_equal(clean, later_clean)


def test_an_equal_run_comes_from_the_store_as_it_was(store_folder):
    trained, stored = small_run(use_store=True, dropout=0.2), small_run(use_store=True, dropout=0.2)
    assert (trained.from_store, stored.from_store) == (False, True)
    assert_equal_runs(trained, stored)
    assert (stored.seconds, stored.digits_per_second) == (trained.seconds, trained.digits_per_second)
    assert_equal_runs(stored, small_run(dropout=0.2))


@pytest.mark.parametrize("change", [{"seed": 2}, {"noise_level": 0.4}, {"epochs": 1}, {"dropout": 0.1}])
def test_another_run_does_not(store_folder, change):
    small_run(use_store=True)
    assert not small_run(use_store=True, **change).from_store


def test_what_a_run_depends_on():
    model, how = models.compact(1, **SMALL), Recipe()
    same = loop.origin(model, TRAIN, VALIDATION, how)
    assert same == loop.origin(models.compact(1, **SMALL), TRAIN, VALIDATION, how), "names of layers must not count"
    others = [
        loop.origin(models.compact(2, **SMALL), TRAIN, VALIDATION, how),
        loop.origin(models.compact(1, activation="tanh", **SMALL), TRAIN, VALIDATION, how),
        loop.origin(models.compact(1, dtype="mixed_bfloat16", **SMALL), TRAIN, VALIDATION, how),
        loop.origin(model, TRAIN[::-1], VALIDATION, how),
        loop.origin(model, TRAIN, VALIDATION[1:], how),
        loop.origin(model, TRAIN, VALIDATION, Recipe(learning_rate=1e-4)),
    ]
    assert all(other != same for other in others)


def test_callbacks_see_a_run_that_the_store_knows(store_folder):
    class Count(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    stored, counter = small_run(use_store=True), Count()
    again = fit(models.compact(1, **SMALL), TRAIN, VALIDATION, stored.recipe, callbacks=[counter], use_store=True)
    assert counter.epochs == 2 and not again.from_store


@pytest.mark.parametrize("how", [{"dropout": 0.2}, {"schedule": "cosine", "static_noise": True}])
def test_an_interrupted_run_ends_as_if_it_had_never_stopped(store_folder, monkeypatch, how):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    thread = interrupt_after_checkpoint(store_folder)
    partial = small_run(use_store=True, epochs=40, **how)
    thread.join()
    assert 1 <= len(partial.history["loss"]) < 40
    resumed = small_run(use_store=True, epochs=40, **how)
    assert not resumed.from_store and resumed.seconds > partial.seconds
    assert_equal_runs(resumed, small_run(epochs=40, **how))
    assert not list(store_folder.glob("*.checkpoint"))


def test_patience_counts_on_after_an_interruption(store_folder, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    how = {"epochs": 60, "learning_rate": 0.03, "patience": 3}
    thread = interrupt_after_checkpoint(store_folder)
    small_run(use_store=True, **how)
    thread.join()
    assert_equal_runs(small_run(use_store=True, **how), small_run(**how))


def test_the_fused_adam_is_keras_adam():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(7, 5)).astype(np.float32)
    weights = [keras.Variable(start), keras.Variable(start)]
    optimizers = [FusedAdam(0.01), keras.optimizers.Adam(0.01)]
    for weight, optimizer in zip(weights, optimizers, strict=True):
        optimizer.build([weight])
    for _ in range(20):
        gradient = tf.constant(rng.normal(size=start.shape).astype(np.float32))
        for weight, optimizer in zip(weights, optimizers, strict=True):
            optimizer.apply([gradient], [weight])
    np.testing.assert_allclose(weights[0].numpy(), weights[1].numpy(), rtol=1e-5, atol=1e-6)
    assert np.abs(weights[0].numpy() - start).max() > 0.05
