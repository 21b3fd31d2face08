"""The fourth notebook, which is optional, with other parameters and every cell twice: `make beyond`."""

from pathlib import Path

from small_notebooks import run_twice

from lab_utils import facts

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_beyond.ipynb"


def test_it_runs_with_other_parameters_and_every_cell_twice(tmp_path, own_cache):
    given = {"data_source": "embedded", "seed": 5, "noise_level": 0.3, "train_digits": 500, "epochs": 1, "repeats": 2}
    given |= {"test_digits": 200, "drawn_digits": 10, "student_id": "0012345"}
    cells = run_twice(NOTEBOOK, tmp_path, given)
    record = cells["record"].outputs[0].data[facts.RECORD_MIME]
    assert record["data"]["subset"] is True and len(record["facts"]) >= 10
    shown = {name: [output.get("data") for output in cell.get("outputs", [])] for name, cell in cells.items()}
    again = [name for name in shown if f"{name}-again" in shown and name != "play"]
    assert len(again) > 20 and all(shown[name] == shown[f"{name}-again"] for name in again)
