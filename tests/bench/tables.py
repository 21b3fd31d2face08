"""What the bench found: medians and ratios, as rows, as text and as a figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from bench.contenders import PROGRAM
from lab_utils.figures.style import COLOURS, MARKERS

COLUMNS = {
    "import_seconds": "import, s",
    "data_seconds": "data, s",
    "epochs": "epochs",
    "fit_seconds": "fit, s",
    "seconds_to_first": "s to the manual's first epoch",
    "seconds_to_last": "s to the manual's last epoch",
    "speed": "times as fast",
    "psnr": "PSNR, dB",
    "gain": "gain, dB",
    "memory": "peak, GB",
    "memory_ratio": "of the manual's",
}


def summary(found: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per contender: medians over repeats; ratios are taken inside each repeat, then their median.

    ``seconds_to_first`` and ``seconds_to_last`` are the training time at the end of the first epoch at which the test
    PSNR was at least that of the manual's program after its first and its last epoch; None where it never was.
    ``speed`` is the manual's time to its own last PSNR over this one.
    """
    programs = {run["repeat"]: run for run in found["runs"] if run["name"] == PROGRAM.name}
    by_name: dict[str, list[dict]] = {}
    for run in found["runs"]:
        by_name.setdefault(run["name"], []).append(_row(run, programs[run["repeat"]]))
    return [
        {"name": name} | {key: _median([row[key] for row in rows]) for key in COLUMNS} for name, rows in by_name.items()
    ]


def _row(run: dict[str, Any], program: dict[str, Any]) -> dict[str, float | None]:
    first, last = program["points"][0], program["points"][-1]
    to_last = _seconds_to(run["points"], last[1])
    seconds, psnr = run["points"][-1]
    return {
        "import_seconds": run["import_seconds"],
        "data_seconds": run["data_seconds"],
        "epochs": len(run["points"]),
        "fit_seconds": seconds,
        "seconds_to_first": _seconds_to(run["points"], first[1]),
        "seconds_to_last": to_last,
        "speed": None if to_last is None else _seconds_to(program["points"], last[1]) / to_last,
        "psnr": psnr,
        "gain": psnr - last[1],
        "memory": run["peak_memory"] / 1e9,
        "memory_ratio": run["peak_memory"] / program["peak_memory"],
    }


def _seconds_to(points: list[tuple[float, float]], psnr: float) -> float | None:
    return next((seconds for seconds, reached in points if reached >= psnr), None)


def _median(values: list[float | None]) -> float | None:
    """The median; None where any repeat has no value."""
    return None if None in values else float(np.median(values))


def text(found: dict[str, Any]) -> str:
    """All tables, to be printed."""
    sizes = found["sizes"]
    rows = [[row["name"], *(row[key] for key in COLUMNS)] for row in found["summary"]]
    parts = [
        "SMOKE TEST: these numbers mean nothing.\n" if found["smoke"] else "",
        tabulate(list(found["machine"].items()), tablefmt="plain", disable_numparse=True),
        _about(found["machine"]),
        "",
        tabulate(rows, ["", *COLUMNS.values()], floatfmt=".2f", missingval="-", maxheadercolwidths=12),
        f"\nThe manual's program ran {sizes['program_epochs']} of its 10 epochs. Every time was measured, none is "
        "extrapolated; the time that scoring took is left out.\n",
        tabulate(_ratios(found["steps"]), ["step of the manual's model, batch 128", "ms", "ratio"], floatfmt=".2f"),
        "",
        tabulate(found["trials"].items(), ["trials of the study", "per minute"], floatfmt=".1f"),
    ]
    if found["series"]:
        parts += ["", tabulate(found["series"].items(), ["", "s"], floatfmt=".1f")]
    return "\n".join(parts)


def _about(machine: dict[str, Any]) -> str:
    """What decides the ratios: bfloat16 is fast with AMX, and only then."""
    amx = machine.get("bfloat16") == "amx_bf16"
    return f"This CPU {'has' if amx else 'has no'} AMX: compare only with machines that {'have' if amx else 'lack'} it."


def _ratios(steps: dict[str, float]) -> list[tuple[str, float, float]]:
    base = next(iter(steps.values()))
    return [(name, milliseconds, milliseconds / base) for name, milliseconds in steps.items()]


def figure(found: dict[str, Any]) -> Figure:
    """Test PSNR (dB) against seconds of training, every contender of the first repeat."""
    picture, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    runs = [run for run in found["runs"] if run["repeat"] == 0]
    for run, colour, marker in zip(runs, COLOURS, MARKERS, strict=False):
        seconds, psnr = zip(*run["points"], strict=True)
        axes.plot(seconds, psnr, color=colour, marker=marker, markersize=5, label=run["name"])
    goal = next(run for run in runs if run["name"] == PROGRAM.name)["points"][-1][1]
    axes.axhline(goal, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", xlabel="seconds of training", ylabel="test PSNR (dB)")
    axes.set_title("Quality against time" + (" (smoke test)" if found["smoke"] else ""))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    plt.close(picture)
    return picture
