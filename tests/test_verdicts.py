"""Verdicts follow from the data alone: results that flip an effect flip the verdict, and chance seldom has a say."""

import ast
import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab_utils import facts, files
from lab_utils.errors import LabError
from lab_utils.manual import STATEMENTS
from lab_utils.running.check import HypothesisRow
from lab_utils.settings import NOTEBOOKS, SERIES, check
from lab_utils.study.space import HYPERPARAMETER_NAMES, one_factor_settings
from lab_utils.study.tables import COLUMNS
from lab_utils.study.trial import SCORE_NAMES
from lab_utils.verdicts import published, statistics, thresholds
from lab_utils.verdicts.hypotheses import HYPOTHESES, SOURCES, Hypothesis, judge, statement_verdicts
from lab_utils.verdicts.measures import MEASURES
from lab_utils.verdicts.statistics import (
    NEGLIGIBLE,
    OPPOSITE,
    SUPPORTED,
    UNMEASURED,
    UNRESOLVED,
    Difference,
    Prior,
    Sample,
)

SEEDS = 3
SURE = Prior(np.array([10.0]), np.array([1e-8]), np.ones(1), 50.0)
PLAIN = {"diverged": False, "digits": 1000, "units": 256, "readings": 64, "of_mean_digit": 0.4, "left": 0.0}


def study_table(noise: float = 0.0) -> pd.DataFrame:
    """A whole study in which no setting differs from another, but for a little noise."""
    rng = np.random.default_rng(0)
    planned = [("one-factor", varied, setting) for varied, setting in one_factor_settings()]
    base = planned[0][2]
    planned += [("test", "base", base), ("test", "chosen", base)]
    rows = []
    for stage, varied, setting in planned:
        for seed in range(SEEDS * (3 if (stage, varied) == ("one-factor", "base") else 1)):
            scores = {name: 1.0 + noise * rng.standard_normal() for name in SCORE_NAMES} | PLAIN
            row = {"stage": stage, "trial": len(rows), "state": "complete", "varied": varied, **vars(setting)}
            rows.append(row | {"seed": seed, "curve": []} | scores)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def wide_table(source: str, noise: float = 0.0) -> pd.DataFrame:
    """A table with every column that the hypotheses of one source read, all ones."""
    words = (word.strip("(),:.;") for word in SOURCES[source].split())
    names = [word for word in words if word.endswith(("_psnr", "_probe", "_error"))]
    values = 1 + noise * np.random.default_rng(1).standard_normal((SEEDS, len(names)))
    return pd.DataFrame(values, columns=names).assign(digits=1000)


def table_for(each: Hypothesis) -> pd.DataFrame:
    return study_table() if each.source == "study" else wide_table(each.source)


def push(table: pd.DataFrame, each: Hypothesis, amount: float) -> pd.DataFrame:
    """The table with the cells that decide this hypothesis moved, so that its effect becomes about ``amount``.

    Which cells these are, and how strongly they act, is found by trying, so that this test knows nothing of the sides.
    """
    score, step = MEASURES[each.measure].score, 1e-3
    columns = [score] if score in table else [name for name in table if name.endswith(f"_{score}")]
    keys = ["stage", "varied", *HYPERPARAMETER_NAMES]
    groups = table.groupby(keys).groups.values() if "stage" in table else [table.index]
    for name in columns:
        for index in groups:
            moved = table.copy()
            moved.loc[index, name] += step
            slope = each.judge(moved, SURE)["effect"] / step
            if abs(slope) > 1e-6:
                moved.loc[index, name] = 1 + amount / slope
                return moved
    raise AssertionError(f"no score decides {each.id}")


def test_every_statement_of_the_manual_has_a_test_and_no_test_is_listed_twice():
    tested = {name for each in HYPOTHESES for name in (each.id.split(".")[0], *each.also)}
    assert tested == set(STATEMENTS)
    assert len({each.id for each in HYPOTHESES}) == len(HYPOTHESES) == len({each.test for each in HYPOTHESES})
    assert {each.source for each in HYPOTHESES} == set(SOURCES)


def test_every_threshold_has_a_reason_a_date_and_a_use():
    for table in (thresholds.HYPOTHESES, thresholds.CONDITIONS, thresholds.FACTS):
        for limit in table.values():
            assert limit.reason.endswith(".") and pd.Timestamp(limit.fixed)
    assert {each.limit for each in HYPOTHESES} == set(thresholds.HYPOTHESES)


