"""One trial: real trainings whose scores are what they say, and every score where the answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from lab_utils import settings
from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.study import rates
from lab_utils.study.digits import Budget, Digits
from lab_utils.study.space import BASE, RATES, Setting
from lab_utils.study.trial import (
    Scores,
    _score_units,
    _unit_errors,
    half_loss,
    left,
    rises,
    run_trial,
    until_half,
)

BUDGET = Budget(train_digits=600, epochs=2, score_digits=300, probe_digits=300, width=32)


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits.of(load_mnist("embedded"), BUDGET)


def test_a_trial_is_repeatable_and_its_scores_are_what_they_say(digits):
    setting = Setting(code_size=8, batch_size=16)
    reported = []
    scores = run_trial(setting, 1, BUDGET, digits, report=lambda *epoch: reported.append(epoch))
    other = run_trial(setting, 2, BUDGET, digits)
    again = run_trial(setting, 1, BUDGET, digits)
    assert scores.error == again.error and scores.curve == again.curve
    assert scores.error != other.error
    assert reported == list(enumerate(scores.curve)) and len(scores.curve) == scores.epochs == BUDGET.epochs
    # The best epoch's weights are kept, and they are scored exactly as the epoch was.
    assert scores.error == pytest.approx(min(scores.curve), rel=1e-5)
    assert scores.digits == 300 and scores.units == 2 * BUDGET.width and np.isnan(scores.left)
    assert scores.gap == pytest.approx(100 * (scores.error - scores.train_error) / scores.train_error)
    assert 0.1 < scores.probe <= 1 and -0.5 < scores.ari <= 1
    assert 0 <= scores.dead <= 1 and 0 <= scores.near_zero <= 1
    assert not scores.diverged


def test_probe_falls_to_chance_when_the_held_out_labels_are_shuffled(digits):
    setting = Setting(batch_size=16)
    shuffled = replace(digits, validation_labels=np.random.default_rng(0).permutation(digits.validation_labels))
    true, chance = (run_trial(setting, 1, BUDGET, each) for each in (digits, shuffled))
    assert true.error == chance.error, "labels must not reach the training"
    assert true.probe > 0.35 and chance.probe < 0.2


def test_held_out_test_digits_change_the_score_and_not_the_training(digits):
    validation = run_trial(BASE, 1, BUDGET, digits)
    test = run_trial(BASE, 1, BUDGET, digits, held_out="test")
    assert validation.curve == test.curve
    assert validation.error != test.error


def test_errors_vanish_on_their_way_through_sigmoids_and_relu_units_die(digits):
    deep = Setting(hidden_layers=3, activation="sigmoid")
    sigmoid, relu = (run_trial(replace(deep, activation=name), 1, BUDGET, digits) for name in ("sigmoid", "relu"))
    assert sigmoid.vanish_before < relu.vanish_before - 1 and sigmoid.vanish_after < relu.vanish_after - 1
    assert sigmoid.dead == 0 < relu.dead < 1


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
def test_a_unit_is_dead_if_no_training_digit_moves_its_weights(digits, activation):
    """A large negative bias switches two ReLU units off and saturates two of tanh; leaky ones still learn."""
    from lab_utils import models

    model = models.compact(1, code_size=4, width=16, activation=activation)
    dense = models.halves(model)[0].layers[2]
    dense.bias.assign(np.where(np.arange(16) < 2, -1e4, 0.0))
    scores = Scores()
    _score_units(scores, model, BUDGET, digits)
    assert scores.units == 32
    if activation == "leaky_relu":
        assert scores.dead == 0
    else:
        assert scores.dead >= 2 / 32


def test_the_back_propagated_error_is_the_gradient_of_the_bias(digits):
    """The bias adds to a unit's input, so the errors of all digits add up to its gradient."""
    import keras
    import tensorflow as tf

    from lab_utils import models

    model = models.compact(1, code_size=4, hidden_layers=2, width=16, activation="tanh")
    noisy, clean = digits.pairs("train", BUDGET, 1, stop=50)
    errors = _unit_errors(model, noisy, clean)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(keras.losses.binary_crossentropy(clean, model(noisy)))
    hidden = [layer for half in models.halves(model) for layer in half.layers if "dense" in layer.name][:5]
    biases = [layer.bias.value for layer in (*hidden[:2], *hidden[3:])]
    for error, gradient in zip(errors, tape.gradient(loss, biases), strict=True):
        np.testing.assert_allclose(error.sum(axis=0), gradient, rtol=1e-3, atol=1e-5)


