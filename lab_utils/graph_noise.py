"""The four kinds of noise inside the TensorFlow graph: fresh draws for every training batch."""

import lab_utils.quiet  # noqa: F401, I001  (first: it silences the import of TensorFlow)
import tensorflow as tf

from lab_utils.noise import check


def corrupt_batch(
    clean: tf.Tensor, kind: str, level: float | tf.Tensor, seed: tf.Tensor, *, clip: bool = True
) -> tf.Tensor:
    """Corrupt one batch, as ``noise.corrupt`` does, with TensorFlow's stateless generator.

    Parameters
    ----------
    clean : tf.Tensor, any shape, float32 in [0, 1]
    kind : str
        A key of ``noise.KINDS``.
    level : float, or tf.Tensor that broadcasts against the batch
        Noise level in [0, 1].
    seed : tf.Tensor, shape (2,), integer
        One pair per batch; equal pairs give equal noise.

    clip : bool
        False leaves Gaussian noise and speckle as they fall.

    Returns
    -------
    tf.Tensor, same shape, float32
    """
    if not tf.is_tensor(level):
        check(kind, level)
        if not level:
            return clean
    if kind in ("gaussian", "speckle"):
        draw = tf.random.stateless_normal(tf.shape(clean), seed, stddev=level)
        noisy = clean + draw if kind == "gaussian" else clean + clean * draw
        return tf.clip_by_value(noisy, 0.0, 1.0) if clip else noisy
    draw = tf.random.stateless_uniform(tf.shape(clean), seed)
    if kind == "masking":
        return tf.where(draw < level, 0.0, clean)
    noisy = tf.where(draw < level / 2, 0.0, clean)
    return tf.where(draw >= 1 - level / 2, 1.0, noisy)
