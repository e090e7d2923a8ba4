# Every target sets up what it needs, and only when it changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JS := tests/playground/discord_js
# a file's tests stay together, for what its fixtures make once; in the order of names the last files are short
ALL_CORES := -n logical --dist loadfile --no-loadscope-reorder

.PHONY: help try run test check bench screenshots lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1	/p' $(MAKEFILE_LIST)

try: $(VENV)/product.stamp ## try it here: a playground instead of Discord, a small model, no account
	@$(BIN)/darkroom try

run: $(VENV)/product.stamp ## the real thing: needs discord.token in config.toml
	@$(BIN)/darkroom run

test: $(VENV)/developer.stamp $(JS)/node_modules/.package-lock.json ## all tests; says at the end what it had to skip
	@OMP_NUM_THREADS=1 $(BIN)/python -X dev -m pytest -rs $(ALL_CORES) # for tiny networks a second thread is in the way

check: $(VENV)/developer.stamp ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests

bench: $(VENV)/developer.stamp ## numbers for docs/benchmarks.md, in under ten minutes; ARGS=--gpu at full size
	@$(BIN)/python -m bench $(ARGS)

screenshots: $(VENV)/developer.stamp ## take the pictures in docs/screenshots/ anew; needs Chromium
	@$(BIN)/python -m docs.screenshots.take

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --upgrade pyproject.toml

lock: $(VENV)/developer.stamp ## write the lock files anew from pyproject.toml
	@$(LOCK) --extra dev --extra openvino --output-file requirements-dev.lock
	@$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock

clean: ## remove what make made; the data folder stays
	rm -rf $(VENV) build *.egg-info $(JS)/node_modules

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

# npm writes this file last; without npm there is none, and the tests of discord.js say so
$(JS)/node_modules/.package-lock.json: $(JS)/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --prefix $(JS) || echo "npm could not install discord.js"; fi
