"""The autoencoders have the shapes, counts and bottlenecks that they claim."""

import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from bench import networks
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils import codes, models
from lab_utils.beyond.scores import CODE_SIZE
from lab_utils.running.source import read_notebook

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
WIDTH = inspect.signature(models.compact).parameters["width"].default


def test_manual_is_the_manuals_network():
    autoencoder = models.manual(0)
    encoder, decoder = models.halves(autoencoder)
    assert autoencoder.count_params() == models.MANUAL_PARAMETERS == 185_217
    assert encoder.output_shape == (None, 7 * 7 * 128)
    kinds = [type(layer).__name__ for layer in encoder.layers + decoder.layers]
    assert kinds == [
        *("InputLayer", "Conv2D", "Conv2D", "Conv2D", "Flatten"),
        *("InputLayer", "Reshape", "Conv2DTranspose", "Conv2DTranspose", "Conv2D", "Activation"),
    ]  # the last convolution's sigmoid is a layer of its own, so that it stays float32 in mixed precision
    sigmoid = models.halves(models.manual(0, "mixed_bfloat16"))[1].layers[-1]
    assert sigmoid.activation.__name__ == "sigmoid" and sigmoid.compute_dtype == "float32"


@given(
    code_size=st.integers(1, 64),
    hidden_layers=st.integers(0, 3),
    activation=st.sampled_from(["relu", "leaky_relu", "sigmoid", "tanh"]),
    dropout=st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=8, deadline=None)
def test_compact_has_the_code_that_it_was_asked_for(code_size, hidden_layers, activation, dropout):
    autoencoder = models.compact(
        0, code_size=code_size, hidden_layers=hidden_layers, width=16, activation=activation, dropout=dropout
    )
    digits = np.random.default_rng(0).random((2, 28, 28, 1), dtype=np.float32)
    encoder, decoder = models.halves(autoencoder)
    codes = encoder(digits)
    assert codes.shape == (2, code_size)
    np.testing.assert_allclose(decoder(codes), autoencoder(digits), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", [models.manual, models.compact, networks.compact_conv, networks.reference])
def test_weights_depend_on_the_seed_alone(build):
    first, again, other = build(1), build(1), build(2)
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first.get_weights(), other.get_weights(), strict=True))
    kernels = [w for w in first.get_weights() if w.ndim > 1 and w.size > 500]
    zeros = [w for w in kernels if w.std() == 0]
    assert len(zeros) == {"compact_conv": 4, "reference": 4}.get(build.__name__, 0)  # one in each residual block


def test_linear_model_is_affine():
    autoencoder = models.compact(0, code_size=4, width=8, linear=True)
    a, b = np.random.default_rng(0).random((2, 1, 28, 28, 1), dtype=np.float32)
    middle = autoencoder((a + b) / 2).numpy()
    np.testing.assert_allclose(middle, (autoencoder(a).numpy() + autoencoder(b).numpy()) / 2, atol=1e-5)


def test_the_penalty_on_the_code_is_the_mean_that_it_says():
    autoencoder = models.compact(0, code_size=5, width=8, l1=0.3, l2=0.7)
    digits = np.random.default_rng(0).random((6, 28, 28, 1), dtype=np.float32)
    codes = models.halves(autoencoder)[0](digits).numpy()
    autoencoder(digits)
    expected = 0.3 * np.abs(codes).mean() + 0.7 * np.square(codes).mean()
    assert float(sum(autoencoder.losses)) == pytest.approx(expected, rel=1e-5)


def test_compact_conv_has_the_code_that_it_was_asked_for():
    autoencoder = networks.compact_conv(0, code_size=5)
    encoder, decoder = models.halves(autoencoder)
    digits = np.random.default_rng(0).random((2, 28, 28, 1), dtype=np.float32)
    codes = encoder(digits)
    assert codes.shape == (2, 5)
    np.testing.assert_allclose(decoder(codes), autoencoder(digits), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", [networks.compact_conv, networks.reference])
def test_patches_are_put_back_where_they_belong(build):
    """Every pixel of the four of a patch comes from its own channel of the last convolution."""
    model = build(0)
    last = model if build is networks.reference else models.halves(model)[1]
    patches = keras.Input((14, 14, 4))
    x = patches
    for layer in last.layers[-4:]:
        x = layer(x)
    values = np.random.default_rng(0).random((1, 14, 14, 4), dtype=np.float32)
    digit = keras.Model(patches, x)(values).numpy()[0, ..., 0]
    expected = 1 / (1 + np.exp(-values[0]))
    for row, column in np.ndindex(2, 2):
        np.testing.assert_allclose(digit[row::2, column::2], expected[..., 2 * row + column], rtol=1e-5)


def test_reference_takes_digits_and_returns_digits():
    model = networks.reference(0)
    assert model.count_params() == 807_172
    digits = np.random.default_rng(0).random((3, 28, 28, 1), dtype=np.float32)
    output = model(digits).numpy()
    assert output.shape == digits.shape and output.dtype == np.float32 and (output > 0).all() and (output < 1).all()


@pytest.mark.parametrize(
    ("notebook", "drawn"),
    [
        ("01_pre_lab", f"784–{codes.WIDTH}–*code*–{codes.WIDTH}–784"),
        ("02_in_lab", f"784–{WIDTH}–32–{WIDTH}–784"),
        ("04_beyond", f"784–{WIDTH}–{CODE_SIZE}–{WIDTH}–784"),
    ],
)
def test_a_notebook_draws_the_model_that_it_trains(notebook, drawn):
    text = " ".join(cell.source for cell in read_notebook(NOTEBOOKS / f"{notebook}.ipynb").cells)
    assert re.findall(r"784–[^ .,;]*784", text) == [drawn]
