"""Features: probes that learn from labels and from nothing else, clusters, units, and the space of codes."""

from dataclasses import asdict
from itertools import permutations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.svm import SVC

from lab_utils import features
from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.noise import to_unit

SIZE = 16


@pytest.fixture(scope="module")
def mnist():
    return load_mnist("embedded")


@pytest.fixture(scope="module")
def splits(mnist):
    """PCA codes and labels: features_fit, labels_fit, features_test, labels_test."""
    fit, test = to_unit(mnist.train.digits[:2000]), to_unit(mnist.test.digits)
    codes_fit, codes_test = features.pca_codes(fit, SIZE, fit, test)
    return codes_fit, mnist.train.labels[:2000], codes_test, mnist.test.labels


def test_score_finds_the_digits_in_real_codes(splits):
    score = features.score(*splits)
    assert score.size == SIZE
    assert min(score.linear_probe, score.svm, score.knn) > 0.8
    assert 0.3 < score.kmeans < score.linear_probe
    assert score.ari > 0.2 and score.nmi > 0.3


def test_measurements_from_the_cache_are_those_that_were_made(splits, tmp_path, monkeypatch):
    codes_fit, labels_fit, codes_test, labels_test = splits
    views = {"all": (codes_fit, codes_test), "half": (codes_fit[:, :8], codes_test[:, :8])}

    def measure() -> tuple:
        table = features.compare(views, labels_fit, labels_test, random_state=1)
        few = features.label_efficiency(codes_fit, labels_fit, codes_test, labels_test, (10, 30), draws=2)
        return table, few, features.probe_accuracy(*splits)

    made = measure()
    monkeypatch.setenv("DAE_LAB_USE_CACHE", "1")
    monkeypatch.setenv("DAE_LAB_CACHE", str(tmp_path))
    kept, again = measure(), measure()
    for first, second, third in zip(made, kept, again, strict=True):
        assert str(first) == str(second) == str(third)
        assert np.array_equal(first, third)
    assert made[2] == made[0].linear_probe["all"]
    assert len(list(tmp_path.glob("results/*.entry"))) == 4
    relabelled = features.compare(views, labels_fit[::-1], labels_test, random_state=1)
    assert relabelled.linear_probe["all"] < 0.3, "other labels are other measurements"


def test_permuted_labels_send_every_probe_to_chance(splits):
    codes_fit, labels_fit, codes_test, labels_test = splits
    permuted = np.random.default_rng(0).permutation(labels_fit)
    real = features.score(*splits)
    chance = features.score(codes_fit, permuted, codes_test, labels_test)
    assert max(chance.linear_probe, chance.svm, chance.knn) < 0.2
    assert (chance.kmeans, chance.ari, chance.nmi) == (real.kmeans, real.ari, real.nmi), "k-means saw labels"


def test_a_code_that_died_scores_chance_and_does_not_crash(splits):
    _, labels_fit, _, labels_test = splits
    dead = np.zeros((len(labels_fit), 4), np.float32)
    with pytest.warns(UserWarning, match="distinct clusters"):
        score = features.score(dead, labels_fit, dead[: len(labels_test)], labels_test)
    assert max(score.linear_probe, score.svm, score.knn, score.kmeans) < 0.2
    assert score.ari == pytest.approx(0) and score.nmi == pytest.approx(0)


def test_units_repeated_twenty_times_count_once_in_the_linear_probe(splits):
    codes, labels = splits[0], splits[1][:100]
    once = features.linear_probe(codes[:100], labels).predict_proba(codes[100:])
    repeated = np.tile(codes, 20)
    often = features.linear_probe(repeated[:100], labels).predict_proba(repeated[100:])
    np.testing.assert_allclose(once, often, rtol=0, atol=0.03)


def test_svm_equals_scikit_learns_own_kernel(splits):
    codes_fit, labels_fit, codes_test, labels_test = splits
    expected = SVC().fit(codes_fit, labels_fit).score(codes_test, labels_test)
    assert features.svm_accuracy(*splits) == pytest.approx(expected, abs=0.004)


def test_cluster_accuracy_is_the_best_over_all_matchings():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    clusters = np.where(rng.random(200) < 0.6, (labels + 1) % 4, rng.integers(0, 4, 200))
    best = max(np.mean(np.array(names)[clusters] == labels) for names in permutations(range(4)))
    assert features.cluster_accuracy(labels, clusters) == pytest.approx(best)


def test_compare_scores_every_representation_on_the_same_digits(splits):
    codes_fit, labels_fit, codes_test, labels_test = splits
    pairs = {"PCA-16": (codes_fit, codes_test), "PCA-2": (codes_fit[:, :2], codes_test[:, :2])}
    table = features.compare(pairs, labels_fit, labels_test)
    assert table.loc["PCA-16"].to_dict() == asdict(features.score(*splits))
    assert (table.loc["PCA-16", "linear_probe":"nmi"] > table.loc["PCA-2", "linear_probe":"nmi"]).all()


