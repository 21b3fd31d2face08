"""Readings say what is in the table, and when it is a surprise; the checklist sees what is missing."""

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils import codes, data, settings
from lab_utils.manual import ANSWER_PROMPT
from lab_utils.readings import checklist, post_lab, pre_lab, statements
from lab_utils.study import tables
from lab_utils.study.space import BASE, Setting, changed

SURPRISE = "**Surprise"


# Pre-lab ---------------------------------------------------------------------------------------------------------


def views(pixels, random, code):
    names = ["784 pixels", "32 random projections", "32-value code"]
    return pd.DataFrame({"probe": [pixels, random, code]}, index=names)


@pytest.mark.parametrize(
    ("gain", "accuracy", "said"),
    [
        (3.0, views(88, 75, 87), "+12.0 points"),
        (0.9, views(88, 75, 87), f"{SURPRISE}:** the mean digit"),
        (3.0, views(88, 75, 70), f"{SURPRISE}:** learned values are read worse"),
        (3.0, views(88, 75, 92), f"{SURPRISE}:** the code, which holds less"),
    ],
)
def test_purpose(gain, accuracy, said):
    assert said in pre_lab.purpose(gain, accuracy).data


def by_size(errors, probes, sizes=(2, 8, 32)):
    rows = {"method": "autoencoder", "activation": "relu", "code_size": sizes, "seed": 1, "mse": errors}
    pca = {"method": "PCA", "activation": "", "code_size": sizes, "seed": 1, "mse": [0.05, 0.03, 0.01], "probe": 0.5}
    return pd.concat([pd.DataFrame(rows | {"probe": probes}), pd.DataFrame(pca)])


def test_bottleneck():
    usual = pre_lab.bottleneck(by_size([0.06, 0.03, 0.02], [0.4, 0.8, 0.85])).data
    assert "factor of 3.0, most from 2 to 8 (2.00 times)" in usual and "+5.0 points" in usual and SURPRISE not in usual
    assert "read worse" in pre_lab.bottleneck(by_size([0.06, 0.03, 0.02], [0.4, 0.8, 0.7])).data
    assert "loses more" in pre_lab.bottleneck(by_size([0.06, 0.03, 0.04], [0.4, 0.8, 0.85])).data


@pytest.mark.parametrize(
    ("linear", "tanh", "relu", "said"),
    [
        (0.0301, 0.025, 0.02, "the slow way. With relu it is 0.0200"),
        (0.06, 0.025, 0.02, "training has not come so far"),
        (0.0301, 0.05, 0.02, "tanh (0.0500) is *worse*"),
        (0.0301, 0.05, 0.04, "no activation bends well enough"),
    ],
)
def test_activation(linear, tanh, relu, said):
    errors = {"linear": linear, "tanh": tanh, "relu": relu}
    measured = pd.DataFrame({"activation": errors.keys(), "code_size": 8, "seed": 1, "mse": errors.values()})
    beside = codes.errors(measured, by_size([0.06, 0.03, 0.02], 0.5))
    assert beside.loc["PCA, 8 components", "mse"] == 0.03
    text = pre_lab.activation(measured, beside).data
    assert said in text and (SURPRISE in text) == (tanh > linear)


def test_against_pca():
    ratios = codes.ratios(by_size([0.025, 0.015, 0.02], 0.5))
    assert ratios["ratio"].tolist() == pytest.approx([2, 2, 0.5])
    assert "at 32 values PCA is better, by a factor of 2.0" in pre_lab.against_pca(ratios).data
    table = pre_lab.pca_table(ratios).data
    assert table.count("| autoencoder ") == 2 and table.splitlines()[-1].endswith("PCA             |")
    assert SURPRISE not in pre_lab.against_pca(codes.ratios(by_size([0.02, 0.015, 0.005], 0.5))).data


def test_the_pre_labs_experiment_trains_once_and_pca_is_the_best_line():
    mnist = data.load_mnist("embedded", 3)
    lab = settings.check("01_pre_lab", {"train_digits": 500, "epochs": 1, "seed": 3})
    experiment = codes.Experiment.of(mnist, lab)
    found = pd.concat([experiment.autoencoders([4], ["relu"]), experiment.pca([4, 8])])
    run = experiment.fit(4)
    assert experiment.trained[4, "relu", 3] is run and len(experiment.trained) == 2
    assert found["seed"].tolist() == [3, 4] * 3 and found["method"].tolist() == ["autoencoder"] * 2 + ["PCA"] * 4
    pca = found[found["method"] == "PCA"].groupby("code_size")["mse"].mean()
    blank = np.zeros(experiment.validation.shape, np.float32)
    assert pca[8] < pca[4] and experiment.gain_over_mean(blank) < 1
    assert list(experiment.views(run).index) == ["784 pixels", "4 random projections", "4-value code"]
    assert experiment.by_pca(experiment.validation[:3] / np.float32(255), 8).shape == (3, 28, 28)


