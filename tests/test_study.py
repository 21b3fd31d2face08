"""The study: its space, plans that resume, a small study from end to end, its tables, and its notebook."""

import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import psutil
import pytest
from students import SMALL, same, student, told_what
from test_trial import BUDGET

from lab_utils import settings
from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.facts import RECORD_MIME
from lab_utils.study.digits import Digits
from lab_utils.study.plan import STAGES, Plan, choose, finalists
from lab_utils.study.run import run_study
from lab_utils.study.space import (
    BASE,
    DEPTH,
    EQUAL_STEPS,
    HYPERPARAMETER_NAMES,
    HYPERPARAMETERS,
    RETUNED,
    STRENGTHS,
    distributions,
    grid_settings,
    one_factor_settings,
    space_table,
    suggest,
    to_params,
)
from lab_utils.study.tables import (
    COLUMNS,
    SETTING_NAMES,
    best_so_far,
    csv,
    effects,
    importance,
    learning_curves,
    pareto,
)


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits.of(load_mnist("embedded"), BUDGET)


def test_importing_the_study_does_not_import_tensorflow():
    code = "import sys, lab_utils.study.run, lab_utils.verdicts.hypotheses; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# The space


def test_one_factor_turns_each_hyperparameter_alone():
    settings = one_factor_settings()
    assert settings[0] == ("base", BASE)
    assert {varied for varied, _ in settings[1:] if " at " not in varied} == set(HYPERPARAMETER_NAMES)
    for varied, setting in settings[1:]:
        differ = {name for name in vars(BASE) if getattr(setting, name) != getattr(BASE, name)}
        name, _, where = varied.partition(" at ")
        told = {name} | {EQUAL_STEPS: {"passes"}, DEPTH: {"hidden_layers"}, "": set()}[where]
        assert differ - {"strength"} in (told, told | {"learning_rate"} if name in RETUNED else told)
        assert to_params(setting).keys() <= dict(distributions()).keys()
    assert len({setting for _, setting in settings}) == len(settings)


def test_grid_is_complete_and_a_smaller_budget_takes_its_first_points():
    points = grid_settings(seed=3)
    assert len(points) == len(set(points)) == np.prod([len(each.grid) for each in HYPERPARAMETERS])
    assert set(points) == set(grid_settings(seed=4))
    assert points != grid_settings(seed=4)


def test_suggested_settings_lie_in_the_space_and_survive_optuna():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    kinds = set()
    for _ in range(60):
        trial = study.ask()
        setting = suggest(trial)
        kinds.add(setting.regularization)
        assert trial.params == to_params(setting)
        assert (setting.strength > 0) == (setting.regularization != "none")
        if setting.regularization in STRENGTHS:
            low, high = STRENGTHS[setting.regularization]
            assert low <= setting.strength <= high
        study.tell(trial, 0.0)
    assert kinds == {"none", *STRENGTHS}


def test_space_table_has_a_row_per_hyperparameter_with_the_base():
    rows = {row["hyperparameter"]: row for row in space_table()}
    assert tuple(rows) == HYPERPARAMETER_NAMES
    assert rows["learning_rate"]["scale"] == "logarithmic"
    assert rows["code_size"]["base"] == str(BASE.code_size)


# Plans, the cache and processes


def test_a_plan_refuses_unknown_or_disordered_stages():
    for stages in (("tpe", "grid"), ("greedy",), ()):
        with pytest.raises(LabError, match="stages"):
            Plan(stages=stages)


def test_the_notebook_the_command_and_the_full_run_share_one_plan():
    lab = settings.check("03_post_lab", {"profile": "full", "noise_kind": "speckle", "score_digits": 700, "seed": 4})
    plan = Plan.from_settings(lab)
    assert plan == Plan.from_settings(lab, STAGES)
    few = Plan.from_settings(settings.check("03_post_lab", {"trials": 19}))
    assert "tpe" not in few.stages and set(few.stages) == set(STAGES) - {"tpe"}
    assert (plan.budget.noise_kind, plan.budget.score_digits, plan.budget.train_digits) == (
        "speckle",
        700,
        lab.train_digits,
    )
    assert (plan.trials, plan.repeats, plan.seed) == (lab.trials, lab.repeats, 4)


