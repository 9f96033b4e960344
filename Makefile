# Everything runs in .venv, made from constraints.txt; `make demo` and `make test` are the two commands of the README.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# torch==2.13.0 is the version constraints.txt names; on Linux without a GPU give its CPU build with PIP_INDEX_URL or PIP_FIND_LINKS.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4

.PHONY: demo test test-all check format lint types bench bench-full bench-goals clean

$(VENV)/made: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/made-dev: $(VENV)/made
	$(INSTALL) --editable '.[dev]'
	touch $@

# Exactly what CI runs.
check: format lint types test

format: $(VENV)/made-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/made-dev
	$(BIN)/ruff check .

types: $(VENV)/made-dev
	$(BIN)/mypy

test: $(VENV)/made-dev
	$(PYTEST)

test-all: $(VENV)/made-dev
	$(PYTEST) -m 'not gpu and not network'

demo: $(VENV)/made
	$(BIN)/nertune pretrain --corpus demo/data/lm --output-dir demo/model
	$(BIN)/nertune search studies/demo-sentiment.yaml
	$(BIN)/nertune best-and-train studies/demo-sentiment.yaml
	$(BIN)/nertune search studies/demo-ner.yaml
	$(BIN)/nertune best-and-train studies/demo-ner.yaml
	@echo
	@echo "Compare the runs in the browser:  $(BIN)/nertune ui --log-dir logs"

bench: $(VENV)/made-dev
	$(BIN)/python benchmarks/run.py

bench-full: $(VENV)/made-dev
	$(BIN)/python benchmarks/run.py --full

# Rows of benchmarks/README.md that have a goal, for example ROWS=overhead,start
ROWS ?= all
bench-goals: $(VENV)/made-dev
	$(BIN)/python benchmarks/run.py --rows $(ROWS)

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo/model demo/runs