@pytest.mark.parametrize("each", HYPOTHESES, ids=lambda each: each.id)
def test_flipping_the_effect_flips_the_verdict(each):
    limit = thresholds.HYPOTHESES[each.limit].value
    table = table_for(each)
    said = {size: each.judge(push(table, each, size * abs(limit)), SURE)["verdict"] for size in (-3, 0.5, 3)}
    if each.two_sided:
        assert said == {-3: OPPOSITE, 0.5: SUPPORTED, 3: OPPOSITE}
    else:
        assert said == {-3: OPPOSITE, 0.5: NEGLIGIBLE if limit > 0 else SUPPORTED, 3: SUPPORTED}


@pytest.mark.parametrize("each", HYPOTHESES, ids=lambda each: each.id)
def test_equal_seeds_give_no_interval_without_width(each):
    row = each.judge(table_for(each), SURE)
    assert row["effect"] == pytest.approx(0) and row["low"] < row["effect"] < row["high"]


def test_a_better_gap_is_no_generalization_where_the_error_is_worse():
    table = study_table(noise=1e-4)
    decayed = table["regularization"] == "weight_decay"
    table.loc[decayed, "gap"] -= 0.9
    better = statement_verdicts(judge({"study": table}))["regularization-l2"]
    table.loc[decayed, "error"] *= 1.2
    assert (better, statement_verdicts(judge({"study": table}))["regularization-l2"]) == (SUPPORTED, OPPOSITE)


def test_less_expressive_is_not_judged_before_the_larger_network_has_converged():
    table = study_table(noise=1e-4)
    table.loc[table["hidden_layers"] == 3, "train_error"] *= 0.9
    rows = {row["id"]: row for row in judge({"study": table})}
    assert rows["layers-fewer"]["verdict"] == SUPPORTED
    table.loc[table["hidden_layers"] == 3, "left"] = 2.5
    row = next(row for row in judge({"study": table}) if row["id"] == "layers-fewer")
    assert row["verdict"] == UNMEASURED and "convergence" in row["note"]


def test_no_verdict_on_features_of_a_network_that_did_not_train():
    table = study_table(noise=1e-4)
    table.loc[table["hidden_layers"] == 3, ["probe", "of_mean_digit"]] = 0.3, 0.98
    rows = {row["id"]: row for row in judge({"study": table})}
    assert rows["layers-more.deeper"]["verdict"] == UNMEASURED and "did not train" in rows["layers-more.deeper"]["note"]


def diverge(table: pd.DataFrame, rate: float, seeds: int) -> pd.DataFrame:
    lost = (table["varied"] == "learning_rate") & (table["learning_rate"] == rate) & (table["seed"] < seeds)
    return table.assign(diverged=table["diverged"] | lost, rises=table["rises"].mask(lost))


def test_divergence_is_the_strongest_instability_and_no_seed_is_dropped():
    rows = {row["id"]: row for row in judge({"study": diverge(study_table(noise=1e-4), 0.03, 3)})}
    unstable = rows["rate-high.unstable-0.03"]
    assert unstable["verdict"] == SUPPORTED and unstable["effect"] is None and unstable["seeds"] == SEEDS
    assert "3 of 3 seeds against 0 of 9" in unstable["note"]
    assert unstable["p"] == pytest.approx(2 / 220), "one table of C(12, 3), on both sides"
    assert rows["rate-high.faster-0.03"]["verdict"] == OPPOSITE, "what diverges gets nowhere"
    one = {row["id"]: row for row in judge({"study": diverge(study_table(noise=1e-4), 0.03, 1)})}
    assert one["rate-high.unstable-0.03"]["verdict"] == UNRESOLVED


def test_what_was_not_measured_gets_no_verdict():
    empty = judge({"study": study_table().head(0)})
    assert empty and {row["verdict"] for row in empty} == {row["holm"] for row in empty} == {UNMEASURED}
    assert all(row["effect"] is row["p"] is None for row in empty)
    table = study_table(noise=1e-4).assign(rises=np.nan)
    row = next(row for row in judge({"study": table}) if row["id"] == "batch-large.stable")
    assert row["verdict"] == UNMEASURED
    one_seed = judge({"denoising": wide_table("denoising").head(1)})
    assert {row["verdict"] for row in one_seed} == {UNMEASURED}, "a single seed has no spread"


def test_a_test_of_two_statements_is_listed_once_and_counts_for_both():
    table = study_table(noise=1e-4)
    table.loc[(table["stage"] == "test") & (table["varied"] == "chosen"), "probe"] -= 0.5
    rows = judge({"study": table})
    assert sum("probe" in row["test"] and "chosen" in row["test"] for row in rows) == 1
    said = statement_verdicts(rows)
    assert said["result-post-lab"] == said["inference-post-lab"] == OPPOSITE
    assert "result-post-lab.features" in {row["id"] for row in judge({"study": table}, ids=["inference-post-lab"])}


