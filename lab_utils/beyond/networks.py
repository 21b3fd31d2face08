"""A denoiser of free architecture: no code, only what denoises best."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import keras
from keras import layers


def reference(seed: int, dtype: str = "float32", *, channels: int = 64) -> keras.Model:
    """A small residual U-Net, to see how far denoising can go: 807,172 parameters at 64 channels.

    It works on 2 x 2 patches, at 14 x 14 with so many channels and at 7 x 7 with twice as many: full-size feature maps,
    as the manual's model has them, cost memory traffic and little arithmetic. The finer scale reaches the output past
    the coarser one, so there is no bottleneck, no code and no encoder: it denoises and does nothing else.
    With Adam at 4e-3, warm-up and cosine decay, one pass over 55,000 digits passes the manual's ten epochs.

    Parameters
    ----------
    seed : int
        Random state of the weights.
    dtype : str
        Keras dtype policy.
    channels : int
        At the finer scale.

    References
    ----------
    Ronneberger, Fischer and Brox (2015), "U-Net"; He et al. (2016), "Deep Residual Learning".
    """
    start = keras.initializers.HeNormal(keras.random.SeedGenerator(seed))
    convolution = {"kernel_initializer": start, "padding": "same", "dtype": dtype}
    digit = keras.Input((28, 28, 1))
    fine = layers.Conv2D(channels, 4, strides=2, activation="relu", **convolution)(digit)
    fine = residual(fine, convolution)
    coarse = layers.Conv2D(2 * channels, 2, strides=2, activation="relu", **convolution)(fine)
    coarse = residual(residual(coarse, convolution), convolution)
    coarse = layers.Conv2DTranspose(channels, 2, strides=2, **convolution)(coarse)
    x = layers.ReLU(dtype=dtype)(layers.Add(dtype=dtype)([fine, coarse]))
    return keras.Model(digit, from_patches(residual(x, convolution), convolution), name="reference")


def residual(x: keras.KerasTensor, convolution: dict) -> keras.KerasTensor:
    """Two 3 x 3 convolutions beside a straight wire; the second starts at zero, so that the block does nothing yet."""
    channels = x.shape[-1]
    y = layers.Conv2D(channels, 3, activation="relu", **convolution)(x)
    y = layers.Conv2D(channels, 3, **convolution | {"kernel_initializer": "zeros"})(y)
    dtype = convolution["dtype"]
    return layers.ReLU(dtype=dtype)(layers.Add(dtype=dtype)([x, y]))


def from_patches(x: keras.KerasTensor, convolution: dict) -> keras.KerasTensor:
    """A digit from features of its 14 x 14 patches: the four pixels of each patch, put in their places."""
    x = layers.Conv2D(4, 3, **convolution | {"dtype": "float32"})(x)
    x = layers.Reshape((14, 14, 2, 2), dtype="float32")(x)
    x = layers.Permute((1, 3, 2, 4), dtype="float32")(x)  # patch row, pixel row, patch column, pixel column
    x = layers.Reshape((28, 28, 1), dtype="float32")(x)
    return layers.Activation("sigmoid", dtype="float32")(x)
