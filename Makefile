# Every target sets up what it needs, and only when it changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: try run test check bench lock clean
.DELETE_ON_ERROR:

try: $(VENV)/product.stamp ## try it here: a playground instead of Discord, a small model, no account
	@$(BIN)/darkroom try

run: $(VENV)/product.stamp ## the real thing: needs discord.token in config.toml
	@$(BIN)/darkroom run

test: $(VENV)/developer.stamp ## all tests
	@$(BIN)/python -X dev -m pytest

check: $(VENV)/developer.stamp ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests

bench: $(VENV)/developer.stamp ## numbers for docs/benchmarks.md
	@$(BIN)/python bench/acknowledgement.py

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --upgrade pyproject.toml

lock: $(VENV)/developer.stamp ## write the lock files anew from pyproject.toml
	@$(LOCK) --extra dev --output-file requirements-dev.lock
	@$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock

clean: ## remove what make made; the data folder stays
	rm -rf $(VENV) build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Darkroom needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/product.stamp: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up .venv (the first time this takes some minutes: torch is large) ..."
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/developer.stamp: requirements-dev.lock $(VENV)/product.stamp
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@
