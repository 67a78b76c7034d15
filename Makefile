# The two commands of the README and their parts. Everything runs in .venv, made here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 4

# Where this is set, each of the hundreds of programs that tests start compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: stress nightly interop help setup lock hooks generate map tables man docs publish demo test check unit brokerless broker perf clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(VENV)/.ready $(VENV)/.native  ## make .venv with the locked dependencies

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("streamproc needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=python3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# The compiled plain case of usage: the same results for 1.3 to 5.7 times less CPU time (`python -m
# perf.native`). Without a Rust compiler everything works in pure Python.
$(VENV)/.native: $(VENV)/.ready native/Cargo.toml native/Cargo.lock native/pyproject.toml $(wildcard native/src/*.rs)
	@if ! command -v cargo >/dev/null; then \
		echo "no Rust compiler (cargo) here: streamproc runs in pure Python"; \
	elif ! $(BIN)/pip install --quiet --disable-pip-version-check ./native; then \
		echo "the compiled part could not be built: streamproc runs in pure Python"; \
	fi
	@touch $@

lock:  ## resolve the dependencies of pyproject.toml anew into requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header -o requirements.lock

hooks: setup  ## run the checks of .pre-commit-config.yaml before each commit
	$(BIN)/pre-commit install

generate: $(VENV)/.ready  ## write the interface to the compiled part into native/src (native/README.md)
	$(BIN)/python -m streamproc.worker.native_bridge.interface.generate

map: setup  ## write docs/map.md from the docstrings of the modules
	$(BIN)/python -m tests.support.module_map

tables: setup  ## write the tables of docs and schemas that follow registries: topics, kinds of rules, metrics, commands
	$(BIN)/python -m tests.support.generated_tables
	$(BIN)/python -m tests.support.kind_tables
	$(BIN)/python -m tests.support.kafka_settings_table
	$(BIN)/python -m tests.support.command_pages

man: setup  ## write the manual pages of the commands into build/man
	$(BIN)/python -m tests.support.man_pages build/man

# The theme's note about its successor is no matter of a build.
docs: setup  ## build the documentation site into build/site; needs no network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

VERSION ?= $(shell $(BIN)/python -c 'import streamproc; print(streamproc.__version__)')
publish: setup docs  ## add the site of this VERSION to the branch gh-pages, which is not pushed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mike deploy --update-aliases $(VERSION) latest
	$(BIN)/mike set-default latest

demo: setup  ## watch a month of usage, with its outcome compared; ARGS="--keep" and the like
	@$(BIN)/streamproc demo $(ARGS)

# Most tests on a broker wait: twice as many at once as a small machine has cores, on one broker.
test: check  ## everything: lint, types, import contracts, all tests (needs Docker, or Java 17+ and Maven)
	$(BIN)/pytest -n $(JOBS) --dist worksteal

check: setup docs  ## lint, types, import contracts, the site; the Rust code's format, lints and unit tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	native/check

# Its plugin imports hypothesis even where no test uses it.
unit: setup  ## the unit tests alone, in seconds
	$(BIN)/pytest -p no:hypothesispytest -n 2 tests/unit

brokerless: setup  ## all tests that need no broker, in a few minutes
	$(BIN)/pytest tests/unit tests/contract tests/driver tests/property

# Brings foreign parts from npm, Maven and the Go proxy into the user's cache, once.
interop: setup  ## run foreign producers, brokers and others, and write docs/interop.md
	$(BIN)/pytest tests/interop --write-findings

nightly: setup  ## what is too long for every change, for eight hours; ARGS="--hours 2" and the like
	$(BIN)/python -m tests.nightly $(ARGS)

stress: setup  ## the whole suite three times, beside a load that takes half of each core
	$(BIN)/python -m tests.stress --jobs $(JOBS) $(ARGS)

broker: setup  ## run a real broker on 127.0.0.1:9092 until interrupted (Java 17+, Maven)
	$(BIN)/python -m tests.support.jvm_broker --port 9092

clean:  ## remove .venv and caches
	rm -rf $(VENV) native/target .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
