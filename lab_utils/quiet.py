"""Import TensorFlow without the lines that its C++ side writes straight to file descriptor 2.

TensorFlow logs its CPU and GPU findings before it reads ``TF_CPP_MIN_LOG_LEVEL``. In a notebook they would become
outputs of type stderr, which differ from machine to machine and fail a comparison. Only the import is silenced;
a Python error in it is raised as ever.

Its modules are a million objects that stay. Python's garbage collector does not look at them, while they are imported
or later: a sixth of the import, and a tenth of the time that a graph takes to trace, would be spent on that.
"""

import gc
import os
import sys

from lab_utils.errors import LabError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"


def _import_tensorflow() -> None:
    sys.stderr.flush()
    saved, void = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, 2)
    collected = gc.isenabled()
    gc.disable()
    try:
        import tensorflow
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(void)
        if collected:
            gc.enable()
    gc.freeze()
    tensorflow.get_logger().setLevel("ERROR")  # a study traces many small models, and is warned of each


def _set_keras() -> None:
    """What the lab needs of Keras, whatever a person's ``~/.keras/keras.json`` says."""
    import keras

    if keras.config.backend() != "tensorflow":
        raise LabError(
            f"Keras runs on {keras.config.backend()} in this process.",
            "Keras on TensorFlow",
            "Restart the kernel, and import lab_utils before keras.",
        )
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")


_import_tensorflow()
_set_keras()
