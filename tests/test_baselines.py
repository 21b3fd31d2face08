"""Baselines: tuned on validation alone, the posterior mean against its definition, and the reference numbers."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.decomposition import PCA

from lab_utils import baselines, metrics
from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.noise import KINDS, to_unit

LEVEL = 0.5
NAMES = [baseline.name for baseline in baselines.all_baselines()]


@pytest.fixture(scope="module")
def mnist():
    return load_mnist("embedded")


@pytest.fixture(scope="module")
def train(mnist):
    return baselines.examples(mnist.train.digits[:2000], "gaussian", LEVEL, seed=1)


@pytest.fixture(scope="module")
def tuned(mnist, train):
    validation = baselines.examples(mnist.validation.digits[:30], "gaussian", LEVEL, seed=2)
    return {result.name: (result, validation) for result in baselines.tune_all(train, validation)}


def test_posterior_mean_is_the_average_over_the_censored_posterior(mnist):
    """Against the definition, pixel by pixel in float64; blocks of 7 do not divide 100 digits."""
    pixels = mnist.train.digits[:100].reshape(100, 784)
    x = pixels / 255
    for level in (0.1, LEVEL, 1.0):
        noisy = baselines.examples(mnist.test.digits[:9], "gaussian", level, seed=3).noisy
        likelihood = [
            np.where(
                y == 0, norm.logcdf(-x / level), np.where(y == 1, norm.logsf((1 - x) / level), norm.logpdf(y, x, level))
            )
            for y in noisy.reshape(9, 784).astype(float)
        ]
        logits = np.sum(likelihood, axis=2)
        weights = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
        estimate = baselines.posterior_mean(pixels, level, noisy, block=7)
        np.testing.assert_allclose(estimate.reshape(9, 784), weights @ x, atol=2e-3)


def test_posterior_mean_uses_bounded_memory(mnist, train):
    pixels = mnist.train.digits.reshape(-1, 784)
    tracemalloc.start()
    baselines.posterior_mean(pixels, LEVEL, train.noisy[:200], block=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pixels.size * 4, "more than one float32 copy of the training digits"


@pytest.mark.parametrize("name", [one.name for one in baselines.all_baselines() if not one.learns])
def test_a_recalibrated_filter_is_put_through_the_best_line_and_never_worse(name, tuned):
    used, (recalibrated, validation) = tuned[name][0], tuned[f"{name}, recalibrated"]
    assert recalibrated.table["mse"].min() <= used.table["mse"].min()
    best = recalibrated.table.loc[recalibrated.table["mse"].idxmin()]
    filtered = next(one for one in baselines.all_baselines() if one.name == name).fitted(None, recalibrated.setting)
    estimate = filtered(validation.noisy).ravel()
    slope, offset = np.polyfit(estimate, validation.clean.ravel(), 1)
    assert (best["slope"], best["offset"]) == (pytest.approx(slope, rel=1e-3), pytest.approx(offset, abs=1e-3))
    again = metrics.mse(validation.clean, recalibrated.denoise(validation.noisy)).mean()
    assert again == pytest.approx(best["mse"])


def test_pca_shrinks_each_component_by_its_own_line(mnist, train):
    few = baselines.examples(mnist.train.digits[:300], "gaussian", LEVEL, seed=4)
    shrunk = baselines.fit_pca_shrinkage(few, 3)(few.noisy).reshape(300, -1)
    pca = PCA(3, random_state=0).fit(few.clean.reshape(300, -1))
    clean, noisy, found = (pca.transform(x.reshape(300, -1)) for x in (few.clean, few.noisy, shrunk))
    for component in range(3):
        line = np.polyval(np.polyfit(noisy[:, component], clean[:, component], 1), noisy[:, component])
        np.testing.assert_allclose(found[:, component], line, atol=1e-3)


def test_posterior_mean_is_refused_where_it_is_not_defined(mnist):
    for kind, level in (("masking", 0.5), ("gaussian", 0.0)):
        with pytest.raises(LabError, match=f"not defined for {kind}"):
            baselines.fit_posterior_mean(baselines.examples(mnist.train.digits[:5], kind, level, seed=1))
    for kind in KINDS:
        names = [baseline.name for baseline in baselines.all_baselines(kind)]
        assert ("posterior mean" in names) == (kind == "gaussian")


@pytest.mark.parametrize("name", NAMES)
def test_tuning_keeps_the_grid_and_takes_its_minimum(name, tuned):
    result, validation = tuned[name]
    grid = next(baseline.grid for baseline in baselines.all_baselines() if baseline.name == name)
    assert len(result.table) == len(grid) and result.setting in grid
    best = result.table.loc[result.table["mse"].idxmin()]
    assert best["setting"] == ", ".join(f"{name} = {value}" for name, value in result.setting.items())
    again = metrics.mse(validation.clean, result.denoise(validation.noisy)).mean()
    assert again == pytest.approx(result.table["mse"].min())


@pytest.mark.parametrize("name", NAMES)
def test_each_digit_is_denoised_on_its_own_and_stays_in_range(name, tuned):
    denoise, noisy = tuned[name][0].denoise, tuned[name][1].noisy
    stack = denoise(noisy[:4])
    assert stack.shape == (4, 28, 28) and stack.min() >= 0 and stack.max() <= 1
    np.testing.assert_allclose(stack[2], denoise(noisy[2:3])[0], atol=1e-4)


def test_the_reference_numbers_hold_on_the_embedded_digits(mnist, train):
    """PSNR in dB, within 0.3 of what was measured on the first 500 test digits of full MNIST."""
    test = baselines.examples(mnist.test.digits, "gaussian", LEVEL, seed=3)
    estimates = {
        9.4: test.noisy,
        12.3: baselines.BLUR.fitted(train, {"sigma": 1.0})(test.noisy),
        14.2: baselines.MEDIAN.fitted(train, {"size": 3})(test.noisy),
        14.9: baselines.PCA_PROJECTION.fitted(train, {"components": 32})(test.noisy),
        17.4: baselines.PCA_SHRINKAGE.fitted(train, {"components": 128})(test.noisy),
    }
    measured = [metrics.psnr(test.clean, estimate).mean() for estimate in estimates.values()]
    assert measured == pytest.approx(list(estimates), abs=0.3)


def test_the_reference_numbers_hold_on_full_mnist():
    """As above, for the two baselines that need many training digits. Runs where full MNIST is cached."""
    try:
        mnist = load_mnist("cache")
    except LabError:
        pytest.skip("full MNIST is not in the cache")
    train = baselines.examples(mnist.train.digits[:20_000], "gaussian", LEVEL, seed=1)
    test = baselines.examples(mnist.test.digits[:500], "gaussian", LEVEL, seed=3)
    ridge = baselines.RIDGE.fitted(train, {"alpha": 10})(test.noisy)
    assert metrics.psnr(test.clean, ridge).mean() == pytest.approx(17.6, abs=0.3)
    posterior = baselines.posterior_mean(mnist.train.digits.reshape(-1, 784), LEVEL, test.noisy)
    assert metrics.psnr(test.clean, posterior).mean() == pytest.approx(17.0, abs=0.3)


def test_examples_keep_the_clean_digits_clean(mnist):
    both = baselines.examples(mnist.test.digits[:20], "salt_and_pepper", 0.3, seed=1)
    np.testing.assert_array_equal(both.clean, to_unit(mnist.test.digits[:20]))
    assert (both.noisy != both.clean).any()