def test_searches_draw_their_own_settings_and_more_trials_only_add_some():
    plan = Plan(trials=5)
    known = plan.known()
    assert set(plan.known()) < set(replace(plan, trials=9).known())
    assert plan.stage_seed("random") != plan.stage_seed("tpe")
    assert {trial.stage for trial in known} == {"one-factor", "grid", "random"}
    assert not any(trial.limits for trial in known)


FEW = Plan(stages=("random", "tpe"), trials=3, budget=replace(BUDGET, epochs=1))
PROGRAM = f"""
from lab_utils.data import load_mnist
from lab_utils.study.digits import Budget, Digits
from lab_utils.study.plan import Plan
from lab_utils.study.run import run_study

if __name__ == "__main__":
    budget = Budget(**{asdict(FEW.budget)!r})
    plan = Plan(stages={FEW.stages!r}, trials={FEW.trials}, budget=budget)
    print(run_study(plan, Digits.of(load_mnist("embedded"), budget), workers=2).attrs["computed"])
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """The cache of a small study that two processes were at work on when it was killed."""
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as environment:
        in_cache(environment, place)
        parent = subprocess.Popen([sys.executable, "-c", PROGRAM])
    until = time.monotonic() + 150
    while len(list((place / "results").glob("*.entry"))) < 2:
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    family = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    assert len(family) >= 2 and psutil.wait_procs(family, timeout=10)[1] == []
    return place


def in_cache(environment: pytest.MonkeyPatch, place: Path) -> None:
    environment.setenv("DAE_LAB_USE_CACHE", "1")
    environment.setenv("DAE_LAB_CACHE", str(place))


@pytest.fixture(scope="module")
def finished(small, digits) -> pd.DataFrame:
    """The killed study, run again to its end by two processes."""
    with pytest.MonkeyPatch.context() as environment:
        in_cache(environment, small)
        return run_study(FEW, digits, workers=2)


@pytest.fixture
def with_small(small, finished, monkeypatch) -> pd.DataFrame:
    """The small study, with its trials in the cache."""
    in_cache(monkeypatch, small)
    return finished


def seconds(frame: pd.DataFrame) -> list[float]:
    """What the trials measured of themselves: no two trainings take equally long."""
    return frame["seconds"].tolist()


def test_a_study_that_was_killed_goes_on(finished):
    """Its processes ended with it; run again, it computes what had not been finished, and every trial is there once."""
    assert 0 < finished.attrs["computed"] <= 4
    assert finished.groupby("stage")["trial"].apply(sorted).tolist() == [[0, 1, 2]] * 2


def test_more_trials_only_add_trials_and_a_complete_study_computes_nothing(with_small, digits):
    more = run_study(replace(FEW, trials=4), digits)
    assert len(more) == 8 and more.attrs["computed"] <= 2
    for stage in ("random", "tpe"):
        assert seconds(more[more["stage"] == stage])[:3] == seconds(with_small[with_small["stage"] == stage])
    again = run_study(FEW, digits)
    assert again.attrs["computed"] == 0
    pd.testing.assert_frame_equal(with_small, again)
    assert run_study(replace(FEW, stages=("random",), trials=1, seed=14), digits).attrs["computed"] == 1


def test_a_complete_study_starts_no_process_and_no_tensorflow(with_small):
    nothing = "\n    import sys, multiprocessing"
    nothing += "\n    assert 'tensorflow' not in sys.modules and not multiprocessing.active_children()\n"
    done = subprocess.run([sys.executable, "-c", PROGRAM + nothing], check=True, capture_output=True, timeout=120)
    assert done.stdout.strip() == b"0"


def test_two_processes_find_what_one_finds(finished, digits):
    """The same trials, TPE's proposals included; how many threads share the sums decides their last bits."""
    one, two = run_study(FEW, digits), finished
    planned = ["stage", "trial", "state", *SETTING_NAMES, "seed"]
    pd.testing.assert_frame_equal(one[planned], two[planned])
    np.testing.assert_allclose(one["error"], two["error"], rtol=1e-3)