def test_judge_takes_the_tables_that_are_there():
    ids = [row["id"] for row in judge({"pca": wide_table("pca", 1e-3)})]
    assert ids == ["pre-lab-4.nonlinear", "pre-lab-4.linear"]
    assert judge({"pca": wide_table("pca", 1e-3)}, ids=["pre-lab-3"]) == []


def test_rows_are_what_the_record_and_the_tables_take():
    rows = judge({"study": diverge(study_table(noise=0.01), 0.03, 3)})
    for row in rows:
        assert HypothesisRow.model_validate(row).model_dump().keys() >= row.keys()
    shown = facts.hypothesis_table(rows)
    assert "3 of 3 seeds against 0 of 9" in shown and "after Holm" in shown
    assert shown.count("\n") == len(rows) + 1


def executed(folder: Path, profile: str) -> Path:
    """Three executed notebooks, with the record alone."""
    table = study_table(noise=1e-3)
    rows = {"03_post_lab": judge({"study": table}), "01_pre_lab": judge({"pca": wide_table("pca", 1e-3)})}
    for name in SERIES:
        lab = check(name, {"profile": profile, "student_name": "Asha Rao"})
        record = facts.Record(lab, {}, facts.Facts(), rows.get(name))
        output = nbformat.v4.new_output("display_data", data=record._repr_mimebundle_())
        cell = nbformat.v4.new_code_cell("record", outputs=[output])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / f"{name}.ipynb")
    return folder


def test_the_published_run_stands_beside_every_other(tmp_path, monkeypatch):
    run = published.collect(executed(tmp_path, "full"))
    assert "Asha" not in json.dumps(run) and run["settings"]["03_post_lab"]["trials"] == 20
    monkeypatch.setattr(published, "PATH", tmp_path / "published.json")
    files.write_json(published.PATH, run)
    published.read.cache_clear()
    rows = judge({"pca": wide_table("pca", 1e-3)})
    published.read.cache_clear()
    assert [row["published"].split(",")[0] for row in rows] == [row["holm"] for row in rows]
    assert "published run" in facts.hypothesis_table(rows)


def test_a_quick_run_is_not_published(tmp_path):
    with pytest.raises(LabError, match="profile full"):
        published.collect(executed(tmp_path, "quick"))


@pytest.mark.skipif(not published.PATH.exists(), reason="no published run is committed")
@pytest.mark.parametrize("name", SERIES)
def test_no_committed_verdict_is_the_opposite_of_the_published_one(name):
    """A small run may leave open what the published run resolves, or resolve it alike; it may not contradict it."""
    found = {row["id"]: row["verdict"] for row in published.read()["rows"]}
    cells = nbformat.read(Path(__file__).parent.parent / "notebooks" / f"{name}.ipynb", as_version=4).cells
    (record,) = [output.data[facts.RECORD_MIME] for cell in cells if cell.id == "record" for output in cell.outputs]
    against = [row["id"] for row in record["hypotheses"] if {row["verdict"], found[row["id"]]} == {SUPPORTED, OPPOSITE}]
    assert against == []


@pytest.mark.skipif(not published.PATH.exists(), reason="no published run is committed")
def test_the_published_run_judged_these_hypotheses():
    assert published.read()["hypotheses"] == published.digest(HYPOTHESES, thresholds.HYPOTHESES), "make published-run"


# The statistics


def test_the_moderated_variance_is_the_textbooks():
    """Two settings of one prior: Smyth's (2004) posterior variance and degrees of freedom, in numbers."""
    prior = Prior(np.array([4.0]), np.array([2.0]), np.ones(1), 100.0)
    first, second = Sample(np.array([1.0, 2.0, 3.0])), Sample(np.arange(9.0))
    found = statistics.difference(first, second, prior)
    variances = (4 * 2 + 2 * 1) / 6, (4 * 2 + 8 * 7.5) / 12
    assert found.effect == -2 and found.df == pytest.approx(6)
    assert found.error == pytest.approx(np.sqrt(variances[0] / 3 + variances[1] / 9))
    low, high = found.interval()
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 6) * found.error[0])


def test_the_prior_finds_what_the_variances_were_drawn_from():
    rng = np.random.default_rng(3)
    for df in (4.0, np.inf):
        spread = np.ones(400) if np.isinf(df) else np.sqrt(df / rng.chisquare(df, 400))
        prior = statistics.fit_priors({"x": [Sample(3 * one * rng.standard_normal(4)) for one in spread]})["x"]
        likely = prior.weights @ (prior.df / (prior.df + 3))
        assert likely == pytest.approx(4 / 7 if df == 4 else 1, abs=0.1)
        assert prior.weights @ prior.variance == pytest.approx(9, rel=0.25)
    ratio, one, other = np.array([0.3, 2.0]), np.array([2.0, 5.0]), np.array([3.0, 8.0])
    np.testing.assert_allclose(statistics._log_f(ratio, one, other), stats.f.logpdf(ratio, one, other))


