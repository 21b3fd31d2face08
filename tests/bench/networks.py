"""What only the bench trains, beside the lab's own models: how far a free architecture can go."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import keras
from keras import layers

from lab_utils import models


def compact_conv(seed: int, *, code_size: int = 32, dtype: str = "float32") -> keras.Model:
    """A convolutional autoencoder with a real bottleneck: as good as few values allow.

    Residual blocks at 14 x 14 and 7 x 7, a dense layer, the code, and the mirror image of it all. Beside ``compact``
    it gains half a decibel in equal time.

    Parameters
    ----------
    seed : int
        Random state of the weights.
    code_size : int
        Number of values in the code. The code layer itself is linear.
    dtype : str
        Keras dtype policy.
    """
    start = keras.initializers.HeNormal(keras.random.SeedGenerator(seed))
    dense = {"kernel_initializer": start, "dtype": dtype}
    convolution = dense | {"padding": "same"}

    digit = keras.Input((28, 28, 1))
    x = layers.Conv2D(32, 4, strides=2, activation="relu", **convolution)(digit)
    x = _residual(x, convolution)
    x = layers.Conv2D(64, 2, strides=2, activation="relu", **convolution)(x)
    x = _residual(x, convolution)
    x = layers.Conv2D(16, 1, activation="relu", **convolution)(x)
    x = layers.Dense(512, activation="relu", **dense)(layers.Flatten(dtype=dtype)(x))
    encoder = keras.Model(digit, layers.Dense(code_size, **dense)(x), name="encoder")

    code = keras.Input((code_size,))
    x = layers.Dense(512, activation="relu", **dense)(code)
    x = layers.Dense(7 * 7 * 16, activation="relu", **dense)(x)
    x = layers.Reshape((7, 7, 16), dtype=dtype)(x)
    x = layers.Conv2D(64, 1, activation="relu", **convolution)(x)
    x = _residual(x, convolution)
    x = layers.Conv2DTranspose(32, 2, strides=2, activation="relu", **convolution)(x)
    x = _residual(x, convolution)
    return models.join(encoder, keras.Model(code, _digit(x, convolution), name="decoder"))


def reference(seed: int, dtype: str = "float32") -> keras.Model:
    """A denoiser of free architecture, to see how far this can go: a small residual U-Net, 807,172 parameters.

    It works on 2 x 2 patches, at 14 x 14 with 64 channels and at 7 x 7 with 128: full-size feature maps, as the
    manual's model has them, cost memory traffic and little arithmetic. The finer scale reaches the output past the
    coarser one, so there is no bottleneck, no code and no encoder: it denoises and does nothing else.
    With Adam at 4e-3, warm-up and cosine decay, one pass over 55,000 digits passes the manual's ten epochs.

    Parameters
    ----------
    seed : int
        Random state of the weights.
    dtype : str
        Keras dtype policy.

    References
    ----------
    Ronneberger, Fischer and Brox (2015), "U-Net"; He et al. (2016), "Deep Residual Learning".
    """
    start = keras.initializers.HeNormal(keras.random.SeedGenerator(seed))
    convolution = {"kernel_initializer": start, "padding": "same", "dtype": dtype}
    digit = keras.Input((28, 28, 1))
    fine = layers.Conv2D(64, 4, strides=2, activation="relu", **convolution)(digit)
    fine = _residual(fine, convolution)
    coarse = layers.Conv2D(128, 2, strides=2, activation="relu", **convolution)(fine)
    coarse = _residual(_residual(coarse, convolution), convolution)
    coarse = layers.Conv2DTranspose(64, 2, strides=2, **convolution)(coarse)
    x = layers.ReLU(dtype=dtype)(layers.Add(dtype=dtype)([fine, coarse]))
    return keras.Model(digit, _digit(_residual(x, convolution), convolution), name="reference")


def _residual(x: keras.KerasTensor, convolution: dict) -> keras.KerasTensor:
    """Two 3 x 3 convolutions beside a straight wire; the second starts at zero, so that the block does nothing yet."""
    channels = x.shape[-1]
    y = layers.Conv2D(channels, 3, activation="relu", **convolution)(x)
    y = layers.Conv2D(channels, 3, **convolution | {"kernel_initializer": "zeros"})(y)
    dtype = convolution["dtype"]
    return layers.ReLU(dtype=dtype)(layers.Add(dtype=dtype)([x, y]))


def _digit(x: keras.KerasTensor, convolution: dict) -> keras.KerasTensor:
    """A digit from features of its 14 x 14 patches: the four pixels of each patch, put in their places."""
    x = layers.Conv2D(4, 3, **convolution | {"dtype": "float32"})(x)
    x = layers.Reshape((14, 14, 2, 2), dtype="float32")(x)
    x = layers.Permute((1, 3, 2, 4), dtype="float32")(x)  # patch row, pixel row, patch column, pixel column
    x = layers.Reshape((28, 28, 1), dtype="float32")(x)
    return layers.Activation("sigmoid", dtype="float32")(x)
