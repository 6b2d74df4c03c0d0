# `make test` and `make run` need only Python >= 3.11 and make: they create .venv and install everything into it.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed
READY_TO_TEST := .venv/.installed-dev
READY_FOR_DOCS := .venv/.installed-docs
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: install run test test-all lint docs readme clean

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "dopantfit needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=python3.11 (or newer)")'
	@echo "Setting up .venv (about a minute, once) ..."
	@$(PYTHON) -m venv .venv
	@$(INSTALL) .
	@touch $@

$(READY_TO_TEST): $(READY)
	@echo "Installing what the tests need (about a minute, once) ..."
	@$(INSTALL) '.[dev]'
	@touch $@

$(READY_FOR_DOCS): $(READY)
	@echo "Installing what the documentation needs ..."
	@$(INSTALL) '.[docs]'
	@touch $@

# The table of dopants in README.md, from the records of their fits, gates and studies.
readme: $(READY)
	$(BIN)/python docs/compare_in_readme.py

run: $(READY)
	$(BIN)/dopantfit run fits/Mg --preset quick

lint: $(READY_TO_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

TESTS := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadgroup

test: lint
	$(TESTS) -m "not slow"

test-all: lint
	$(TESTS)

docs: $(READY_FOR_DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open build/docs/index.html."

clean:
	rm -rf .venv build
