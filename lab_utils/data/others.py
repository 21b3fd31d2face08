"""Images that are no digits, in files like MNIST's: garments (Fashion-MNIST), letters (EMNIST)."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab_utils.data.files import LARGEST_ARRAY, find_idx, parse_idx, read_bounded, read_npy
from lab_utils.data.records import NotMnist, not_mnist
from lab_utils.errors import LabError
from lab_utils.places import existing_path

ACCEPTED_OTHERS = (
    "an npz with an array x_test, an IDX file of images (gzipped or not), or a folder with "
    "t10k-images-idx3-ubyte(.gz); images of 28 by 28 bytes"
)
SIDEWAYS = "emnist"
"""How the names of IDX files begin whose images lie on their side: EMNIST stores them by columns."""


def read_images(path: str | Path) -> NDArray[np.uint8]:
    """Read the test images of another data set in MNIST's format.

    Parameters
    ----------
    path : str or Path
        A Keras-style npz, of which ``x_test`` is read; one IDX file of images, of whatever name, gzipped or not; or a
        folder with the one of the test images. Images of EMNIST's own IDX files are turned upright.

    Returns
    -------
    ndarray, shape (n, 28, 28), uint8
        Grey levels 0 (background) to 255.

    Raises
    ------
    LabError
        If there is no such path, it cannot be read, or it does not hold images of 28 by 28 bytes.
    """
    try:
        return _read(existing_path(path))
    except (NotMnist, ValueError) as error:
        reason = error.reason if isinstance(error, NotMnist) else str(error)
    except OSError as error:
        reason = error.strerror or str(error)
    except Exception as error:  # damaged bytes surface as any of a dozen types
        reason = f"it is damaged or of another format ({error})"
    raise LabError(f"'{str(path)[:200]}' has no images: {reason}.", ACCEPTED_OTHERS, "correct other_images")


def _read(path: Path) -> NDArray[np.uint8]:
    if path.is_dir():
        path = find_idx(path, "t10k-images-idx3-ubyte")
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped:
        return _from_npz(read_bounded(path), str(path))
    with path.open("rb") as file:
        images = parse_idx(file, str(path))
    _check(str(path), images.dtype, images.shape)
    return images.transpose(0, 2, 1).copy() if path.name.lower().startswith(SIDEWAYS) else images


def _from_npz(content: bytes, where: str) -> NDArray[np.uint8]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if "x_test.npy" not in archive.namelist():
            raise not_mnist(where, "it has no array x_test")
        return read_npy(archive, "x_test", lambda dtype, shape: _check(where, dtype, shape))


def _check(where: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if dtype != np.uint8 or len(shape) != 3 or shape[1:] != (28, 28) or not 0 < math.prod(shape) <= LARGEST_ARRAY:
        raise not_mnist(where, f"what it holds is {dtype} of shape {shape}")
