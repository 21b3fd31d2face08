"""Image quality and intervals: against scikit-image, Keras, and sums done by hand."""

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from lab_utils import metrics
from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.noise import corrupt, to_unit


@pytest.fixture(scope="module")
def pair():
    digits = load_mnist("embedded").test.digits[:12]
    return to_unit(digits), corrupt(digits, "gaussian", 0.5, seed=1)


def test_mse_and_psnr_agree_with_scikit_image(pair):
    expected = [mean_squared_error(*digits) for digits in zip(*pair, strict=True)]
    np.testing.assert_allclose(metrics.mse(*pair), expected, rtol=1e-6)
    expected = [peak_signal_noise_ratio(*digits, data_range=1) for digits in zip(*pair, strict=True)]
    np.testing.assert_allclose(metrics.psnr(*pair), expected, rtol=1e-6)


def test_ssim_is_the_mean_of_wangs_formula_over_all_7x7_windows(pair):
    x, y = (np.lib.stride_tricks.sliding_window_view(d.astype(float), (7, 7), axis=(1, 2)) for d in pair)
    mean_x, mean_y = x.mean((-1, -2)), y.mean((-1, -2))
    var_x, var_y = x.var((-1, -2), ddof=1), y.var((-1, -2), ddof=1)
    covariance = ((x * y).mean((-1, -2)) - mean_x * mean_y) * 49 / 48
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (var_x + var_y + 0.03**2)
    np.testing.assert_allclose(metrics.ssim(*pair), (luminance * structure).mean((1, 2)), rtol=1e-6)


def test_bce_is_the_loss_that_keras_reports(pair):
    import keras

    clean, noisy = (digits.reshape(-1, 784) for digits in pair)
    loss = keras.losses.binary_crossentropy(clean, noisy * np.float32(0.99) + np.float32(0.005))
    np.testing.assert_allclose(metrics.bce(clean, noisy * 0.99 + 0.005), loss, rtol=1e-5)


def test_bce_of_a_certain_error_is_bounded_by_kerass_epsilon():
    black, white = np.zeros((1, 28, 28)), np.ones((1, 28, 28))
    bound = pytest.approx([-np.log(1e-7)])
    assert metrics.bce(black, white) == bound
    assert metrics.bce(white, black) == bound


def test_a_known_error_gives_the_known_numbers():
    black, grey = np.zeros((1, 28, 28)), np.full((1, 28, 28), 0.1)
    assert metrics.mse(black, grey) == pytest.approx(0.01)
    assert metrics.psnr(black, grey) == pytest.approx(20)
    assert metrics.bce(black, grey) == pytest.approx(-np.log(0.9))


def test_an_unchanged_digit_has_the_psnr_of_the_smallest_visible_error(pair):
    clean, _ = pair
    step = clean.astype(np.float64)
    step[:, 14, 14] += np.where(step[:, 14, 14] > 0.5, -1, 1) / 255
    smallest = 10 * np.log10(255**2 * 784)
    np.testing.assert_allclose(metrics.psnr(clean, clean), smallest)
    np.testing.assert_allclose(metrics.psnr(clean.astype(np.float64), step), smallest, rtol=1e-6)
    np.testing.assert_array_equal(metrics.ssim(clean, clean), 1)
    assert metrics.mean_interval(metrics.psnr(clean, clean)) == pytest.approx((smallest,) * 3)


def test_digits_that_masking_left_unchanged_have_a_finite_mean_and_interval():
    digits = load_mnist("embedded").test.digits
    clean = to_unit(digits)
    noisy = clean.copy()
    noisy[:400] = corrupt(digits[:400], "masking", 0.05, seed=13)
    table = metrics.quality(clean[395:405], noisy[395:405])
    assert (table.mse == 0).any() and np.isfinite(table).all(axis=None)
    assert np.isfinite(metrics.mean_interval(table.psnr)).all()
    assert np.isfinite(metrics.summary(clean[395:405], [noisy[395:405]])["psnr_high"])


def test_where_something_is_not_finite_there_is_no_interval():
    mean, low, high = metrics.mean_interval([np.inf, 1.0])
    assert np.isposinf(mean) and np.isnan(low) and np.isnan(high)
    assert np.isnan(metrics.paired_interval([np.inf, 1], [np.inf, 1]).mean)


def test_quality_holds_one_row_per_digit_whatever_the_layout(pair):
    clean, noisy = pair
    table = metrics.quality(clean, noisy)
    assert list(table) == ["mse", "psnr", "ssim", "bce"] and len(table) == len(clean)
    np.testing.assert_array_equal(table, metrics.quality(clean[..., np.newaxis], noisy.reshape(-1, 784)))


def test_unlike_stacks_are_refused(pair):
    clean, noisy = pair
    with pytest.raises(LabError, match="dtype uint8"):
        metrics.mse((clean * 255).astype(np.uint8), noisy)
    with pytest.raises(LabError, match="11 clean digits against 12"):
        metrics.psnr(clean[1:], noisy)
    with pytest.raises(LabError, match="equal shapes"):
        metrics.paired_interval([1.0, 2.0], [1.0])


def test_mean_interval_by_hand():
    # Mean 2, standard error 1 / sqrt(3), and 4.302653 is the 97.5 % point of t with 2 degrees of freedom.
    assert metrics.mean_interval([1, 2, 3]) == pytest.approx((2, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    mean, low, high = metrics.mean_interval([5.0])
    assert mean == 5 and np.isnan(low) and np.isnan(high)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_of_three_seeds_cover_the_truth_as_often_as_they_say(confidence):
    samples = np.random.default_rng(0).normal(10, 2, (4000, 3))
    intervals = [metrics.mean_interval(sample, confidence) for sample in samples]
    covered = np.mean([low <= 10 <= high for _, low, high in intervals])
    assert covered == pytest.approx(confidence, abs=0.02)


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 5, 50)
    one, other = difficulty + 1 + rng.normal(0, 0.1, 50), difficulty + rng.normal(0, 0.1, 50)
    paired, alone = metrics.paired_interval(one, other), metrics.mean_interval(one)
    assert paired.mean == pytest.approx(one.mean() - other.mean())
    assert 0 < paired.low < 1 < paired.high
    assert paired.high - paired.low < (alone.high - alone.low) / 10