def test_other_digits_or_another_budget_are_another_study(own_cache, digits):
    plan = replace(FEW, stages=("random",), trials=1)
    run_study(plan, digits)
    other = replace(digits, train=digits.train[::-1].copy())
    assert run_study(plan, other).attrs["computed"] == 1
    assert run_study(replace(plan, budget=replace(plan.budget, noise_level=0.4)), digits).attrs["computed"] == 1


def test_tpe_stops_what_is_worse_than_the_median(digits):
    plan = Plan(stages=("tpe",), trials=16, budget=replace(BUDGET, epochs=3, train_digits=500))
    frame = run_study(plan, digits)
    assert not (frame["state"].head(8) == "pruned").any(), "there is no median yet"
    pruned = frame[frame["state"] == "pruned"]
    assert len(pruned) and (pruned["epochs"] < 3).all() and (pruned["curve"].map(len) == pruned["epochs"]).all()


def test_a_finished_study_is_exported_once_and_grows(tmp_path, with_small, digits):
    address = f"sqlite:///{tmp_path / 'x.db'}"
    run_study(FEW, digits, address)
    frame = run_study(replace(FEW, trials=4), digits, address)
    for stage in FEW.stages:
        trials = optuna.load_study(storage=address, study_name=f"post-lab/{stage}").get_trials()
        rows = frame[frame["stage"] == stage]
        assert [trial.user_attrs["number"] for trial in trials] == list(range(4))
        assert [trial.value for trial in trials] == pytest.approx(rows["error"].tolist())
        assert [trial.params["code_size"] for trial in trials] == rows["code_size"].tolist()
    with pytest.raises(LabError, match="another study"):
        run_study(replace(FEW, trials=1, seed=14), digits, address)


