"""A verdict follows the measurement, and a record says everything that a machine needs."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils import facts, settings
from lab_utils.errors import LabError

LAB = settings.check("01_pre_lab", {})


@given(
    measured=st.floats(allow_nan=False),
    threshold=st.floats(allow_nan=False),
    relation=st.sampled_from(["<=", ">=", "=="]),
)
def test_the_verdict_is_the_comparison(measured, threshold, relation):
    fact = facts.Fact("a", "claim", measured, relation, threshold)
    expected = {"<=": measured <= threshold, ">=": measured >= threshold, "==": measured == threshold}[relation]
    assert (fact.verdict == facts.HOLDS) is expected


@pytest.mark.parametrize("relation", [">=", "<=", "=="])
def test_what_was_not_measured_never_holds(relation):
    assert facts.Fact("a", "claim", math.nan, relation, 0).verdict == facts.FAILS


def test_the_verdict_table_shows_no_measured_number_and_changes_with_the_verdict():
    def table(measured):
        claims = facts.Facts()
        claims.add("gain", "Denoising gains", measured, ">=", 5, "dB")
        return claims.verdict_table()

    assert table(9.123) == table(10.456)
    assert "9.123" not in table(9.123)
    assert table(9.123) != table(4.9)


def test_a_fact_stated_twice_counts_once_and_an_unknown_relation_is_refused():
    claims = facts.Facts()
    claims.add("gain", "Denoising gains", 1, ">=", 5)
    claims.add("gain", "Denoising gains", 9, ">=", 5)
    assert [fact.measured for fact in claims] == [9]
    with pytest.raises(LabError, match="relation"):
        claims.add("gain", "Denoising gains", 1, ">", 5)


def test_the_record_is_plain_json_with_settings_and_verdicts():
    claims = facts.Facts()
    claims.add("gain", "Denoising gains", 9, ">=", 5, "dB")
    bundle = facts.Record(LAB, {"source": "embedded"}, claims)._repr_mimebundle_()
    content = json.loads(json.dumps(bundle[facts.RECORD_MIME]))
    assert content["notebook"] == "01_pre_lab" and content["settings"]["seed"] == LAB.seed
    assert content["facts"][0]["verdict"] == facts.HOLDS


@given(st.text(max_size=40))
def test_the_header_keeps_its_shape_whatever_the_name(name):
    lab = settings.check("01_pre_lab", {"student_name": name})
    header = facts.header(lab)
    rows = header.splitlines()
    assert len(rows) == 6 and all(row.count("|") == 5 for row in rows)
    assert "<" not in header