def test_the_statements_are_counted_alone_and_together():
    rows = [
        {"id": "pre-lab-2.a", "also": [], "verdict": "supported", "holm": "not resolved"},
        {"id": "pre-lab-3", "also": [], "verdict": "opposite", "holm": "opposite"},
    ]
    text = statements.reading(rows).data
    assert "Of 2 statements: 1 supported, 1 opposite" in text
    assert "together: 1 not resolved, 1 opposite" in text and SURPRISE in text
    assert "No verdict is lost" in statements.reading(rows[1:]).data
    assert "Most are open" in statements.reading(rows[:1]).data


# Post-lab --------------------------------------------------------------------------------------------------------


def study(trials=4, wiggle=0.02, best=0.04, chosen=True):
    """A study as ``run_study`` returns it, of made-up scores: a code of 8 is worse, a batch of 16 better."""
    rng = np.random.default_rng(1)
    tried = [("base", BASE, 0.05, 0.7)] * 3
    tried += [("code_size", changed(BASE, "code_size", 8), 0.07, 0.6), ("code_size", Setting(code_size=128), 0.05, 0.7)]
    tried += [("hidden_layers", Setting(hidden_layers=3), 0.08, 0.5), ("batch_size", Setting(batch_size=16), 0.03, 0.6)]
    tried += [("learning_rate", Setting(learning_rate=3e-4), 0.09, 0.5)]
    tried += [("activation", Setting(activation="tanh"), 0.05, 0.7)]
    tried += [("regularization", changed(BASE, "regularization", ("dropout", 0.2)), 0.05, 0.7)]
    rows = [("one-factor", *one) for one in tried for _ in range(3)]
    for name in tables.SEARCHES:
        for place in range(trials):
            setting = Setting(code_size=4 + 5 * place, batch_size=(16, 64)[place % 2], hidden_layers=1 + place % 3)
            rows.append((name, "", setting, best + 0.01 * place, 0.7))
    rows += [("test", "base", BASE, 0.05, 0.7)] * 2
    rows += [("test", "chosen", Setting(batch_size=16), 0.03, 0.6)] * 2 if chosen else []
    made = []
    for number, (stage, varied, setting, error, probe) in enumerate(rows):
        made.append(
            {"stage": stage, "trial": number, "state": "complete", "varied": varied, **vars(setting), "seed": number}
            | {"error": error * (1 + wiggle * rng.normal()), "probe": probe + 0.01 * rng.normal(), "ari": rng.random()}
            | {"diverged": False, "epochs": 3, "curve": [error]}
        )
    return pd.DataFrame(made)


STUDY = study()
EFFECTS = post_lab.effects(STUDY)


def test_one_factor_says_what_is_better_than_the_base_and_where_the_scores_part():
    small = post_lab.one_factor(EFFECTS, "code_size").data
    assert "changes most at *8*: +4" in small and SURPRISE not in small
    batch = post_lab.one_factor(EFFECTS, "batch_size").data
    assert "*16* is better" in batch and "at 16 error and linear probe part" in batch
    assert "No difference from the base is resolved" in post_lab.one_factor(EFFECTS, "activation").data
    assert "*batch size* " not in (text := post_lab.most_and_least(EFFECTS).data) and "*learning rate*" in text


def test_a_hyperparameter_whose_other_values_all_diverged_is_told():
    broken = STUDY.assign(diverged=STUDY["varied"] == "learning_rate")
    assert "every other seed diverged" in post_lab.one_factor(post_lab.effects(broken), "learning_rate").data


def test_tables_of_the_post_lab():
    values = post_lab.values(EFFECTS, "batch_size").data.splitlines()
    assert values[2].startswith("| 64 (base) |") and "| – " in values[2] and values[3].startswith("| 16 ")
    assert "| leaky relu" not in post_lab.values(EFFECTS, "activation").data
    space = post_lab.space().data
    assert "| one at a time" in space and "code size" in space and "_" not in space
    stages = post_lab.stages(STUDY).data
    assert f"{len(STUDY)} trials in {3 * len(STUDY)} passes." in stages and "| one-factor |" in stages
    tested = post_lab.tested(STUDY, Setting(regularization="dropout", strength=0.123456)).data
    assert "regularization dropout 0.12." in tested and "passes" not in tested and "| chosen " in tested


