"""The bench: the manual's program as printed and the lab's own ways to the same end, side by side in one run.

``contenders`` (who) → ``child`` (one measurement, in a process of its own) → ``tables`` (medians, ratios, figure).
Times drift on a shared machine: only ratios inside one run compare.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench import pytorch
from bench.contenders import AT_LENGTH, CONTENDERS, PROGRAM, Contender, Sizes
from lab_utils import machine
from lab_utils.errors import LabError

NOISE_SEED = 20_242
"""Random state of the noise on the test digits that everybody is scored on."""


def main(smoke: bool, out: Path, *, epochs: int = 10, repeats: int = 1, series: bool = True) -> dict[str, Any]:
    """Measure everything, print the tables, and write ``bench.json`` and ``bench.png``.

    Parameters
    ----------
    smoke : bool
        A few digits and steps: whether the bench works, in less than 2 minutes. Its numbers mean nothing.
    out : Path
        Folder of the results.
    epochs : int
        Of the manual's program; it prints 10, which take more than ten minutes. Fewer are a shorter program, and
        the table says so.
    repeats : int
        How often each contender is measured, in alternating order; medians are shown.
    series : bool
        Also make the whole lab report twice, without and with cached results.

    Returns
    -------
    dict
        What ``bench.json`` holds.

    Raises
    ------
    LabError
        When a measurement fails, with the end of what its process said.
    """
    from bench import tables

    out.mkdir(parents=True, exist_ok=True)
    sizes = Sizes.smoke() if smoke else Sizes(program_epochs=epochs)
    found: dict[str, Any] = {
        "smoke": smoke,
        "machine": machine.description() | {"cores": machine.cores()},
        "sizes": asdict(sizes),
        "series": None,
    }
    with tempfile.TemporaryDirectory(prefix="dae-lab-bench-") as scratch:
        bench = _Bench(sizes, Path(scratch))
        parts = {"steps": lambda: bench.steps(repeats), "trials": bench.trials}
        parts |= {"series": bench.series} if series else {}
        parts |= {"runs": lambda: bench.runs(repeats)}
        for name, measure in parts.items():
            found[name] = measure()
            _write(found, out)  # what was measured stays, whatever becomes of the rest
    found["summary"] = tables.summary(found)
    _write(found, out)
    tables.figure(found).savefig(out / "bench.png", dpi=150)
    click.echo(tables.text(found))
    return found


def _write(found: dict[str, Any], out: Path) -> None:
    (out / "bench.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


class _Bench:
    """The measurements, each in a child process that starts from nothing."""

    def __init__(self, sizes: Sizes, scratch: Path) -> None:
        import numpy as np

        from lab_utils.data import load_mnist
        from lab_utils.noise import corrupt

        self.sizes, self.scratch = sizes, scratch
        mnist = load_mnist("auto")
        train, test = mnist.train.digits[: sizes.train], mnist.test.digits[: sizes.test]
        validation = mnist.validation.digits[: sizes.validation]
        noisy = corrupt(test, "gaussian", 0.5, NOISE_SEED)
        np.savez(scratch / "digits.npz", train=train, validation=validation, test=test, noisy=noisy)

    def runs(self, repeats: int) -> list[dict[str, Any]]:
        """Train every contender, in alternating order, and last the reference for as long as the manual's took."""
        runs = []
        for repeat in range(repeats):
            order = CONTENDERS if repeat % 2 == 0 else CONTENDERS[::-1]
            by_name = {contender.name: self.train(contender) for contender in order}
            limit = by_name[PROGRAM.name]["points"][-1][0]
            by_name[AT_LENGTH.name] = self.train(self._at_length(by_name, limit))
            runs += [run | {"repeat": repeat} for run in by_name.values()]
        return runs

    def _at_length(self, runs: dict[str, dict], limit: float) -> Contender:
        """The reference with as many epochs as fit into the time of the manual's program."""
        points = next(run["points"] for run in runs.values() if run["model"] == AT_LENGTH.model)
        return AT_LENGTH.with_epochs(max(1, int(limit / (points[-1][0] / len(points)))))

    def train(self, contender: Contender) -> dict[str, Any]:
        """One contender from import to its last epoch."""
        task = {"what": "program" if contender is PROGRAM else "contender", "contender": asdict(contender)}
        return {"name": contender.name, "model": contender.model} | self.child(contender.name, task)

    def steps(self, repeats: int) -> dict[str, float]:
        """Milliseconds of one training step of the manual's model, by library and precision: medians."""
        kinds = ["steps", *(["pytorch steps"] if pytorch.installed() else [])]
        found: dict[str, list[float]] = {}
        for _ in range(repeats):
            for kind in kinds:
                for name, value in self.child(f"time of {kind}", {"what": kind}).items():
                    found.setdefault(name, []).append(value)
        return {name: statistics.median(values) for name, values in found.items()}

    def trials(self) -> dict[str, float]:
        """Trials of the study per minute, in one process and in a process each."""
        one = self.child("study, one process", {"what": "trials", "count": self.sizes.trials})
        alone, clock = min(2, self.sizes.trials), time.perf_counter()
        for _ in range(alone):
            self.child("study, a process for each trial", {"what": "trials", "count": 1})
        return {
            "one process": 60 / one["seconds_per_trial"],
            "a process each": 60 * alone / (time.perf_counter() - clock),
        }

    def series(self) -> dict[str, float]:
        """Seconds of the whole lab report, with an empty cache and again, and of the report's files alone."""
        import nbformat

        from lab_utils.report import build

        folder = self.scratch / "report"
        environment = {"DAE_LAB_CACHE": str(self._own_cache()), "DAE_LAB_USE_CACHE": "1"}
        command = [sys.executable, "-m", "lab_utils", "report", "--out", str(folder)]
        seconds = {}
        for name in ("series, nothing cached", "series, again"):
            seconds[name] = self._timed(name, lambda n=name: self._run(n, command, environment))
            for path in sorted(folder.glob("*.ipynb")):
                seconds[f"{name}: {path.stem}"] = nbformat.read(path, 4).metadata.dae_lab.seconds
        seconds["report, HTML and PDF"] = self._timed("report", lambda: build(folder))
        return seconds

    def _own_cache(self) -> Path:
        """A cache that holds the digits and no result."""
        from lab_utils.data import cache

        own = self.scratch / "cache"
        own.mkdir()
        if cache.file().exists():
            shutil.copyfile(cache.file(), own / cache.file().name)
        return own

    def child(self, name: str, task: dict[str, Any]) -> dict[str, Any]:
        """Run one measurement in its own process and return what it found."""
        asked, answer = self.scratch / "task.json", self.scratch / "answer.json"
        asked.write_text(json.dumps(task | {"sizes": asdict(self.sizes), "digits": str(self.scratch / "digits.npz")}))
        self._timed(name, lambda: self._run(name, [sys.executable, "-m", "bench.child", asked, answer], {}))
        return json.loads(answer.read_text())

    def _timed(self, name: str, work: Callable[[], Any]) -> float:
        clock = time.perf_counter()
        work()
        seconds = time.perf_counter() - clock
        click.echo(f"{name:<45} {seconds:7.1f} s", err=True)
        return seconds

    def _run(self, name: str, command: list, environment: dict[str, str]) -> None:
        paths = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        common = {"PYTHONPATH": paths, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment = os.environ | common | environment
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            end = "\n".join(done.stdout.splitlines()[-15:])
            raise LabError(f"{name} failed:\n{end}", "a measurement that ends", "Run `dae-lab doctor`.")
