"""Images that are no digits, from files in MNIST's format; and files that are none."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from lab_utils import data, settings
from lab_utils.data.others import ACCEPTED_OTHERS
from lab_utils.errors import LabError
from lab_utils.running import execution
from lab_utils.running.parameters import checked
from lab_utils.running.source import read_notebook

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "04_beyond.ipynb"
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    "name",
    ["t10k-images-idx3-ubyte.gz", "raw/t10k-images-idx3-ubyte", "FashionMNIST/raw/t10k-images-idx3-ubyte", "own.idx"],
)
def test_an_idx_file_is_read_by_itself_and_in_its_folder(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(idx(IMAGES)) if name.endswith("gz") else idx(IMAGES))
    places = [path] if name == "own.idx" else [path, path.parent, *([tmp_path] if name.startswith("raw") else [])]
    assert all((data.read_images(place) == IMAGES).all() for place in places)


def test_of_an_npz_the_test_images_are_read(tmp_path):
    np.savez_compressed(tmp_path / "fashion.npz", x_train=IMAGES[:3], y_train=np.zeros(3), x_test=IMAGES)
    images = data.read_images(tmp_path / "fashion.npz")
    assert images.dtype == np.uint8 and (images == IMAGES).all()


def test_letters_of_emnist_are_turned_upright(tmp_path):
    path = tmp_path / "emnist-letters-test-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx(IMAGES.transpose(0, 2, 1).copy())))
    assert (data.read_images(path) == IMAGES).all()


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("labels.gz", lambda _: gzip.compress(idx(IMAGES[:, 0, 0])), r"uint8 of shape \(7,\)"),
        ("large.idx", lambda _: idx(np.zeros((3, 32, 32), np.uint8)), r"uint8 of shape \(3, 32, 32\)"),
        ("none.idx", lambda _: idx(IMAGES[:0]), r"uint8 of shape \(0, 28, 28\)"),
        ("floats.npz", lambda path: npz(path, x_test=IMAGES / 255), r"float64 of shape \(7, 28, 28\)"),
        ("train.npz", lambda path: npz(path, x_train=IMAGES), "no array x_test"),
        ("objects.npz", lambda path: npz(path, x_test=np.array([None])), "object of shape"),
        ("short.gz", lambda _: gzip.compress(idx(IMAGES)[:-9]), "it holds fewer"),
        ("cut.gz", lambda _: gzip.compress(idx(IMAGES))[:99], "gzip data are damaged"),
        ("cut.npz", lambda path: npz(path, x_test=IMAGES)[:999], "damaged or of another format"),
        ("picture.png", lambda _: b"\x89PNG\r\n\x1a\n", "begins with 00 00 08"),
        ("empty", lambda _: b"", "begins with 00 00 08"),
        ("huge.idx", lambda _: bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 28, 28), "announces"),
    ],
)
def test_a_file_without_images_is_refused_in_plain_words(name, content, said, tmp_path):
    path = tmp_path / name
    path.write_bytes(content(path))
    with pytest.raises(LabError, match=said) as caught:
        data.read_images(path)
    assert "MNIST:" not in caught.value.what and caught.value.allowed == ACCEPTED_OTHERS
    assert pickle.loads(pickle.dumps(caught.value)).what == caught.value.what


def test_what_is_not_there_is_refused_as_a_parameter_and_by_the_reader(tmp_path):
    with pytest.raises(LabError, match="other_images = 'no/such/file' is not allowed") as caught:
        settings.check("04_beyond", {"other_images": "no/such/file"})
    assert "existing file or folder (it is not there)" in caught.value.allowed
    with pytest.raises(LabError, match="it is not there"):
        data.read_images(tmp_path / "x.npz")
    with pytest.raises(LabError, match=r"no mnist\.npz and no t10k-images-idx3-ubyte"):
        data.read_images(tmp_path)


def test_a_relative_path_is_made_absolute_and_other_images_are_another_run(tmp_path, monkeypatch, own_cache):
    monkeypatch.chdir(tmp_path)
    keys = set()
    for images in (IMAGES, IMAGES[::-1].copy()):
        (tmp_path / "x.idx").write_bytes(idx(images))
        given = checked("04_beyond", {"other_images": "x.idx", "data_source": "embedded"})
        assert given["other_images"] == str((tmp_path / "x.idx").resolve())
        keys.add(execution.execution_key(read_notebook(NOTEBOOK), given))
    assert len(keys) == 2
