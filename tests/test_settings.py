"""Parameters: the profile fills what is not given, an explicit knob beats it, and bad values are refused by name."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils import facts, settings
from lab_utils.errors import LabError


def test_an_explicit_knob_beats_the_profile():
    quick, full = (settings.check("02_in_lab", {"profile": name}) for name in ("quick", "full"))
    assert full.epochs == 10 and full.train_digits == 55_000 and full.batch_size == 128
    assert quick.train_digits < full.train_digits
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


def test_the_readme_shows_every_knob_as_it_is():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert facts.table(settings.knob_rows(), disable_numparse=True) in readme
