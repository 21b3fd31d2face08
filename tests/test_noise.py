"""Corruption: range, level, seed, and draws that are normal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from lab_utils.errors import LabError
from lab_utils.noise import KINDS, corrupt, normal, to_unit

GREY = np.full((150, 28, 28), 128, np.uint8)


@given(kind=st.sampled_from(sorted(KINDS)), level=st.floats(0, 1), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_noisy_digits_stay_in_range_and_depend_on_the_seed_alone(kind, level, seed):
    digits = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    noisy = corrupt(digits, kind, level, seed)
    assert noisy.shape == digits.shape and noisy.dtype == np.float32
    assert noisy.min() >= 0 and noisy.max() <= 1
    np.testing.assert_array_equal(noisy, corrupt(to_unit(digits), kind, level, seed))


@pytest.mark.parametrize("kind", KINDS)
def test_level_zero_changes_nothing_and_another_seed_changes_the_noise(kind):
    np.testing.assert_array_equal(corrupt(GREY, kind, 0.0, 1), to_unit(GREY))
    assert (corrupt(GREY, kind, 0.3, 1) != corrupt(GREY, kind, 0.3, 2)).any()


def test_levels_mean_what_they_say():
    assert corrupt(GREY, "gaussian", 0.1, 0).std() == pytest.approx(0.1, rel=0.03)
    assert corrupt(GREY, "speckle", 0.1, 0).std() == pytest.approx(0.1 * 128 / 255, rel=0.03)
    assert (corrupt(GREY, "masking", 0.3, 0) == 0).mean() == pytest.approx(0.3, abs=0.01)
    salted = corrupt(GREY, "salt_and_pepper", 0.3, 0)
    assert (salted == 0).mean() == pytest.approx(0.15, abs=0.01)
    assert (salted == 1).mean() == pytest.approx(0.15, abs=0.01)


@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (400, 28, 28)])
def test_normal_draws_are_normal_and_independent(shape):
    draws = normal(np.random.default_rng(5), shape)
    assert draws.shape == shape and draws.dtype == np.float32 and np.abs(draws).max() < 6
    if draws.size > 10_000:
        flat, half = draws.ravel().astype(float), draws.size // 2
        assert kstest(flat, "norm").pvalue > 1e-4 and kstest(flat + 0.01, "norm").pvalue < 1e-4
        for one, two in [(flat[:half], flat[half:]), (flat[:-1], flat[1:])]:
            assert abs(np.corrcoef(one, two)[0, 1]) < 0.01
            assert abs(np.corrcoef(np.abs(one), np.abs(two))[0, 1]) < 0.01
        assert (flat[:half] ** 2 + flat[half:] ** 2).mean() == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(("kind", "level"), [("rain", 0.5), ("gaussian", -0.1), ("masking", 1.5)])
def test_unknown_kinds_and_levels_are_refused(kind, level):
    with pytest.raises(LabError, match=r"rain|-0\.1|1\.5"):
        corrupt(GREY, kind, level, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_every_integer_type_is_scaled(dtype):
    digits = np.arange(256).reshape(1, 16, 16).astype(dtype)
    unit = to_unit(digits)
    assert unit.dtype == np.float32 and unit.min() == 0 and unit.max() == 1
    np.testing.assert_array_equal(unit, to_unit(digits.astype(np.uint8)))
    np.testing.assert_array_equal(
        corrupt(digits, "gaussian", 0.5, 1), corrupt(digits.astype(np.uint8), "gaussian", 0.5, 1)
    )


@pytest.mark.parametrize(
    "digits",
    [
        np.array([0, 256]),
        np.array([-1, 3]),
        np.array([0.0, 1.5]),
        np.array([-0.1, 1.0]),
        np.array([0.5, np.nan]),
        np.array([128.0, 255.0], np.float32),
        np.array(["0"]),
        np.array([True]),
    ],
)
def test_what_are_no_pixels_is_refused(digits):
    with pytest.raises(LabError, match="Digits have"):
        to_unit(digits)


def test_no_digits_are_no_mistake():
    assert to_unit(np.empty((0, 28, 28))).shape == (0, 28, 28)
