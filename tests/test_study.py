"""The study: its space, one real trial, plans that resume, tables, and a small study from end to end."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.study.digits import Budget, Digits
from lab_utils.study.ledger import open_storage
from lab_utils.study.plan import STAGES, Plan, choose, finalists
from lab_utils.study.run import run_study
from lab_utils.study.space import (
    BASE,
    KNOB_NAMES,
    KNOBS,
    STRENGTHS,
    Setting,
    distributions,
    from_params,
    grid_settings,
    one_factor_settings,
    space_table,
    suggest,
    to_params,
)
from lab_utils.study.tables import (
    COLUMNS,
    best_so_far,
    effects,
    importance,
    learning_curves,
    pareto,
    read_csv,
    write_csv,
)
from lab_utils.study.trial import roughness, run_trial

BUDGET = Budget(train_digits=600, epochs=2, score_digits=300, probe_digits=300, width=32)


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits.of(load_mnist("embedded"), BUDGET)


def test_importing_the_study_does_not_import_tensorflow():
    code = "import sys, lab_utils.study.run, lab_utils.verdicts.hypotheses; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# The space


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_one_factor_turns_each_knob_alone(profile):
    settings = one_factor_settings(profile)
    assert settings[0] == ("base", BASE)
    assert {varied for varied, _ in settings[1:]} == set(KNOB_NAMES)
    for varied, setting in settings[1:]:
        differ = {name for name in vars(BASE) if getattr(setting, name) != getattr(BASE, name)}
        assert differ - {"strength"} == {varied}
        assert to_params(setting).keys() <= dict(distributions()).keys()
    assert len({setting for _, setting in settings}) == len(settings)


def test_grid_is_complete_and_a_smaller_budget_takes_its_first_points():
    points = grid_settings(seed=3)
    assert len(points) == len(set(points)) == np.prod([len(knob.grid) for knob in KNOBS])
    assert set(points) == set(grid_settings(seed=4))
    assert points != grid_settings(seed=4)


def test_suggested_settings_lie_in_the_space_and_survive_optuna():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    kinds = set()
    for _ in range(60):
        trial = study.ask()
        setting = suggest(trial)
        kinds.add(setting.regularization)
        assert from_params(trial.params) == setting == from_params(to_params(setting))
        assert (setting.strength > 0) == (setting.regularization != "none")
        if setting.regularization in STRENGTHS:
            low, high = STRENGTHS[setting.regularization]
            assert low <= setting.strength <= high
        study.tell(trial, 0.0)
    assert kinds == {"none", *STRENGTHS}


def test_space_table_has_a_row_per_knob_with_the_base():
    rows = {row["knob"]: row for row in space_table()}
    assert tuple(rows) == KNOB_NAMES
    assert rows["learning_rate"]["scale"] == "logarithmic"
    assert rows["code_size"]["base"] == str(BASE.code_size)


# One trial


def test_a_trial_is_repeatable_and_its_scores_are_what_they_say(digits):
    setting = Setting(code_size=8, batch_size=16)
    reported = []
    scores = run_trial(setting, 1, BUDGET, digits, report=lambda *epoch: reported.append(epoch))
    other = run_trial(setting, 2, BUDGET, digits)
    again = run_trial(setting, 1, BUDGET, digits)
    assert scores.error == again.error and scores.curve == again.curve
    assert scores.error != other.error
    assert reported == list(enumerate(scores.curve)) and len(scores.curve) == scores.epochs == BUDGET.epochs
    # The best epoch's weights are kept, and they are scored exactly as the epoch was.
    assert scores.error == pytest.approx(min(scores.curve), rel=1e-5)
    assert scores.first_error == scores.curve[0]
    assert scores.gap == pytest.approx(100 * (scores.error - scores.train_error) / scores.train_error)
    assert 0.1 < scores.probe <= 1 and -0.5 < scores.ari <= 1
    assert 0 <= scores.dead <= 1 and 0 <= scores.near_zero <= 1
    assert not scores.diverged


def test_probe_falls_to_chance_when_the_held_out_labels_are_shuffled(digits):
    setting = Setting(batch_size=16)
    shuffled = replace(digits, validation_labels=np.random.default_rng(0).permutation(digits.validation_labels))
    true, chance = (run_trial(setting, 1, BUDGET, each) for each in (digits, shuffled))
    assert true.error == chance.error, "labels must not reach the training"
    assert true.probe > 0.35 and chance.probe < 0.2


def test_held_out_test_digits_change_the_score_and_not_the_training(digits):
    validation = run_trial(BASE, 1, BUDGET, digits)
    test = run_trial(BASE, 1, BUDGET, digits, held_out="test")
    assert validation.curve == test.curve
    assert validation.error != test.error


def test_sigmoid_gradients_vanish_with_depth_and_relu_units_die(digits):
    deep = Setting(hidden_layers=3, activation="sigmoid")
    assert (
        run_trial(deep, 1, BUDGET, digits).signal
        < run_trial(replace(deep, activation="relu"), 1, BUDGET, digits).signal
    )
    assert run_trial(replace(deep, activation="relu"), 1, BUDGET, digits).dead > 0
    assert run_trial(deep, 1, BUDGET, digits).dead == 0


def test_a_trial_that_diverges_is_scored_as_such(digits):
    scores = run_trial(Setting(learning_rate=1e30, activation="relu"), 1, BUDGET, digits)
    assert scores.diverged


def test_roughness_is_zero_for_a_straight_fall_and_grows_with_jumps():
    straight = np.exp(-0.3 * np.arange(30))
    assert roughness(straight) == pytest.approx(0, abs=1e-12)
    jumpy = straight * np.where(np.arange(30) % 2, 1.1, 1.0)
    assert roughness(jumpy) == pytest.approx(2 * np.log(1.1), rel=1e-6)
    assert np.isnan(roughness([0.5, 0.4, 0.3]))


def test_too_few_training_digits_for_the_scores_are_refused():
    with pytest.raises(LabError, match="train_digits = 200"):
        Digits.of(load_mnist("embedded"), replace(BUDGET, train_digits=200))


# Plans and resuming


def test_plan_survives_json_and_refuses_unknown_or_disordered_stages():
    plan = Plan(stages=("grid", "tpe"), budget=BUDGET, data="x")
    assert Plan.from_json(plan.to_json()) == plan
    for stages in (("tpe", "grid"), ("greedy",), ()):
        with pytest.raises(LabError, match="stages"):
            Plan(stages=stages)


def test_a_study_continues_with_more_trials_but_not_with_other_settings(tmp_path, digits):
    storage = f"sqlite:///{tmp_path / 'x.db'}"
    plan = Plan(stages=("random",), trials=2, budget=BUDGET)
    first = run_study(plan, digits, storage)
    second = run_study(replace(plan, trials=3), digits, storage)
    assert len(second) == 3
    pd.testing.assert_frame_equal(first, second.head(2))
    with pytest.raises(LabError, match="other settings: budget"):
        run_study(replace(plan, budget=replace(BUDGET, epochs=3)), digits, storage)


def test_a_database_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(LabError, match="nowhere"):
        open_storage(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}")


# Without a database of its own

SMALL = Plan(stages=("random",), trials=4, budget=BUDGET)
IN_THE_STORE = f"""
from lab_utils.data import load_mnist
from lab_utils.study.digits import Digits
from lab_utils.study.plan import Plan
from lab_utils.study.run import run_study

