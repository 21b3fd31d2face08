# Every target is one command; without make, README.md gives the same commands for Windows.
PYTHON ?= python3
BIN = .venv/bin

report: .venv/ready  ## the three notebooks, executed, and the lab report in reports/demo
	$(BIN)/dae-lab report --out reports/demo

test: .venv/ready  ## unit tests, the three notebooks, lint, import floors; CI checks `make beyond` as well
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --nbval notebooks --ignore notebooks/04_beyond.ipynb tests

beyond: .venv/ready  ## the optional fourth notebook: compared with its committed outputs, and every cell twice
	$(BIN)/python -m pytest --nbval notebooks/04_beyond.ipynb tests/optional

browser: .venv/browser  ## report, class index and JupyterLab in a real Chromium; ALL=--all runs all four notebooks
	$(BIN)/python -m pytest --tb=native tests/browser $(ALL)

class: .venv/browser  ## a class of 30, from roster to marks given in a real Chromium, and one of 1,000; takes half an hour
	$(BIN)/python -m pytest -s --timeout 3600 tests/classes

lab: .venv/ready  ## JupyterLab on notebooks/
	$(BIN)/jupyter lab notebooks

refresh: .venv/ready  ## execute the committed notebooks with their defaults and write them back clean
	$(BIN)/dae-lab refresh

published-run: .venv/ready  ## the full profile, and its verdicts as the published run that every other stands beside
	$(BIN)/dae-lab report -p profile full --minutes 90 --out reports/published
	$(BIN)/python -m lab_utils.verdicts.published reports/published

rates: .venv/ready  ## the learning rate of each activation, depth and batch size that the post-lab tries
	$(BIN)/python -m lab_utils.study.rates

bench: .venv/ready  ## the speed of the manual's program and of ours, side by side
	PYTHONPATH=tests $(BIN)/python -m bench

clean:  ## reports and caches; the environment stays
	rm -rf reports .pytest_cache .ruff_cache .hypothesis .import_linter_cache build

.venv/ready: pyproject.toml requirements.lock
	@echo "Setting up .venv: this takes a few minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint requirements.lock --editable ".[test,dask]"
	touch $@

.venv/browser: .venv/ready
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint requirements.lock --editable ".[browser]"
	touch $@

.PHONY: report test beyond browser class lab refresh published-run rates bench clean