def test_an_error_is_never_below_the_resolution():
    prior = Prior(np.array([1e3]), np.array([1e-30]), np.ones(1), 1e6)
    same = Sample(np.full(3, 0.9), resolution=1 / 1000)
    assert statistics.difference(same, same, prior).error == pytest.approx(np.sqrt(2 / 12) / 1000)
    coarse = [Sample(np.zeros(seeds), resolution=0.5) for seeds in (3, 9)]
    assert statistics.decide(statistics.difference(*coarse, prior), 0.1)[0] == UNRESOLVED


def test_holm_is_holms():
    adjusted = statistics.holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]).size == 0


numbers = st.floats(-50, 50)


@settings(max_examples=200, deadline=None)
@given(effect=numbers, error=st.floats(0.01, 20), df=st.floats(1, 50), threshold=numbers)
def test_the_verdict_is_the_position_of_the_interval(effect, error, df, threshold):
    found = Difference(effect, np.array([error]), np.array([df]), np.ones(1))
    low, high = found.interval()
    said, p = statistics.decide(found, threshold)
    assert (said == UNRESOLVED) == (p > 0.05)
    if low > threshold:
        assert said == SUPPORTED
    elif high < min(0, threshold):
        assert said == OPPOSITE
    elif effect >= 0 and -threshold < low and high < threshold:
        assert said == NEGLIGIBLE
    else:
        assert said == UNRESOLVED


def null_study(rng: np.random.Generator, seeds: int, spread: float) -> list[tuple[str, float]]:
    """Verdicts and p of 32 tests in a study of 18 settings and 8 measures, where every effect is at its threshold.

    Every sixth setting loses a tenth of its seeds; log standard deviations of the settings differ by ``spread``.
    """
    restless, threshold, found = rng.normal(0, spread, 18), 1.0, []
    measures = {}
    for measure in range(8):
        samples = []
        for setting, log_deviation in enumerate(restless + rng.normal(0, spread / 2, 18)):
            values = np.exp(log_deviation) * rng.standard_normal(3 * seeds if setting == 0 else seeds)
            lost = rng.random(len(values)) < (0.1 if setting % 6 == 5 else 0)
            samples.append(Sample(values[~lost], int(lost.sum()), resolution=1e-3))
        measures[measure] = samples
    priors = statistics.fit_priors(measures)
    for measure, samples in measures.items():
        for setting in rng.choice(np.arange(1, 18), 4, replace=False):
            pair = [samples[setting], samples[0 if rng.random() < 0.7 else setting % 17 + 1]]
            first, second = pair if rng.random() < 0.5 else pair[::-1]
            if first.failed or second.failed:
                found.append(statistics.compare_failures(first, second))
            else:
                zero = statistics.difference(first, second, priors[measure])
                found.append(statistics.decide(zero._replace(effect=zero.effect + threshold), threshold))
    return found


def false_support(seeds: int, spread: float, studies: int) -> float:
    """Share of null studies in which Holm leaves at least one "supported"."""
    rng, wrong = np.random.default_rng(seeds), 0
    for _ in range(studies):
        words, levels = zip(*null_study(rng, seeds, spread), strict=True)
        left = statistics.holm(levels) <= statistics.LEVEL
        wrong += any(word == SUPPORTED and stays for word, stays in zip(words, left, strict=True))
    return wrong / studies


@pytest.mark.parametrize("spread", [0.0, 0.7], ids=["equal variances", "variances that differ four times"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_chance_seldom_supports_anything(seeds, spread):
    """Of null studies at most one in twenty may end with a false "supported"; here about one in sixty does."""
    assert false_support(seeds, spread, studies=300) <= 0.05


def claims(path: Path) -> list[ast.Call]:
    """Every call of ``claims.add`` in a notebook's code."""
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    calls = [node for source in code for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) == "claims.add"]


def test_the_thresholds_in_the_notebooks_are_those_of_the_one_file():
    shown = {}
    for name in NOTEBOOKS:
        for call in claims(Path(__file__).parent.parent / "notebooks" / f"{name}.ipynb"):
            name, limit, *unit = (ast.literal_eval(call.args[place]) for place in (0, *range(4, len(call.args))))
            shown[name] = (limit, *(unit or [""]))
    assert shown == {name: (limit.value, limit.unit) for name, limit in thresholds.FACTS.items()}
