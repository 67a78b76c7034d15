# The two commands of the README and their parts. Everything runs in .venv, made here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test check unit broker perf clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(VENV)/.ready  ## make .venv with the locked dependencies

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("streamproc needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=python3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

test: check  ## everything: lint, types, import contracts, all tests (needs Docker, or Java 17+ and Maven)
	$(BIN)/pytest

check: setup  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup  ## the fast tests, no broker
	$(BIN)/pytest tests/unit tests/contract tests/driver

broker: setup  ## run a real broker on 127.0.0.1:9092 until interrupted (Java 17+, Maven)
	$(BIN)/python -m tests.support.jvm_broker --port 9092

clean:  ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
