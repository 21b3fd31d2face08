"""Parameters: the profile fills what is not given, an explicit knob beats it, and bad values are refused by name."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from lab_utils import baselines, facts, features, metrics, noise, settings
from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.running.parameters import checked, checked_minutes


def test_an_explicit_parameter_beats_the_profile():
    quick, full = (settings.check("02_in_lab", {"profile": name}) for name in ("quick", "full"))
    assert full.epochs == 6 and full.train_digits == 20_000 and full.batch_size == 128
    assert quick.train_digits < full.train_digits
    assert settings.check("03_post_lab", {"train_digits": 600}).score_digits == 600, "no more than it has to train on"
    mixed = settings.check("02_in_lab", {"profile": "full", "epochs": 3, "batch_size": None})
    assert (mixed.epochs, mixed.batch_size) == (3, 128)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("epochs", "three", "whole number"),
        ("epochs", 2.5, "whole number"),
        ("epochs", 0, "greater than or equal to 1"),
        ("seed", True, "whole number"),
        ("seed", -1, "greater than or equal to 0"),
        ("noise_level", 7.0, "less than or equal to 1"),
        ("noise_level", float("nan"), "noise_level"),
        ("noise_kind", "rain", "salt_and_pepper"),
        ("profile", "fast", "'quick' or 'full'"),
        ("profile", ["quick"], "'quick' or 'full'"),
        ("student_id", 12345, "-r"),
        ("data_source", "no/such/folder", "embedded"),
        ("data_source", "", "it is empty"),
        ("data_source", "  ", "it is empty"),
        ("data_source", "~nosuch/x", "~nosuch is nobody's home"),
        ("data_source", "a\0b", "null"),
        ("epoch", 3, "did you mean epochs"),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value, allowed):
    with pytest.raises(LabError) as caught:
        settings.check("02_in_lab", {name: value})
    assert name in caught.value.what
    assert allowed in str(caught.value)
    if name != "epoch":
        assert repr(value) in caught.value.what


def test_all_bad_values_are_named_at_once():
    with pytest.raises(LabError) as caught:
        settings.check("03_post_lab", {"seed": -1, "trials": "many"})
    assert "seed" in caught.value.what and "trials" in caught.value.what


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text(), max_size=4))
def test_whatever_comes_in_is_accepted_whole_or_refused_as_lab_error(values):
    try:
        checked = settings.check("02_in_lab", values)
    except LabError as error:
        assert str(error)
    else:
        assert all(getattr(checked, name) == value for name, value in values.items() if value is not None)


def test_a_notebook_is_told_of_a_name_that_no_parameter_has():
    cells = ["", 'student_name = ""\nseed = 1', "# Parameters\nepoch = 3", "helper = 1", "import os"]
    namespace = {"In": cells, "student_name": "", "seed": 1, "epoch": 3, "helper": 1}
    with pytest.raises(LabError, match="epoch is not a parameter"):
        settings.read("01_pre_lab", namespace)
    namespace["In"] = [cells[0], cells[1], cells[3], cells[4]]
    assert settings.read("01_pre_lab", namespace).seed == 1


def test_a_corrected_name_is_accepted_without_a_restart():
    wrong, right = 'student_name = ""\nepoch = 3', 'student_name = ""\nepochs = 3'
    namespace = {"student_name": "", "epoch": 3, "epochs": 3}
    with pytest.raises(LabError, match="epoch is not a parameter"):
        settings.read("01_pre_lab", namespace | {"In": ["", right, wrong]})
    assert settings.read("01_pre_lab", namespace | {"In": ["", wrong, "import os", right]}).epochs == 3
    injected, corrected = "# Parameters\nepoch = 3", "# Parameters\nepochs = 3"
    with pytest.raises(LabError, match="epoch is not a parameter"):
        settings.read("01_pre_lab", namespace | {"In": ["", right, injected]})
    assert settings.read("01_pre_lab", namespace | {"In": ["", right, injected, corrected]}).epochs == 3
    assert settings.read("01_pre_lab", namespace | {"In": ["", right, "title = student_name"]}).epochs == 3


# --- places


@pytest.mark.parametrize("length", [300, 5_000])
def test_a_path_that_is_too_long_is_refused_in_a_short_sentence(length):
    with pytest.raises(LabError, match=r"data_source = 'x+… \([\d,]+ characters\) is not allowed") as caught:
        settings.check("02_in_lab", {"data_source": "x" * length})
    assert len(str(caught.value)) < 600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="only root can become somebody else")
def test_a_folder_that_may_not_be_entered_is_refused(tmp_path):
    code = (
        "import os, sys\n"
        "from lab_utils import settings\n"
        "from lab_utils.data import load_mnist\n"
        "from lab_utils.course.roster import read_roster\n"
        "os.setuid(65534)\n"
        "for call in (lambda: settings.check('02_in_lab', {'data_source': sys.argv[1]}),\n"
        "             lambda: load_mnist(sys.argv[1]), lambda: read_roster(sys.argv[1] + '/r.csv')):\n"
        "    try: call()\n"
        "    except Exception as error: print(type(error).__name__, 'Permission denied' in str(error))\n"
    )
    (tmp_path / "shut").mkdir(mode=0o700)
    run = [sys.executable, "-c", code, str(tmp_path / "shut")]
    said = subprocess.run(run, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    assert said == ["LabError True"] * 3


@pytest.mark.parametrize(
    ("storage", "allowed"),
    [
        ("bogus", "an SQLAlchemy address"),
        ("nosuch://x", "an SQLAlchemy address"),
        ("sqlite+bogus:///x", "an SQLAlchemy address"),
        ("postgresql://u:p@h:port/db", "an SQLAlchemy address"),
        ("sqlite:///no/such/folder/x.db", "a folder that is there"),
        ("sqlite:///~nosuch/x.db", "a folder that is there"),
        ("sqlite://", "a database in memory ends with its process"),
        ("sqlite:///:memory:", "a database in memory"),
        ("sqlite:///file::memory:?uri=true", "a database in memory"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_refused(storage, allowed):
    with pytest.raises(LabError, match="storage = ") as caught:
        settings.check("03_post_lab", {"storage": storage})
    assert allowed in caught.value.allowed


def test_a_database_without_its_driver_is_refused_by_the_drivers_name():
    with pytest.raises(LabError, match=r"driver is installed; \w+ is not"):
        settings.check("03_post_lab", {"storage": "mssql+pymssql://h/db"})


@pytest.mark.parametrize(
    "storage",
    [
        "nosuch://user:s3cret@host/db",
        "nosuch://user:s3cret%40@host/db",
        "nosuch:/user:s3cret@host",
        "user:s3cret@host",
        "nosuch://host/db?user=u&password=s3cret&x=1",
        "nosuch://user:s3cret",
        "mssql+pymssql://user:s3cret@host/db",
    ],
)
def test_no_password_is_in_a_message(storage):
    with pytest.raises(LabError) as caught:
        settings.check("03_post_lab", {"storage": storage})
    assert "s3cret" not in str(caught.value) and "storage" in caught.value.what


def test_a_relative_database_is_made_absolute_whatever_its_case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for address in (
        "sqlite:///rel.db",
        "SQLITE:///rel.db",
        "sqlite+pysqlite:///rel.db",
        f"sqlite:///{tmp_path}/rel.db",
    ):
        storage = checked("03_post_lab", {"storage": address})["storage"]
        assert storage.lower() == storage or str(tmp_path) in storage
        assert storage.endswith(f":///{tmp_path.as_posix()}/rel.db") and storage.startswith("sqlite")


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), 0.0, -1.0])
def test_minutes_are_a_positive_number(minutes):
    with pytest.raises(LabError, match="minutes = "):
        checked_minutes(minutes)
    assert checked_minutes(0.5) == 0.5 and checked_minutes(None) is None


# --- what is accepted runs


@pytest.mark.parametrize(
    ("notebook", "values", "wrong"),
    [
        ("02_in_lab", {"code_size": 256, "test_digits": 200}, "test_digits = 200"),
        ("02_in_lab", {"code_size": 784, "train_digits": 500}, "code_size = 784"),
        ("03_post_lab", {"score_digits": 5_000}, "score_digits = 5000"),
        ("03_post_lab", {"train_digits": 500, "score_digits": 501}, "score_digits = 501"),
        ("03_post_lab", {"profile": "full", "train_digits": 500, "score_digits": 2_000}, "score_digits = 2000"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(notebook, values, wrong):
    with pytest.raises(LabError) as caught:
        settings.check(notebook, values)
    assert wrong in caught.value.what and "which is" in caught.value.allowed


ODD = st.sampled_from(
    [None, "", "auto", "embedded", "quick", "full", "masking", "~nosuch", "x" * 5_000, "sqlite://", "a\0"]
)
NUMBERS = st.sampled_from(
    [0, 1, 2, 199, 200, 256, 500, 784, 785, 5_000, 55_000, 2**31, -1, 0.05, 0.5, 1.0, float("nan")]
)
ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | ODD | NUMBERS
SETS = st.sampled_from(sorted(settings.NOTEBOOKS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.dictionaries(st.sampled_from([*settings.NOTEBOOKS[name].model_fields, "epoch"]), ANY, max_size=6),
    )
)


@given(SETS)
@how(max_examples=200, deadline=None)
def test_two_hundred_parameter_sets_are_accepted_or_refused_at_once(chosen):
    notebook, values = chosen
    started = time.process_time()
    try:
        lab = settings.check(notebook, values)
    except LabError as error:
        assert error.what and error.allowed and error.next_step and len(str(error)) < 3_000
    else:
        assert all(getattr(lab, name) is not None for name in type(lab).model_fields)
    assert time.process_time() - started < 0.5


@pytest.fixture(scope="module")
def mnist():
    return load_mnist("embedded")


ACCEPTED = st.fixed_dictionaries(
    {
        "noise_kind": st.sampled_from(sorted(noise.KINDS)),
        "noise_level": st.floats(0.05, 1),
        "code_size": st.integers(1, 400),
        "test_digits": st.integers(200, 400),
        "train_digits": st.just(500),
        "seed": st.integers(0, 2**31 - 1),
    }
)


@given(ACCEPTED)
@example({"noise_kind": "masking", "noise_level": 0.05, "code_size": 1, "test_digits": 200, "seed": 2**31 - 1})
@example({"noise_kind": "gaussian", "noise_level": 0.05, "code_size": 200, "test_digits": 200, "seed": 5})
@how(max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_in_lab_computes_is_finite_for_whatever_is_accepted(mnist, values):
    """The in-lab's own computations at tiny size, with random projections in the place of trained encoders."""
    try:
        lab = settings.check("02_in_lab", values | {"train_digits": 500, "data_source": "embedded"})
    except LabError:
        return
    train, test, labels_test = mnist.train.digits[:500], mnist.test.digits[: lab.test_digits], mnist.test.labels
    labels_test, labels = labels_test[: lab.test_digits], mnist.train.labels[: lab.test_digits]
    clean, noisy = noise.to_unit(test), noise.corrupt(test, lab.noise_kind, lab.noise_level, lab.seed)
    fit = noise.corrupt(train[: lab.test_digits], lab.noise_kind, lab.noise_level, lab.seed + 3)
    few = slice(0, 40)

    quality = metrics.quality(clean[few], noisy[few])
    assert np.isfinite(quality).all(axis=None)
    assert np.isfinite(metrics.mean_interval(quality.psnr)).all()
    assert np.isfinite(metrics.paired_interval(quality.psnr, quality.psnr * 2)).all()
    assert np.isfinite(metrics.summary(clean[few], [noisy[few], clean[few]])["seed_range"])

    pair = [baselines.examples(digits, lab.noise_kind, lab.noise_level, lab.seed) for digits in (train, test[:10])]
    for baseline in (baselines.BLUR, baselines.MEDIAN, baselines.PCA_PROJECTION, baselines.RIDGE):
        assert np.isfinite(metrics.psnr(clean[few], baselines.tune(baseline, *pair).denoise(noisy[few]))).all()

    rows = fit.reshape(len(fit), -1), noisy.reshape(len(noisy), -1)
    weights = np.random.default_rng(lab.seed).normal(size=(784, lab.code_size)).astype(np.float32)
    views = {
        f"PCA-{lab.code_size}": features.pca_codes(rows[0], lab.code_size, *rows),
        "projected": tuple(np.maximum(part @ weights, 0) for part in rows),
        "dead": tuple(np.zeros((len(part), lab.code_size), np.float32) for part in rows),
    }
    assert np.isfinite(features.compare(views, labels, labels_test, lab.seed)).all(axis=None)
    counts = [count for count in (10, 30, 100, 300, 1000) if count <= len(labels) // 2]
    for codes, codes_test in views.values():
        curve = features.label_efficiency(codes, labels, codes_test, labels_test, counts, 1, random_state=lab.seed)
        assert len(curve) and np.isfinite(curve).all(axis=None)


def test_refusal_is_quick_and_without_tensorflow():
    code = (
        "import sys; from lab_utils import settings\n"
        "try: settings.check('02_in_lab', {'epochs': 'three'})\n"
        "except Exception as error: print(error)\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    started = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "epochs = 'three'" in result.stdout
    assert time.monotonic() - started < 20


def shown(model: type[settings.Settings], name: str) -> str:
    """The "quick / full" values of a parameter, or its default; empty in a notebook that does not have it."""
    info = model.model_fields.get(name)
    if info is None:
        return ""
    if info.is_required():
        return " / ".join(f"{model.profiles[profile][name]:,}" for profile in ("quick", "full"))
    return repr(info.default)


def test_the_readme_shows_every_hyperparameter_as_it_is():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    names = dict.fromkeys(name for model in settings.NOTEBOOKS.values() for name in model.model_fields)
    rows = [
        {"parameter": f"`{name}`"} | {notebook: shown(model, name) for notebook, model in settings.NOTEBOOKS.items()}
        for name in names
        if name not in settings.Settings.model_fields
    ]
    assert facts.table(rows, disable_numparse=True) in readme
