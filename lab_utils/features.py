"""What a code is worth: probes, clusters, and how many labels it saves.

A representation is a float array of shape (n, size), one row per digit: raw pixels, a PCA code, or the code
of an encoder. Labels are used in this module and nowhere else; no autoencoder ever sees them.

Two rules make representations comparable. The linear probe sees standardised features, because an arbitrary
scale per unit must not decide, and shares its penalty among the units (``C = 3 / size``), so that every unit
repeated twice changes nothing. SVM, k-NN and k-means judge the distances of the code as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from lab_utils import cache
from lab_utils.errors import LabError
from lab_utils.progress import progress

CLASSES = 10
NEIGHBOURS = 5
WIDEST = 28 * 28
FEW = 2_000
SVM_DIGITS = 5_000
"""The SVM's kernel matrix grows with the square of the digits it is fitted on: 5,000 take 200 MB."""


@dataclass(frozen=True)
class Score:
    """How well one representation serves; accuracies and NMI in [0, 1], ARI at most 1 and 0 for chance."""

    size: int
    linear_probe: float
    svm: float
    knn: float
    kmeans: float
    ari: float
    nmi: float


# Representations -------------------------------------------------------------------------------------------


def encode(encoder: Any, digits: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Codes of digits, one flat row per digit.

    Parameters
    ----------
    encoder : keras.Model
        Any callable model with ``input_shape``.
    digits : ndarray, shape (n, 28, 28), float in [0, 1]
        Clean or noisy digits.
    batch_size : int
        Digits per step; changes memory and time only.

    Returns
    -------
    ndarray, shape (n, size), float32
    """
    inputs = digits.reshape(-1, *encoder.input_shape[1:])
    parts = [encoder(inputs[i : i + batch_size], training=False) for i in range(0, len(inputs), batch_size)]
    return np.concatenate([np.asarray(part, np.float32).reshape(len(part), -1) for part in parts])


def pca_codes(train: np.ndarray, size: int, *parts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each part on the ``size`` leading principal components of ``train``, as (n, size) float32.

    Parameters
    ----------
    train : ndarray, shape (n, 28, 28) or (n, 784), float
        The digits that an autoencoder would learn from: as many as it had, for a fair comparison.
    size : int
    *parts : ndarray, as ``train``
    """
    flat = [digits.reshape(len(digits), -1) for digits in (train, *parts)]
    pca = PCA(size, svd_solver="covariance_eigh").fit(flat[0])
    return tuple(pca.transform(part).astype(np.float32) for part in flat[1:])


def views(
    encoders: Mapping[str, Any], size: int, train: np.ndarray, labelled: int, test: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every representation by name, as ``compare`` takes them: pixels, PCA, and the code of each encoder.

    Parameters
    ----------
    encoders : mapping of name to keras.Model
    size : int
        Components of the PCA, which learns from all of ``train``, as the encoders did.
    train, test : ndarray, shape (n, 28, 28), float in [0, 1]
        Both clean, or both noisy.
    labelled : int
        How many of the training digits come first and have labels: a probe is fitted on these.
    """
    parts = train[:labelled], test
    pixels = tuple(digits.reshape(len(digits), -1) for digits in parts)
    codes = {name: tuple(encode(encoder, digits) for digits in parts) for name, encoder in encoders.items()}
    return {"raw pixels": pixels, f"PCA-{size}": pca_codes(train, size, *pixels)} | codes


# Probes ----------------------------------------------------------------------------------------------------


def linear_probe(features: np.ndarray, labels: np.ndarray) -> Pipeline:
    """A fitted multinomial logistic regression on standardised features.

    L-BFGS was the fastest accurate solver at every size measured (32, 784 and 6,272 values). ``C = 3 / size``
    came within 0.015 of the best accuracy over four fixed values of C at each size; no single C did.

    References
    ----------
    Alain & Bengio (2016), "Understanding intermediate layers using linear classifier probes".
    """
    regression = LogisticRegression(C=3 / features.shape[1], tol=1e-3, max_iter=200)
    return make_pipeline(StandardScaler(), regression).fit(features, labels)


def probe_accuracy(
    features_fit: np.ndarray, labels_fit: np.ndarray, features_test: np.ndarray, labels_test: np.ndarray
) -> float:
    """Accuracy of ``linear_probe``, fitted on one split and measured on the other; kept in the cache."""
    arrays = [features_fit, labels_fit, features_test, labels_test]

    def measure() -> pd.DataFrame:
        with _threads_for(features_fit):
            probe = linear_probe(features_fit, labels_fit)
        return pd.DataFrame({"accuracy": [probe.score(features_test, labels_test)]})

    return float(cache.remember_table(measure, __name__, ["probe", arrays])["accuracy"][0])


def probe_encoders(
    encoders: Sequence[Any], fit: np.ndarray, labels_fit: np.ndarray, test: np.ndarray, labels_test: np.ndarray
) -> list[float]:
    """``probe_accuracy`` of the codes that each encoder makes of the same digits, (n, 28, 28) float in [0, 1]."""
    return [probe_accuracy(encode(each, fit), labels_fit, encode(each, test), labels_test) for each in encoders]


def svm_accuracy(
    features_fit: np.ndarray, labels_fit: np.ndarray, features_test: np.ndarray, labels_test: np.ndarray
) -> float:
    """Accuracy of an SVM with a Gaussian kernel, fitted on the first ``SVM_DIGITS`` digits.

    Equal to ``SVC(gamma="scale")``, but the kernel comes from a matrix product: 10x faster on wide codes.
    """
    features_fit, labels_fit = features_fit[:SVM_DIGITS], labels_fit[:SVM_DIGITS]
    variance = features_fit.var(dtype=np.float64) or 1.0  # scikit-learn's rule for a code that is constant
    gamma = 1 / (features_fit.shape[1] * variance)
    svm = SVC(kernel="precomputed").fit(rbf_kernel(features_fit, gamma=gamma), labels_fit)
    return float(svm.score(rbf_kernel(features_test, features_fit, gamma=gamma), labels_test))


def cluster_accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Accuracy of a clustering after the best one-to-one matching of clusters and classes.

    References
    ----------
    Kuhn (1955), "The Hungarian method for the assignment problem"; Xie et al. (2016), "Unsupervised deep
    embedding for clustering analysis", equation 10.
    """
    counts = contingency_matrix(labels, clusters)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def score(
    features_fit: np.ndarray,
    labels_fit: np.ndarray,
    features_test: np.ndarray,
    labels_test: np.ndarray,
    random_state: int = 0,
) -> Score:
    """Every measure of one representation: fitted on one split, measured on the other.

    Parameters
    ----------
    features_fit, features_test : ndarray, shape (n, size) and (m, size), float32
        The representation of the two splits.
    labels_fit, labels_test : ndarray, shape (n,) and (m,), int
        k-means does not see them; its matching, ARI and NMI use ``labels_test``.
    random_state : int
        Starts of k-means (best of 4).
    """
    test = (features_test, labels_test)
    with threadpool_limits(1):  # more threads take minutes instead of seconds on a busy machine
        clusters = KMeans(CLASSES, n_init=4, random_state=random_state).fit(features_fit).predict(features_test)
    with _threads_for(features_fit):
        return Score(
            size=features_fit.shape[1],
            linear_probe=float(linear_probe(features_fit, labels_fit).score(*test)),
            svm=svm_accuracy(features_fit, labels_fit, *test),
            knn=float(KNeighborsClassifier(NEIGHBOURS).fit(features_fit, labels_fit).score(*test)),
            kmeans=cluster_accuracy(labels_test, clusters),
            ari=float(adjusted_rand_score(labels_test, clusters)),
            nmi=float(normalized_mutual_info_score(labels_test, clusters)),
        )


def _threads_for(rows: np.ndarray) -> threadpool_limits:
    """One thread for up to ``FEW`` digits: on a busy machine more of them wait for each other, 7x as long."""
    return threadpool_limits(1 if len(rows) <= FEW else None)


def compare(
    representations: Mapping[str, tuple[np.ndarray, np.ndarray]],
    labels_fit: np.ndarray,
    labels_test: np.ndarray,
    random_state: int = 0,
) -> pd.DataFrame:
    """``score`` of several representations of the same digits.

    Parameters
    ----------
    representations : mapping of name to (features_fit, features_test)
        Rows in the order of the labels.
    labels_fit, labels_test : ndarray, shape (n,) and (m,), int
        Classes of the two splits.
    random_state : int
        Starts of k-means.

    Returns
    -------
    DataFrame
        One row per representation (the index), one column per field of ``Score``.
    """
    scores = {}
    with progress(len(representations), "representation") as bar:
        for name, (fit, test) in representations.items():
            arrays = [fit, labels_fit, test, labels_test]
            made = lambda a=arrays: pd.DataFrame([asdict(score(*a, random_state))])  # noqa: E731
            scores[name] = cache.remember_table(made, __name__, ["score", arrays, random_state])
            bar.update()
    return pd.concat(scores).droplevel(1).rename_axis("representation")


def label_efficiency(
    features_fit: np.ndarray,
    labels_fit: np.ndarray,
    features_test: np.ndarray,
    labels_test: np.ndarray,
    counts: Sequence[int] = (10, 30, 100, 300, 1000),
    draws: int = 5,
    random_state: int = 0,
) -> pd.DataFrame:
    """Accuracy of the linear probe when only a few digits have labels.

    Every draw takes as many digits of each class, and depends on the labels and ``random_state`` alone: two
    representations of the same digits are probed with the same labelled digits, and may be compared in pairs. A
    count that needs more digits of a class than there are is left out: the curve ends before it.

    Parameters
    ----------
    features_fit, labels_fit, features_test, labels_test : ndarray
        As in ``score``.
    counts : sequence of int
        Numbers of labelled digits: multiples of the number of classes.
    draws : int
        Independent draws for each count.
    random_state : int
        Seed of the draws.

    Returns
    -------
    DataFrame
        Columns ``labels``, ``draw``, ``accuracy``; one row per count and draw.

    Raises
    ------
    LabError
        If a count cannot be shared equally among the classes, or there are too few digits for every count.
    """
    arrays = [features_fit, labels_fit, features_test, labels_test]

    def probe_all() -> pd.DataFrame:
        by_class = pd.Series(labels_fit).groupby(labels_fit)
        smallest = by_class.size().min()
        most = smallest * by_class.ngroups
        rows = []
        for count in counts:
            per_class, rest = divmod(count, by_class.ngroups)
            if rest or per_class < 1 or min(counts) > most:
                raise LabError(
                    f"{count} labels cannot be drawn equally from {by_class.ngroups} classes.",
                    f"multiples of {by_class.ngroups} up to {most}",
                    "Change the counts, or encode more digits.",
                )
            for draw in range(draws if count <= most else 0):
                chosen = by_class.sample(per_class, random_state=random_state + draw).index
                probe = linear_probe(features_fit[chosen], labels_fit[chosen])
                accuracy = probe.score(features_test, labels_test)
                rows.append({"labels": count, "draw": draw, "accuracy": accuracy})
        return pd.DataFrame(rows)

    inputs = ["label efficiency", arrays, list(counts), draws, random_state]
    with _threads_for(features_test):
        return cache.remember_table(probe_all, __name__, inputs)


def label_curves(
    representations: Mapping[str, tuple[np.ndarray, np.ndarray]],
    labels_fit: np.ndarray,
    labels_test: np.ndarray,
    counts: Sequence[int],
    random_state: int = 0,
) -> pd.DataFrame:
    """``label_efficiency`` of several representations of the same digits, named in a column ``representation``.

    Those of more than ``WIDEST`` values are left out: so many probes of them would take minutes.
    """
    narrow = {name: parts for name, parts in representations.items() if parts[0].shape[1] <= WIDEST}
    curves = [
        label_efficiency(fit, labels_fit, test, labels_test, counts, random_state=random_state).assign(
            representation=name
        )
        for name, (fit, test) in narrow.items()
    ]
    return pd.concat(curves, ignore_index=True)