@pytest.mark.parametrize("address", ["sqlite:////nowhere/x.db", "bogus", "postgresql://me:secret@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_used_is_named_without_its_password(with_small, digits, address):
    with pytest.raises(LabError, match="storage") as raised:
        run_study(replace(FEW, stages=("random",), trials=1), digits, address)
    assert "secret" not in str(raised.value) and raised.value.__suppress_context__


POST_LAB = SMALL | {"trials": 2, "repeats": 2, "score_digits": 200, "workers": 1, "noise_kind": "speckle"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """All six stages, as small as the post-lab can be; and the cache that holds the trials."""
    place = tmp_path_factory.mktemp("cache")
    lab = settings.check("03_post_lab", POST_LAB)
    plan = Plan.from_settings(lab, STAGES)
    with pytest.MonkeyPatch.context() as environment:
        in_cache(environment, place)
        return place, run_study(plan, Digits.of(load_mnist("embedded", lab.seed), plan.budget))


@pytest.fixture
def whole(made) -> pd.DataFrame:
    return made[1]


def test_every_stage_has_its_trials_once_and_the_searches_equal_budgets(whole):
    assert list(whole.columns) == list(COLUMNS)
    assert list(dict.fromkeys(whole["stage"])) == list(STAGES)
    counts = whole.groupby("stage").size()
    assert counts["grid"] == counts["random"] == counts["tpe"] == 2
    assert counts["one-factor"] == 2 * (len(one_factor_settings()) + 2), "the base has three times the seeds"
    assert not whole.duplicated(["stage", "trial"]).any()
    searched = whole["stage"].isin(("grid", "random", "tpe"))
    assert (whole.loc[~searched, "state"] == "complete").all(), "only searches prune"
    seeds = whole.groupby("stage")["seed"].apply(set)
    for one, other in combinations(("random", "one-factor", "confirm", "test"), 2):
        assert seeds[one].isdisjoint(seeds[other]), "what was chosen is judged by seeds that had no say in it"


def test_the_setting_is_chosen_on_validation_and_tested_beside_the_base(whole):
    best = choose(whole)
    assert 1 <= len(finalists(whole)) <= 2
    tested = whole[whole["stage"] == "test"]
    assert set(tested["varied"]) == ({"base", "chosen"} if best != BASE else {"base"})
    chosen = tested[tested["varied"] == "chosen"].iloc[0]
    assert chosen["code_size"] == best.code_size and chosen["learning_rate"] == best.learning_rate
    # A worse validation error loses the choice; the test's errors have no say.
    worse = whole.assign(error=whole["error"].where(whole["code_size"] != best.code_size, 1.0))
    assert choose(worse) != best
    longer = whole.assign(error=whole["error"].where(whole["passes"] == 1, 0.0))
    assert choose(longer) == best, "who trains longer than the budget is no choice"
    assert (tested.groupby("varied").size() == 4).all(), "both sides are tested with twice the seeds"
    assert choose(whole.assign(error=whole["error"].where(whole["stage"] != "test", 0.0))) == best


def test_effects_are_differences_of_means_from_the_base(whole):
    table = effects(whole, "error")
    assert set(table["hyperparameter"]) == set(HYPERPARAMETER_NAMES)
    bases = table[table["effect"] == 0]
    assert len(bases) == len(HYPERPARAMETER_NAMES) and (bases["seeds"] == 6).all()
    one = whole[whole["stage"] == "one-factor"]
    small, base = one[(one["varied"] == "code_size") & (one["code_size"] == 8)], one[one["varied"] == "base"]
    row = table[(table["hyperparameter"] == "code_size") & (table["value"] == "8")].iloc[0]
    assert row["effect"] == pytest.approx(small["error"].mean() - base["error"].mean())
    assert row["low"] < row["effect"] < row["high"] and row["seeds"] == 2
    relative = effects(whole, "error", relative=True).set_index(["hyperparameter", "value"])
    ratio = np.exp(np.log(small["error"]).mean() - np.log(base["error"]).mean())
    assert relative.loc[("code_size", "8"), "effect"] == pytest.approx(100 * (ratio - 1))


def test_curves_front_and_importance_follow_from_the_rows(whole):
    curves = learning_curves(whole)
    assert len(curves) == whole["curve"].map(len).sum()
    front = whole[pareto(whole)]
    assert len(front) >= 1
    for _, row in front.iterrows():
        assert not ((whole["error"] < row["error"]) & (whole["probe"] >= row["probe"])).any()
    best = best_so_far(whole)
    assert (best.groupby("stage")["error"].diff().dropna() <= 0).all()
    shares = importance(whole)
    assert set(shares["hyperparameter"]) == set(HYPERPARAMETER_NAMES)
    assert shares["importance"].sum() == pytest.approx(1)


def test_the_csv_holds_every_trial(whole, tmp_path):
    (tmp_path / "trials.csv").write_bytes(csv(whole))
    back = pd.read_csv(tmp_path / "trials.csv", keep_default_na=False, na_values=[""])
    assert list(back.columns) == list(COLUMNS)
    np.testing.assert_allclose(back["error"], whole["error"], rtol=1e-5)
    assert [len(str(curve).split()) for curve in back["curve"]] == whole["curve"].map(len).tolist()


# The notebook


def test_the_post_lab_again_and_again_and_its_exercises(tmp_path, made, monkeypatch):
    """It finds in the cache what a study of the same settings has computed."""
    in_cache(monkeypatch, made[0])
    address = f"sqlite:///{tmp_path / 'study.db'}"
    with student("03_post_lab", tmp_path, **POST_LAB, storage=address) as at_work:
        first = at_work.run_all(twice=True)
        told_what(first)
        assert same(first, at_work.run_all()) and at_work.ask('study.attrs["computed"]') == "0"
        at_work.set(trials=4)
        more = at_work.run_only("parameters", "imports", "study", "study-facts", "search-reading", "test", "record")
        searches, rest = 3 * (4 - 2), 4 + 2  # new trials of each search; what is confirmed and tested of them anew
        assert 4 <= int(at_work.ask('study.attrs["computed"]')) <= searches + rest
        best = 'tables.seeds_mean(study[study.stage == "one-factor"], "{}").index[0]'
        for score in ("probe", "error"):
            assert at_work.ask(best.format(score)).startswith("Setting(")
    facts = {fact["id"]: fact["measured"] for fact in more["record"][0][RECORD_MIME]["facts"]}
    assert facts["every-trial-once"] == 0 and len(facts) == 4
