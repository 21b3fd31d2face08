"""The autoencoders. Each is an encoder and a decoder, usable alone, joined into one Keras model.

Every model takes digits of shape (n, 28, 28, 1), float32 in [0, 1], and returns the same shape. Weights are
drawn from an explicit ``seed``; ``dtype`` is a Keras dtype policy such as "float32" or "mixed_bfloat16".
"""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import keras
from keras import layers

MANUAL_PARAMETERS = 185_217
MANUAL_CODE_SHAPE = (7, 7, 128)
PIXELS = 28 * 28


def join(encoder: keras.Model, decoder: keras.Model) -> keras.Model:
    """One autoencoder from its two halves; ``get_layer("encoder")`` and ``("decoder")`` give them back."""
    digit = keras.Input((28, 28, 1), name="digit")
    return keras.Model(digit, decoder(encoder(digit)), name="autoencoder")


def halves(autoencoder: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The encoder and the decoder of a model made by ``join``."""
    return autoencoder.get_layer("encoder"), autoencoder.get_layer("decoder")


def manual(seed: int, dtype: str = "float32") -> keras.Model:
    """The manual's convolutional autoencoder (In-Lab Program 1): 185,217 parameters, code 7x7x128 = 6,272.

    The output's sigmoid is a layer of its own, so that in mixed precision it is computed in float32.
    """
    common = {
        "kernel_size": 3,
        "padding": "same",
        "dtype": dtype,
        "kernel_initializer": keras.initializers.GlorotUniform(keras.random.SeedGenerator(seed)),
    }
    digit = keras.Input((28, 28, 1))
    x = layers.Conv2D(32, activation="relu", **common)(digit)
    x = layers.Conv2D(64, activation="relu", strides=2, **common)(x)
    x = layers.Conv2D(128, activation="relu", strides=2, **common)(x)
    encoder = keras.Model(digit, layers.Flatten(dtype=dtype)(x), name="encoder")

    code = keras.Input((7 * 7 * 128,))
    x = layers.Reshape(MANUAL_CODE_SHAPE, dtype=dtype)(code)
    x = layers.Conv2DTranspose(64, activation="relu", strides=2, **common)(x)
    x = layers.Conv2DTranspose(32, activation="relu", strides=2, **common)(x)
    x = layers.Activation("sigmoid", dtype="float32")(layers.Conv2D(1, **common)(x))
    decoder = keras.Model(code, x, name="decoder")
    return join(encoder, decoder)


def compact(
    seed: int,
    *,
    code_size: int = 32,
    hidden_layers: int = 1,
    width: int = 256,
    activation: str = "relu",
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    weight_decay: float = 0.0,
    linear: bool = False,
    dtype: str = "float32",
) -> keras.Model:
    """A dense autoencoder with a real bottleneck: 784 - width x hidden_layers - code - mirror image - 784.

    Parameters
    ----------
    seed : int
        Random state of the weights and of the dropout.
    code_size : int
        Number of values in the code. The code layer itself is linear.
    hidden_layers, width : int
        Hidden layers on each side, and units in each.
    activation : str
        Any Keras activation of the hidden layers, such as "relu", "leaky_relu", "sigmoid", "tanh".
    dropout : float
        Fraction of the hidden activations dropped in training.
    l1, l2 : float
        Weight of mean |code| and of mean code² in the loss (activity regularisation per digit and code value).
    weight_decay : float
        Weight of the sum of squared weights of all dense layers, without their biases, in the loss.
    linear : bool
        No activation anywhere, the output neither: with mean squared error the optimum spans PCA's subspace
        (Baldi and Hornik, 1989).
    dtype : str
        Keras dtype policy.
    """
    hidden = None if linear else activation
    start = keras.initializers.GlorotUniform(keras.random.SeedGenerator(seed))
    penalty = keras.regularizers.L1L2(l1 / code_size, l2 / code_size) if l1 or l2 else None
    dense = {"kernel_initializer": start, "dtype": dtype}
    if weight_decay:
        dense["kernel_regularizer"] = keras.regularizers.L2(weight_decay)

    def stack(x: keras.KerasTensor, side: int) -> keras.KerasTensor:
        for layer in range(hidden_layers):
            x = layers.Dense(width, hidden, **dense)(x)
            if dropout:
                x = layers.Dropout(dropout, seed=seed * 100 + side * 10 + layer, dtype=dtype)(x)
        return x

    digit = keras.Input((28, 28, 1))
    x = stack(layers.Flatten(dtype=dtype)(digit), side=1)
    x = layers.Dense(code_size, activity_regularizer=penalty, **dense)(x)
    encoder = keras.Model(digit, x, name="encoder")

    code = keras.Input((code_size,))
    x = layers.Dense(PIXELS, **dense)(stack(code, side=2))
    x = layers.Activation("linear" if linear else "sigmoid", dtype="float32")(x)
    decoder = keras.Model(code, layers.Reshape((28, 28, 1), dtype="float32")(x), name="decoder")
    return join(encoder, decoder)