plan = Plan.from_json({SMALL.to_json()!r})
run_study(plan, Digits.of(load_mnist("embedded"), plan.budget))
"""


@pytest.fixture
def stored(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAE_LAB_USE_STORE", "1")
    monkeypatch.setenv("DAE_LAB_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def finished_seconds(database: Path) -> list[float]:
    """What the finished trials of the small study measured of themselves: no two trainings take equally long."""
    if not database.exists():
        return []
    try:
        study = optuna.load_study(storage=open_storage(f"sqlite:///{database}"), study_name="post-lab/random")
    except (KeyError, LabError):  # not begun yet
        return []
    return [trial.user_attrs["scores"]["seconds"] for trial in study.get_trials() if trial.state.is_finished()]


def test_a_study_that_was_killed_goes_on_and_an_equal_one_is_found_again(stored, digits):
    dying = subprocess.Popen([sys.executable, "-c", IN_THE_STORE])
    until = time.monotonic() + 100
    while not (before := [s for path in stored.glob("*.checkpoint") for s in finished_seconds(path)]):
        assert time.monotonic() < until and dying.poll() is None
        time.sleep(0.05)
    dying.kill()
    dying.wait()
    whole = run_study(SMALL, digits)
    assert len(whole) == 4 and not whole.attrs["from_store"]
    assert whole["seconds"][: len(before)].tolist() == before, "what was finished before is not run again"
    again = run_study(SMALL, digits)
    assert again.attrs["from_store"]
    pd.testing.assert_frame_equal(whole, again)
    other = run_study(replace(SMALL, trials=1, seed=14), digits)
    assert len(other) == 1 and not other.attrs["from_store"]


def test_a_damaged_study_is_run_again(stored, digits):
    plan = replace(SMALL, trials=1)
    first = run_study(plan, digits)
    (result,) = stored.glob("*.result")
    result.write_bytes(result.read_bytes()[:-1])
    result.with_suffix(".checkpoint").write_bytes(b"not a database, though long enough to look like one" * 9)
    second = run_study(plan, digits)
    assert not second.attrs["from_store"]
    assert second["error"].tolist() == first["error"].tolist()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, digits) -> pd.DataFrame:
    """All six stages, on 600 digits, in two worker processes."""
    storage = f"sqlite:///{tmp_path_factory.mktemp('study') / 'x.db'}"
    plan = Plan(trials=4, repeats=2, budget=replace(BUDGET, epochs=1))
    frame = run_study(plan, digits, storage, workers=2)
    assert json.loads(frame.drop(columns="curve").to_json()) == json.loads(
        run_study(plan, digits, storage).drop(columns="curve").to_json()
    ), "a finished study runs nothing again"
    return frame


def test_every_stage_has_its_trials_once_and_the_searches_equal_budgets(whole):
    assert list(whole.columns) == list(COLUMNS)
    assert list(dict.fromkeys(whole["stage"])) == list(STAGES)
    counts = whole.groupby("stage").size()
    assert counts["grid"] == counts["random"] == counts["tpe"] == 4
    assert counts["one-factor"] == 2 * len(one_factor_settings("quick"))
    assert not whole.duplicated(["stage", "trial"]).any()
    searched = whole["stage"].isin(("grid", "random", "tpe"))
    assert (whole.loc[~searched, "state"] == "complete").all(), "only searches prune"
    assert set(whole.loc[searched, "seed"]).isdisjoint(whole.loc[~searched, "seed"])


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
    assert choose(whole.assign(error=whole["error"].where(whole["stage"] != "test", 0.0))) == best


def test_effects_are_paired_differences_from_the_base(whole):
    table = effects(whole, "error")
    assert set(table["knob"]) == set(KNOB_NAMES)
    bases = table[table["effect"] == 0]
    assert len(bases) == len(KNOB_NAMES)
    one = whole[whole["stage"] == "one-factor"].set_index("seed")
    small = one[(one["varied"] == "code_size") & (one["code_size"] == 8)]["error"]
    expected = (small - one[one["varied"] == "base"]["error"]).mean()
    row = table[(table["knob"] == "code_size") & (table["value"] == "8")].iloc[0]
    assert row["effect"] == pytest.approx(expected)
    assert row["low"] < row["effect"] < row["high"] and row["seeds"] == 2


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
    assert set(shares["knob"]) == set(KNOB_NAMES)
    assert shares["importance"].sum() == pytest.approx(1)


def test_csv_round_trips_and_is_never_half_written(whole, tmp_path):
    path = tmp_path / "made" / "trials.csv"
    write_csv(whole, path)
    back = read_csv(path)
    assert [child.name for child in path.parent.iterdir()] == ["trials.csv"]
    assert list(back.columns) == list(COLUMNS)
    np.testing.assert_allclose(back["error"], whole["error"], rtol=1e-5)
    assert back["varied"].tolist() == whole["varied"].tolist()
    assert choose(back) == choose(whole)