def test_the_searches_tell_when_they_are_too_short_to_learn(capsys):
    few = post_lab.searches(STUDY).data
    assert "this run has 4 for each search, too few" in few and SURPRISE in few
    many = post_lab.searches(study(trials=20, best=0.01)).data
    assert "too few" not in many and SURPRISE not in many and "0 were stopped early" in many
    assert post_lab.importance(STUDY) is None
    assert post_lab.importance(study(trials=20)).caption
    assert "TPE" not in post_lab.searches(STUDY[STUDY["stage"] != "tpe"]).data.split(". ")[0]


def test_the_front_and_the_choice():
    assert "the best features are not in the trial" in post_lab.front_reading(STUDY).data
    assert len(post_lab.front(STUDY).axes) == 1
    better = post_lab.tuning(STUDY).data
    assert "the test error by -3" in better and SURPRISE not in better
    assert "the base setting itself was chosen" in post_lab.tuning(study(chosen=False)).data
    worse = STUDY.assign(error=STUDY["error"].where(STUDY["varied"] != "chosen", 0.06))
    assert "worse than the base on test digits" in post_lab.tuning(worse).data
    assert "the deep network is behind" in post_lab.analysis(EFFECTS).data


# The checklist ---------------------------------------------------------------------------------------------------


LAB = settings.check("01_pre_lab", {})


def notebook():
    """A released notebook of three code cells and two questions."""
    made = new_notebook(
        cells=[
            new_code_cell("epochs = None", id="parameters", metadata={"tags": ["parameters"]}),
            new_code_cell("a = 1", id="one"),
            *(
                new_markdown_cell(ANSWER_PROMPT, id=f"{id}-box", metadata={"tags": ["answer"], "answer": id})
                for id in ("pre-lab-1", "pre-lab-2")
            ),
            new_code_cell("a + 1", id="two"),
        ]
    )
    made.metadata["dae_lab"] = {checklist.CELLS: checklist.cell_digests(made.cells)}
    return made


def test_nothing_is_missing_of_what_was_done():
    nb = notebook()
    nb.cells[0].source = "epochs = 9"
    nb.cells[1].source += "  "
    nb.cells[2].source = f"{ANSWER_PROMPT}\n\nBecause."
    nb.cells.insert(4, new_markdown_cell("Below it, in a cell of my own.", id="mine"))
    ran = ["epochs = 9", "a = 1", "a + 1\n"]
    assert checklist.state(nb, ran) == (["pre-lab-1", "pre-lab-2"], [], [], [])


def test_what_is_missing_and_what_was_changed_is_named():
    nb = notebook()
    nb.cells[1].source = "a = 2"
    del nb.cells[4]
    nb.cells.insert(2, new_code_cell("more = 1", id="mine"))
    found = checklist.state(nb, ["epochs = None", "a = 1"])
    assert found == ([], ["pre-lab-1", "pre-lab-2"], ["one", "mine"], ["one", "two"])
    del nb.metadata["dae_lab"]
    assert checklist.state(nb, []).changed is None


def test_changed_parameters_are_those_that_the_profile_does_not_set():
    assert checklist.changed_parameters(LAB, "01_pre_lab") == ""
    full = settings.check("01_pre_lab", {"profile": "full", "student_name": "A", "date": "today"})
    assert checklist.changed_parameters(full, "01_pre_lab") == "profile full"
    other = settings.check("01_pre_lab", {"epochs": 9, "seed": 7})
    assert checklist.changed_parameters(other, "01_pre_lab") == "seed 7, epochs 9"


def test_where_nobody_has_the_notebook_open_the_list_is_the_same_every_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    nbformat.write(notebook(), tmp_path / "01_pre_lab.ipynb")
    text = checklist.before_hand_in(LAB).data
    assert "| Name " in text and "**missing**" in text and "`dae-lab submit`" in text
    assert "Answers, cells and code are listed here where" in text and "0 of 2" not in text


def test_open_in_jupyter_it_reads_the_saved_file_of_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(), tmp_path / "mine.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", "/elsewhere/courses/mine.ipynb")
    lab = settings.check("01_pre_lab", {"student_name": "<b>A_*|", "student_id": "007"})
    text = checklist.before_hand_in(lab).data
    assert "| 0 of 2 (missing: pre&#45;lab&#45;1, pre&#45;lab&#45;2)" in text and "saved" in text
    assert "<b>" not in text and "| 007 " in text and "once name and ID" not in text
    (tmp_path / "mine.ipynb").write_text("{half of a no", encoding="utf-8")
    assert "Answers, cells and code are listed" in checklist.before_hand_in(lab).data
    monkeypatch.setenv("JPY_SESSION_NAME", "../../etc/passwd")
    assert checklist.open_notebook() is None