def test_batch_sizes_are_compared_at_equal_steps(digits):
    few, many = (Setting(batch_size=256, passes=passes) for passes in (1, 4))
    assert run_trial(few, 1, BUDGET, digits).epochs == 2
    assert run_trial(many, 1, BUDGET, digits).epochs == 8


def test_weight_decay_acts_on_the_weights_and_a_code_penalty_on_the_code():
    from lab_utils import models

    decayed = models.compact(1, **Setting(regularization="weight_decay", strength=0.1).penalty())
    kernels = [variable.numpy() for variable in decayed.trainable_variables if variable.name == "kernel"]
    decayed(np.zeros((3, 28, 28, 1), np.float32))
    assert float(sum(decayed.losses)) == pytest.approx(0.1 * sum(np.square(kernel).sum() for kernel in kernels))
    penalised = models.compact(1, **Setting(regularization="code_l2", strength=0.1).penalty())
    penalised(np.zeros((3, 28, 28, 1), np.float32))
    assert float(sum(penalised.losses)) == 0, "the code of an empty digit is 0"


def test_a_trial_that_diverges_is_scored_as_such(digits):
    scores = run_trial(Setting(learning_rate=1e30, activation="relu"), 1, BUDGET, digits)
    assert scores.diverged


@pytest.mark.parametrize("batch_size", [16, 256])
def test_a_network_that_stands_still_is_stable_at_every_batch_size(digits, batch_size):
    """Its readings are of the same digits under the same noise, so that frozen weights leave nothing to read."""
    scores = run_trial(Setting(batch_size=batch_size, learning_rate=1e-30), 1, BUDGET, digits)
    assert scores.rises == pytest.approx(0, abs=1e-9)


def test_rises_count_what_a_fall_does_not_make_good():
    assert rises([0.5, 0.4, 0.1]) == 0
    assert rises([0.1, 0.1 * np.e, 0.05]) == pytest.approx(50)
    assert np.isnan(rises([0.1]))


def test_what_is_left_is_what_the_last_third_of_the_epochs_gained():
    assert left([1, 1, 1, 0.8, 0.7, 0.6]) == pytest.approx(25)
    assert left([1, 0.5, 0.6]) == 0
    assert np.isnan(left([1, 0.5]))


def test_half_of_the_loss_lies_between_the_mean_digit_and_the_digits_themselves():
    digits = np.zeros((4, 28, 28), np.uint8)
    digits[:2] = 255
    half = half_loss(digits)
    assert half == pytest.approx(np.log(2) / 2), "the mean digit is grey, the digits are not"
    curve = [(2, 2 * half), (4, 1.5 * half), (6, 0.5 * half), (8, 0.1 * half)]
    assert until_half(curve, digits) == pytest.approx(4 / 4), "halfway between the middles of two readings"
    assert until_half(curve[:2], digits) == np.inf
    assert until_half([(2, 0.1 * half)], digits) == 1 / 4


def test_too_few_training_digits_for_the_scores_are_refused():
    with pytest.raises(LabError, match="train_digits = 200"):
        Digits.of(load_mnist("embedded"), replace(BUDGET, train_digits=200))


def test_a_rate_of_its_own_is_one_that_was_tried(digits):
    tried = {(varied, getattr(each, varied.split(" at ")[0], "")): set() for varied, each in rates.candidates()}
    for varied, setting in rates.candidates():
        tried[varied, getattr(setting, varied.split(" at ")[0], "")].add(setting.learning_rate)
    assert all(rate in tried[place] and BASE.learning_rate in tried[place] for place, rate in RATES.items())
    assert BASE.learning_rate in tried["base", ""]


def test_rates_are_told_by_their_error():
    lab = settings.check("03_post_lab", {"train_digits": 500, "score_digits": 200, "epochs": 1})
    few = [("base", BASE), ("base", replace(BASE, learning_rate=1e30))]
    ((key, by_rate),) = rates.tune(load_mnist("embedded"), lab, few).items()
    assert key == ("base", "") and 0 < by_rate[BASE.learning_rate] < by_rate[1e30] == np.inf
