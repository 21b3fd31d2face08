"""Verdicts follow from the data alone: synthetic results that flip an effect flip the verdict."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils.manual import STATEMENTS
from lab_utils.study.space import KNOB_NAMES, one_factor_settings
from lab_utils.study.tables import COLUMNS
from lab_utils.study.trial import SCORE_NAMES
from lab_utils.verdicts.hypotheses import (
    CONTRADICTED,
    HYPOTHESES,
    SOURCES,
    SUPPORTED,
    UNRESOLVED,
    Hypothesis,
    judge,
    statement_verdicts,
    verdict,
)

SEEDS = range(1, 6)


def study_table(profile: str = "quick", noise: float = 0.0) -> pd.DataFrame:
    """A whole study in which no setting differs from another, but for a little noise."""
    rng = np.random.default_rng(0)
    planned = [("one-factor", varied, setting) for varied, setting in one_factor_settings(profile)]
    base = planned[0][2]
    planned += [("test", "base", base), ("test", "chosen", base)]
    rows = []
    for stage, varied, setting in planned:
        for seed in SEEDS:
            scores = {name: 1.0 + noise * rng.standard_normal() for name in SCORE_NAMES}
            row = {"stage": stage, "trial": len(rows), "state": "complete", "varied": varied, **vars(setting)}
            rows.append(row | {"seed": seed, "diverged": False, "curve": []} | scores | {"diverged": False})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def paired_table(source: str) -> pd.DataFrame:
    """A table with every column that the hypotheses of one source read, all ones."""
    words = (word.strip("(),:.;") for word in SOURCES[source].split())
    names = [word for word in words if word.endswith(("_psnr", "_probe", "_error"))]
    return pd.DataFrame(dict.fromkeys(names, np.ones(len(SEEDS))))


def table_for(each: Hypothesis) -> pd.DataFrame:
    return study_table() if each.source == "study" else paired_table(each.source)


def push(table: pd.DataFrame, each: Hypothesis, amount: float) -> pd.DataFrame:
    """The table with the cells that decide this hypothesis moved, so that its effect becomes about ``amount``.

    Which cells these are, and how strongly they act, is found by trying, so that this test knows nothing of how
    the differences are defined.
    """
    scores = [name for name in table.columns if name in SCORE_NAMES or name.endswith(("_psnr", "_probe", "_error"))]
    rng, before, step = np.random.default_rng(0), np.mean(each.differences(table)), 1e-3
    for name in set(scores) - {"diverged"}:
        if np.mean(each.differences(table.assign(**{name: rng.random(len(table))}))) == before:
            continue  # this score has no say
        groups = table.groupby(["stage", "varied", *KNOB_NAMES]).groups.values() if "stage" in table else [table.index]
        for index in groups:
            moved = table.copy()
            moved.loc[index, name] += step
            slope = (np.mean(each.differences(moved)) - before) / step
            if abs(slope) > 1e-6:
                moved.loc[index, name] = table.loc[index, name] + amount / slope
                return moved
    raise AssertionError(f"no score decides {each.id}")


def test_every_statement_of_the_manual_has_a_test():
    assert {each.id.split(".")[0] for each in HYPOTHESES} == set(STATEMENTS)
    assert len({each.id for each in HYPOTHESES}) == len(HYPOTHESES)
    assert {each.source for each in HYPOTHESES} == set(SOURCES)


@pytest.mark.parametrize("each", HYPOTHESES, ids=lambda each: each.id)
def test_flipping_the_effect_flips_the_verdict(each):
    amount = 3 * abs(each.threshold)
    said = {sign: each.judge(push(table_for(each), each, sign * amount)) for sign in (1, -1)}
    assert said[1]["verdict"] == SUPPORTED and said[1]["effect"] > each.threshold
    assert said[-1]["verdict"] == CONTRADICTED and said[-1]["effect"] < each.threshold


@pytest.mark.parametrize("each", HYPOTHESES, ids=lambda each: each.id)
def test_no_difference_supports_no_claim_of_one(each):
    judged = each.judge(table_for(each))
    assert judged["effect"] == judged["low"] == judged["high"] == 0
    assert judged["verdict"] == (CONTRADICTED if each.threshold > 0 else SUPPORTED)
    assert judged["statement"] == STATEMENTS[each.id.split(".")[0]]


def test_missing_rows_leave_a_statement_unresolved():
    judged = judge({"study": study_table().head(0)})
    assert judged and {row["verdict"] for row in judged} == {UNRESOLVED}
    assert all(row["effect"] is None for row in judged)


def test_judge_takes_the_tables_that_are_there():
    ids = [row["id"] for row in judge({"pca": paired_table("pca")})]
    assert ids == ["pre-lab-4.nonlinear", "pre-lab-4.linear"]
    assert judge({"pca": paired_table("pca")}, ids=["pre-lab-3"]) == []


def test_a_diverged_seed_drops_out_of_its_pair():
    table = study_table()
    lost = (table["varied"] == "learning_rate") & (table["seed"] == 1)
    table.loc[lost, "first_error"] = np.nan
    rows = {row["id"]: row for row in judge({"study": table})}
    assert rows["rate-high.faster"]["seeds"] == len(SEEDS) - 1
    assert rows["activation-relu"]["seeds"] == len(SEEDS)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_known_effects_get_the_verdicts_they_deserve(profile):
    table = study_table(profile, noise=0.001)
    dead = (table["stage"] == "one-factor") & (table["activation"] != "leaky_relu")
    table.loc[dead, "dead"] += 0.3
    large = (table["stage"] == "one-factor") & (table["code_size"] == table["code_size"].max())
    table.loc[large, "probe"] += 0.05
    table.loc[large, "gap"] -= 2.0
    rows = {row["id"]: row["verdict"] for row in judge({"study": table})}
    assert rows["activation-leaky"] == SUPPORTED
    assert rows["bottleneck-large.richer"] == SUPPORTED
    assert rows["bottleneck-large.overfits"] == CONTRADICTED
    whole = statement_verdicts(judge({"study": table}))
    assert whole["bottleneck-large"] == CONTRADICTED and whole["activation-leaky"] == SUPPORTED


numbers = st.floats(-50, 50, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(low=numbers, width=st.floats(0, 50), threshold=numbers)
def test_verdict_is_the_position_of_the_interval(low, width, threshold):
    high = low + width
    said = verdict(low, high, threshold)
    assert (said == SUPPORTED) == (low > threshold)
    assert (said == CONTRADICTED) == (high < threshold)
    mirrored = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, UNRESOLVED: UNRESOLVED}
    assert verdict(-high, -low, -threshold) == mirrored[said]


@settings(max_examples=100, deadline=None)
@given(
    differences=st.lists(st.floats(-10, 10), min_size=3, max_size=8),
    threshold=st.floats(-3, 3),
    shift=st.floats(0, 100),
)
def test_a_larger_effect_never_weakens_a_verdict(differences, threshold, shift):
    rank = [CONTRADICTED, UNRESOLVED, SUPPORTED]

    def judged(values: list[float]) -> str:
        hypothesis = Hypothesis("pre-lab-3", "t", "u", threshold, "pca", lambda table: np.array(values))
        return hypothesis.judge(pd.DataFrame())["verdict"]

    assert rank.index(judged([value + shift for value in differences])) >= rank.index(judged(differences))
