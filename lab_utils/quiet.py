"""Import TensorFlow without the lines that its C++ side writes straight to file descriptor 2.

TensorFlow logs its CPU and GPU findings before it reads ``TF_CPP_MIN_LOG_LEVEL``. In a notebook they would become
outputs of type stderr, which differ from machine to machine and fail a comparison. Only the import is silenced;
a Python error in it is raised as ever.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _import_tensorflow() -> None:
    sys.stderr.flush()
    saved, void = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, 2)
    try:
        import tensorflow
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(void)
    tensorflow.get_logger().setLevel("ERROR")  # a study traces many small models, and is warned of each


_import_tensorflow()
