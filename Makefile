# Everything runs in .venv, made from constraints.txt; `make demo` and `make test` are the two commands of the README.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# torch==2.13.0 is the version constraints.txt names; on Linux without a GPU give its CPU build with PIP_INDEX_URL or PIP_FIND_LINKS.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-all check format lint types bench bench-full clean

$(VENV)/made: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) --editable .
	touch $@

$(VENV)/made-dev: $(VENV)/made
	$(INSTALL) --editable '.[dev]'
	touch $@
