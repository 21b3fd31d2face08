"""What would hurt: a wrong pairing, noise that is off, a loss that is not its mean, a run that cannot be repeated."""

import inspect
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from lab_utils import data, models, training
from lab_utils.noise import corrupt, to_unit
from lab_utils.training import Recipe, batches, fit, steps
from lab_utils.training.adam import FusedAdam
from lab_utils.training.identity import identity

MNIST = data.load_mnist("embedded")
TRAIN, VALIDATION = MNIST.train.digits[:1_000], MNIST.validation.digits[:200]
SMALL = {"code_size": 8, "width": 32}


def small_run(use_cache: bool = False, dropout: float = 0.0, **recipe) -> training.Run:
    how = Recipe(**{"epochs": 2, "batch_size": 50, "seed": 1} | recipe)
    return fit(models.compact(1, dropout=dropout, **SMALL), TRAIN, VALIDATION, how, use_cache=use_cache)


def assert_equal_runs(one: training.Run, two: training.Run) -> None:
    """Equal to the last bit: what was measured, and every variable of the model."""
    assert (one.recipe, one.history, one.curve) == (two.recipe, two.history, two.curve)
    for a, b in zip(one.model.variables, two.model.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def validation_loss(run: training.Run, inputs: np.ndarray | None = None) -> float:
    """Binary cross-entropy by hand: the mean over digits and pixels."""
    noisy = corrupt(VALIDATION, "gaussian", 0.5, training.VALIDATION_NOISE) if inputs is None else inputs
    output, clean = np.clip(run.denoise(noisy), 1e-7, 1 - 1e-7), to_unit(VALIDATION)
    return -(clean * np.log(output) + (1 - clean) * np.log(1 - output)).mean()


def test_the_input_is_the_noisy_digit_and_the_target_its_clean_self():
    clean_digits = {digit.tobytes() for digit in to_unit(TRAIN)}
    for noisy, clean in batches(TRAIN, Recipe(epochs=1, batch_size=100)):
        noisy, clean = noisy[..., 0], clean[..., 0]
        assert all(digit.tobytes() in clean_digits for digit in clean)
        assert np.abs(noisy - clean).mean() > 0.1
        ink = clean > 0.9
        assert noisy[ink].mean() > noisy[~ink].mean() + 0.3


def test_training_noise_is_fresh_in_every_pass_unless_static():
    def all_noisy(**how):
        stream = batches(TRAIN[:1].repeat(50, axis=0), Recipe(epochs=2, batch_size=50, **how))
        return [noisy for noisy, _ in stream]

    def first_digit(**how):
        return [noisy[0] for noisy in all_noisy(**how)]

    one, two = first_digit()
    assert (one != two).any()
    of_test = corrupt(TRAIN[:1].repeat(50, axis=0), "gaussian", 0.5, 0)
    first, second = first_digit(static_noise=True)
    shared = [noisy for noisy in (first, second) if any(np.array_equal(noisy[..., 0], each) for each in of_test)]
    assert not shared, "a seed's test digits have other noise than its training digits"
    (fixed,) = {tuple(map(bytes, sorted(noisy.tobytes() for noisy in each))) for each in all_noisy(static_noise=True)}
    assert {first.tobytes(), second.tobytes()} <= set(fixed)


def test_every_digit_is_seen_in_every_pass():
    seen = np.concatenate([clean for _, clean in batches(TRAIN, Recipe(epochs=1, batch_size=50))])
    assert sorted(d.tobytes() for d in seen[..., 0]) == sorted(d.tobytes() for d in to_unit(TRAIN))


@pytest.mark.parametrize("digits", [16 * 50, 1_000, 30])
def test_stretches_are_the_batches_in_their_order(digits):
    recipe = Recipe(epochs=3, batch_size=50, noisy_target=True, lowest_level=0.1)
    stretches = list(steps.stretches(TRAIN[:digits], recipe))
    assert max(len(noisy) for noisy, _ in stretches) <= steps.STRETCH
    for place, alone in enumerate(zip(*batches(TRAIN[:digits], recipe), strict=True)):
        np.testing.assert_array_equal(np.concatenate([each[place] for each in stretches]), alone)


def test_evaluation_is_noisy_and_its_loss_is_the_mean_over_pixels():
    run = small_run(epochs=1)
    noisy, clean = corrupt(VALIDATION, "gaussian", 0.5, training.VALIDATION_NOISE), to_unit(VALIDATION)
    assert run.history["val_loss"][0] == pytest.approx(validation_loss(run), rel=1e-4)
    assert abs(validation_loss(run, clean) - validation_loss(run)) > 1e-3
    error = np.square(run.denoise(noisy) - clean).mean(axis=(1, 2))
    assert run.history["val_psnr"][0] == pytest.approx((-10 * np.log10(error)).mean(), abs=0.01)


def test_no_label_can_reach_the_autoencoder():
    assert set(inspect.signature(fit).parameters).isdisjoint({"labels", "y"})
    inputs = next(batches(TRAIN, Recipe(batch_size=10)))
    assert [tuple(part.shape) for part in inputs] == [(10, 28, 28, 1)] * 2


def test_equal_seeds_give_equal_runs_and_training_learns():
    one, two, other = small_run(), small_run(), small_run(seed=2)
    assert one.history == two.history and one.curve == two.curve
    assert one.history != other.history
    assert one.history["val_loss"][-1] < one.history["val_loss"][0]
    assert one.curve[-1][0] == 2 * 20 * 50


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_models_of_one_kind_share_a_graph_and_nothing_else(schedule):
    how = {"dropout": 0.2, "schedule": schedule}
    first = small_run(**how)
    kept = [variable.numpy() for variable in first.model.variables]
    small_run(seed=2, **how), small_run(dropout=0.1, schedule=schedule), small_run(batch_size=40, **how)
    for before, after in zip(kept, first.model.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    assert_equal_runs(first, small_run(**how))
    assert len(steps._waiting) <= steps.KEPT


def test_a_loss_that_is_no_number_names_the_learning_rate():
    """Without a sigmoid, which saturates: some processors then find a finite loss."""
    recipe = Recipe(epochs=2, batch_size=50, learning_rate=1e30, loss="mean_squared_error")
    with pytest.raises(training.Diverged, match=r"learning_rate = 1e\+30"):
        fit(models.compact(1, linear=True, **SMALL), TRAIN, VALIDATION, recipe, use_cache=False)


def test_the_best_weights_are_kept():
    run = small_run(epochs=30, learning_rate=0.05)
    losses = run.history["val_loss"]
    assert losses.index(min(losses)) < 29
    assert validation_loss(run) == pytest.approx(min(losses), rel=1e-4)


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C after the second epoch, as a person's finger sends it."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_stops_the_run_and_half_a_training_is_none(own_cache):
    with pytest.raises(KeyboardInterrupt):
        fit(models.compact(1, **SMALL), TRAIN, VALIDATION, Recipe(epochs=5), callbacks=[Interrupt()], use_cache=True)
    assert not (own_cache / "results").exists()


def test_a_frozen_encoder_stays_as_it_is():
    model = models.compact(1, **SMALL)
    how = Recipe(epochs=1, learning_rate=1e-3)
    fit(model, TRAIN, VALIDATION, how)
    model.get_layer("encoder").trainable = False
    before = [weights.copy() for weights in model.get_layer("encoder").get_weights()]
    decoder = [weights.copy() for weights in model.get_layer("decoder").get_weights()]
    fit(model, TRAIN, VALIDATION, how)
    for weights, was in zip(model.get_layer("encoder").get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, was)
    assert any((a != b).any() for a, b in zip(model.get_layer("decoder").get_weights(), decoder, strict=True))


def test_a_training_leaves_no_file_behind(tmp_path):
    program = """
from lab_utils import data, models
from lab_utils.training import Recipe, fit
mnist = data.load_mnist("embedded")
fit(models.compact(0, width=16), mnist.train.digits[:200], mnist.validation.digits[:100], Recipe(epochs=1))
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert os.listdir(tmp_path) == []


def test_the_schedule_warms_up_and_decays_to_zero():
    rate = steps.learning_rate(Recipe(schedule="cosine", learning_rate=0.01, epochs=2), steps=100)
    rates = np.array([float(rate(step)) for step in range(201)])
    assert rates[0] == 0 and rates[-1] == pytest.approx(0, abs=1e-6)
    assert rates.argmax() == 10 and rates.max() == pytest.approx(0.01)
    assert steps.learning_rate(Recipe(learning_rate=0.01), steps=100) == 0.01


def test_an_equal_run_comes_from_the_cache_as_it_was(own_cache):
    trained, kept = small_run(use_cache=True, dropout=0.2), small_run(use_cache=True, dropout=0.2)
    assert (trained.from_cache, kept.from_cache) == (False, True)
    assert_equal_runs(trained, kept)
    assert (kept.seconds, kept.digits_per_second) == (trained.seconds, trained.digits_per_second)
    assert_equal_runs(kept, small_run(dropout=0.2))


@pytest.mark.parametrize("change", [{"seed": 2}, {"noise_level": 0.4}, {"epochs": 1}, {"dropout": 0.1}])
def test_another_run_does_not(own_cache, change):
    small_run(use_cache=True)
    assert not small_run(use_cache=True, **change).from_cache


def functional(*activations: str, names: tuple[str, ...] = (), **options) -> keras.Model:
    """A small dense model with one layer per activation, named as asked."""
    digit = keras.Input((28, 28, 1))
    x = keras.layers.Flatten()(digit)
    for place, activation in enumerate(activations):
        start = keras.initializers.GlorotUniform(seed=place)
        name = names[place] if names else None
        x = keras.layers.Dense(8, activation, kernel_initializer=start, name=name, **options)(x)
    x = keras.layers.Dense(784, "sigmoid", kernel_initializer=keras.initializers.GlorotUniform(seed=9))(x)
    return keras.Model(digit, keras.layers.Reshape((28, 28, 1))(x))


def test_names_of_layers_do_not_count_and_activations_do():
    one = identity(functional("relu", "tanh"))
    assert one == identity(functional("relu", "tanh"))
    assert one == identity(functional("relu", "tanh", names=("tanh", "relu")))
    assert one == identity(functional("relu", "tanh", names=("a", "b")))
    assert one == identity(functional("relu", "tanh", names=("relu", "tanh")))
    assert identity(functional("tanh", "relu")) != one and identity(functional("relu", "relu")) != one
    swapped = functional("tanh", "relu", names=("relu", "tanh"))
    assert identity(swapped) != one
    assert identity(models.compact(1, **SMALL)) == identity(models.compact(1, **SMALL))
    frozen = functional("relu", "tanh")
    frozen.layers[2].trainable = False
    assert identity(frozen) != one
    assert identity(models.compact(1, dtype="mixed_bfloat16", **SMALL)) != identity(models.compact(1, **SMALL))


class Doubled(keras.layers.Layer):
    """A layer of a student's own."""

    def call(self, x):
        return 2 * x


def own_layer() -> keras.Model:
    digit = keras.Input((28, 28, 1))
    return keras.Model(digit, keras.layers.Conv2D(1, 3, padding="same")(Doubled()(digit)))


def own_function() -> keras.Model:
    digit = keras.Input((28, 28, 1))
    return keras.Model(digit, keras.layers.Conv2D(1, 3, padding="same", activation=lambda x: x)(digit))


def own_lambda() -> keras.Model:
    digit = keras.Input((28, 28, 1))
    return keras.Model(digit, keras.layers.Conv2D(1, 3, padding="same")(keras.layers.Lambda(lambda x: x)(digit)))


@pytest.mark.parametrize("make", [own_layer, own_function, own_lambda])
def test_a_model_with_code_of_a_students_own_is_trained_every_time(own_cache, make):
    for _ in range(2):
        run = fit(make(), TRAIN[:100], VALIDATION[:50], Recipe(epochs=1, loss="mean_squared_error"), use_cache=True)
        assert not run.from_cache
    assert not (own_cache / "results").exists()


def test_callbacks_see_a_run_that_the_cache_knows(own_cache):
    class Count(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    kept, counter = small_run(use_cache=True), Count()
    again = fit(models.compact(1, **SMALL), TRAIN, VALIDATION, kept.recipe, callbacks=[counter], use_cache=True)
    assert counter.epochs == 2 and not again.from_cache


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
