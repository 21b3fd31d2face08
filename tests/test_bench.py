"""The bench compares what it says: the manual's program as printed, honest clocks, ratios inside one repeat."""

import ast
from importlib.resources import files

import pytest
from bench import _Bench, tables
from bench.contenders import CONTENDERS, PROGRAM, Sizes

from lab_utils.errors import LabError


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> _Bench:
    sizes = Sizes(400, 100, 60, program_epochs=2, epochs=2, steps=16, readings=1, trials=2, trial_digits=1_000)
    return _Bench(sizes, tmp_path_factory.mktemp("bench"))


def run(name: str, repeat: int, *points: tuple[float, float], memory: float = 1e9) -> dict:
    seconds = {"import_seconds": 1.0, "data_seconds": 2.0}
    return {"name": name, "repeat": repeat, "points": points, "peak_memory": memory} | seconds


def test_the_program_is_the_manuals():
    tree = ast.parse(files("bench").joinpath("manual_program.txt").read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func): ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls["autoencoder.compile"] == "autoencoder.compile(optimizer='adam', loss='binary_crossentropy')"
    assert calls["autoencoder.fit"] == (
        "autoencoder.fit(x_train_noisy, x_train, epochs=10, batch_size=128, validation_data=(x_test_noisy, x_test))"
    )
    assert "seed" not in ast.unparse(tree) and "float32" not in ast.unparse(tree)


def test_the_program_and_a_contender_run_and_are_scored_on_every_epoch(bench):
    found = {contender.name: bench.train(contender) for contender in (PROGRAM, CONTENDERS[2])}
    for one in found.values():
        seconds, psnr = zip(*one["points"], strict=True)
        assert len(seconds) == 2 and 0 < seconds[0] < seconds[1]
        assert all(3 < value < 20 for value in psnr)
        assert one["peak_memory"] > 3e8 and one["import_seconds"] > 0.5
    program = found[PROGRAM.name]
    longer = bench._at_length({"reference": program | {"model": "reference"}}, limit=10 * program["points"][1][0])
    assert longer.recipe["epochs"] > 2


def test_a_measurement_that_fails_says_why(bench):
    with pytest.raises(LabError, match="no such measurement"):
        bench.child("broken", {"what": "no such measurement"})


def test_ratios_are_taken_inside_a_repeat():
    slow = [run(PROGRAM.name, 0, (10, 15.0), (20, 16.0), memory=4e9), run("ours", 0, (2, 15.5), (4, 16.5))]
    slower = [run(PROGRAM.name, 1, (30, 15.0), (60, 16.0), memory=4e9), run("ours", 1, (6, 15.5), (12, 16.5))]
    program, ours = tables.summary({"runs": slow + slower})
    assert ours["seconds_to_first"] == 4 and ours["seconds_to_last"] == 8
    assert ours["speed"] == 5 and ours["gain"] == 0.5 and ours["memory_ratio"] == 0.25
    assert program["speed"] == 1 and program["gain"] == 0


def test_what_was_not_reached_has_no_time():
    runs = [run(PROGRAM.name, 0, (10, 15.0), (20, 16.0)), run("ours", 0, (2, 15.5), (4, 15.9))]
    ours = tables.summary({"runs": runs})[1]
    assert ours["seconds_to_first"] == 2
    assert ours["seconds_to_last"] is None and ours["speed"] is None


def test_the_figure_shows_every_contender_and_the_text_every_row():
    found = {
        "smoke": False,
        "machine": {"cpu": "some"},
        "sizes": {"program_epochs": 10},
        "runs": [run(PROGRAM.name, 0, (10, 15.0), (20, 16.0)), run("ours", 0, (2, 15.5), (4, 15.9))],
        "steps": {"Keras' fit": 100.0, "ours": 80.0},
        "trials": {"one process": 60.0, "a process each": 10.0},
        "series": None,
    }
    found["summary"] = tables.summary(found)
    (axes,) = tables.figure(found).axes
    assert {line.get_label() for line in axes.lines} >= {PROGRAM.name, "ours"}
    text = tables.text(found)
    assert "10 of its 10 epochs" in text and "0.80" in text and "SMOKE" not in text
