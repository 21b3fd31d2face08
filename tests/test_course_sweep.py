"""A grid of parameters: every point once, all facts in one table."""

import csv

import pytest
from small_notebooks import make_notebook

from lab_utils.course.sweep import parse_grid, run_sweep
from lab_utils.errors import LabError


def test_a_grid_gives_one_row_per_point_and_fact_and_reruns_only_what_is_new(tmp_path, own_cache):
    notebook = make_notebook(tmp_path / "01_pre_lab.ipynb", "assert seed != 3, 'unlucky'")
    out = tmp_path / "out"
    run_sweep(notebook, {"epochs": ["2", "9"]}, out, workers=2, parameters={"seed": "1"})
    results = run_sweep(notebook, {"epochs": ["2", "9"], "seed": ["1", "3"]}, out, workers=2)
    assert [result.status for result in results] == ["complete", "raised", "complete", "raised"]
    again = run_sweep(notebook, {"epochs": ["2", "9"], "seed": ["1"]}, out, workers=2)
    assert [result.reused for result in again] == [True, True]
    with open(out / "facts.csv", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epochs"], row["seed"], row["measured"], row["verdict"]) for row in rows] == [
        ("2", "1", "2.0", "holds"),
        ("9", "1", "9.0", "does not hold"),
    ]


def test_a_bad_point_is_refused_before_anything_runs(tmp_path):
    notebook = make_notebook(tmp_path / "01_pre_lab.ipynb")
    for grid in ({"epochs": ["2", "many"]}, {"epoch": ["2"]}):
        with pytest.raises(LabError, match="epoch"):
            run_sweep(notebook, grid, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_grid_of_a_command_line():
    assert parse_grid(["a=1,2", "b=x=y"]) == {"a": ["1", "2"], "b": ["x=y"]}
    for texts in (["a"], ["a="], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(LabError, match="grid"):
            parse_grid(texts)
