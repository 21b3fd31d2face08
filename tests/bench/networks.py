"""What the bench trains beside the lab's own models."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import keras
from keras import layers

from lab_utils import models
from lab_utils.beyond.networks import from_patches, reference, residual

__all__ = ["compact_conv", "reference"]


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
    x = residual(x, convolution)
    x = layers.Conv2D(64, 2, strides=2, activation="relu", **convolution)(x)
    x = residual(x, convolution)
    x = layers.Conv2D(16, 1, activation="relu", **convolution)(x)
    x = layers.Dense(512, activation="relu", **dense)(layers.Flatten(dtype=dtype)(x))
    encoder = keras.Model(digit, layers.Dense(code_size, **dense)(x), name="encoder")

    code = keras.Input((code_size,))
    x = layers.Dense(512, activation="relu", **dense)(code)
    x = layers.Dense(7 * 7 * 16, activation="relu", **dense)(x)
    x = layers.Reshape((7, 7, 16), dtype=dtype)(x)
    x = layers.Conv2D(64, 1, activation="relu", **convolution)(x)
    x = residual(x, convolution)
    x = layers.Conv2DTranspose(32, 2, strides=2, activation="relu", **convolution)(x)
    x = residual(x, convolution)
    return models.join(encoder, keras.Model(code, from_patches(x, convolution), name="decoder"))