def test_label_efficiency_rises_with_labels_and_pairs_the_draws(splits):
    curve = features.label_efficiency(*splits, counts=(10, 100, 1000), draws=3)
    means = curve.groupby("labels")["accuracy"].mean()
    assert means[10] < means[100] < means[1000]
    assert curve.groupby("labels")["accuracy"].nunique()[10] > 1, "the draws are not independent"
    codes_fit, labels_fit, codes_test, labels_test = splits
    mirrored = features.label_efficiency(-codes_fit, labels_fit, -codes_test, labels_test, (10, 100, 1000), 3)
    np.testing.assert_allclose(curve["accuracy"], mirrored["accuracy"], atol=0.01)


def test_label_efficiency_draws_every_class_equally_often(splits):
    """With the class itself as the code, ten labels suffice if and only if no class is missing."""
    _, labels_fit, _, labels_test = splits
    classes = np.eye(10, dtype=np.float32)
    curve = features.label_efficiency(classes[labels_fit], labels_fit, classes[labels_test], labels_test, (10,))
    assert (curve["accuracy"] == 1).all()


@pytest.mark.parametrize("count", [0, 15, 100_000])
def test_label_efficiency_refuses_counts_it_cannot_share(splits, count):
    with pytest.raises(LabError, match=f"{count} labels cannot be drawn equally"):
        features.label_efficiency(*splits, counts=(count,))


def test_maximally_activating_digits_come_largest_first():
    codes = np.array([[0, 3], [9, 1], [4, 7], [5, 7]])
    assert features.maximally_activating(codes, unit=0, count=2).tolist() == [1, 3]
    assert features.maximally_activating(codes, unit=1, count=3).tolist() == [2, 3, 0]


def test_accuracy_lost_is_what_the_zeroed_unit_carried(splits):
    codes_fit, labels_fit, codes_test, labels_test = splits
    fit = np.c_[codes_fit, np.zeros(len(codes_fit))]
    test = np.c_[codes_test, np.zeros(len(codes_test))]
    before = test.copy()
    probe = features.linear_probe(fit, labels_fit)
    lost = features.accuracy_lost(probe, test, labels_test)
    assert lost[SIZE] == 0, "a unit that is always 0 cannot be missed"
    assert lost[0] > 0.05, "the first principal component carries digits"
    zeroed = test * (np.arange(SIZE + 1) != 3)
    assert lost[3] == probe.score(test, labels_test) - probe.score(zeroed, labels_test)
    np.testing.assert_array_equal(test, before)
    assert features.accuracy_lost(probe, test, labels_test, units=[3]).to_dict() == {3: lost[3]}


def test_a_linear_decoder_draws_a_unit_as_its_component_and_interpolates_in_pixels(mnist):
    pca = PCA(SIZE, random_state=0).fit(to_unit(mnist.train.digits[:500]).reshape(-1, 784))
    codes = pca.transform(to_unit(mnist.test.digits[:2]).reshape(-1, 784))
    response = features.decoder_response(pca.inverse_transform, codes[0], unit=3, values=np.array([-1, 0, 2]))
    assert response.shape == (3, 28, 28)
    np.testing.assert_allclose((response[2] - response[0]).ravel(), 3 * pca.components_[3], atol=1e-5)

    start, end = pca.inverse_transform(codes).reshape(2, 28, 28)
    path = features.interpolate(pca.inverse_transform, *codes, steps=5)
    np.testing.assert_allclose(path[[0, 1, 4]], [start, 0.75 * start + 0.25 * end, end], atol=1e-5)


def test_the_map_keeps_neighbours_better_than_two_principal_components(splits):
    codes = splits[2][:150]
    flat = features.map_2d(codes)
    assert flat.shape == (150, 2)
    np.testing.assert_array_equal(flat, features.map_2d(codes))
    assert trustworthiness(codes, flat) > trustworthiness(codes, codes[:, :2]) + 0.05


def test_encode_flattens_the_codes_of_a_real_encoder(mnist):
    from lab_utils import models

    digits = to_unit(mnist.test.digits[:6])
    encoder, _ = models.halves(models.compact(seed=0, code_size=5))
    codes = features.encode(encoder, digits, batch_size=4)
    assert codes.shape == (6, 5) and codes.dtype == np.float32
    np.testing.assert_allclose(codes, encoder(digits[..., np.newaxis]), rtol=1e-4, atol=1e-5)
    manual, _ = models.halves(models.manual(seed=0))
    assert features.encode(manual, digits).shape == (6, 6272)
