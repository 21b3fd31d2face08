"""Features: probes that learn from labels and from nothing else, clusters, and few labels."""

from dataclasses import asdict
from itertools import permutations

import numpy as np
import pytest
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


def test_encode_flattens_the_codes_of_a_real_encoder(mnist):
    from lab_utils import models

    digits = to_unit(mnist.test.digits[:6])
    encoder, _ = models.halves(models.compact(seed=0, code_size=5))
    codes = features.encode(encoder, digits, batch_size=4)
    assert codes.shape == (6, 5) and codes.dtype == np.float32
    np.testing.assert_allclose(codes, encoder(digits[..., np.newaxis]), rtol=1e-4, atol=1e-5)
    manual, _ = models.halves(models.manual(seed=0))
    assert features.encode(manual, digits).shape == (6, 6272)


def test_views_are_of_the_same_digits_and_wide_ones_have_no_curve(mnist):
    from lab_utils import models

    train, test = to_unit(mnist.train.digits[:60]), to_unit(mnist.test.digits[:20])
    labels, labels_test = mnist.train.labels[:40], mnist.test.labels[:20]
    encoders = {"small": models.halves(models.compact(0, code_size=4))[0], "wide": models.halves(models.manual(0))[0]}
    views = features.views(encoders, 4, train, 40, test)
    assert {name: fit.shape for name, (fit, _) in views.items()} == {
        "raw pixels": (40, 784),
        "PCA-4": (40, 4),
        "small": (40, 4),
        "wide": (40, 6272),
    }
    np.testing.assert_allclose(views["small"][1], features.encode(encoders["small"], test))
    curves = features.label_curves(views, labels, labels_test, (10,), random_state=1)
    assert set(curves["representation"]) == {"raw pixels", "PCA-4", "small"} and set(curves["labels"]) == {10}
    one = features.label_efficiency(*views["small"][:1], labels, views["small"][1], labels_test, (10,), random_state=1)
    mine = curves[curves["representation"] == "small"]["accuracy"]
    np.testing.assert_array_equal(mine, one["accuracy"])
    (accuracy,) = features.probe_encoders([encoders["small"]], train[:40], labels, test, labels_test)
    assert accuracy == features.probe_accuracy(views["small"][0], labels, views["small"][1], labels_test)
