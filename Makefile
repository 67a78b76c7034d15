# The two commands of the README and their parts. Everything runs in .venv, made here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 4

# Where this is set, each of the hundreds of programs that tests start compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: dist deb shipped product sbom licences audit digests stress nightly interop help setup lock hooks generate map tables man docs publish demo test check lint types rust site unit house brokerless broker secured perf clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(VENV)/.ready $(VENV)/.native  ## make .venv with the locked dependencies

# With modules compiled: the tests start hundreds of programs. Where uv cannot be had, or does not
# find the packages as pip is told to, pip does the same in a minute.
PIP = $(BIN)/pip install --quiet --disable-pip-version-check
UV = $(BIN)/uv pip install --quiet --python $(BIN)/python
$(VENV)/.ready: requirements.lock requirements-setup.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("streamproc needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=python3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	@{ $(PIP) --require-hashes -r requirements-setup.lock \
		&& $(UV) --compile-bytecode --require-hashes -r requirements.lock && $(UV) --no-deps -e .; } \
		|| { $(PIP) --require-hashes -r requirements.lock && $(PIP) --no-deps -e .; }
	@touch $@

# The compiled plain case of usage: the same results for 1.3 to 5.7 times less CPU time (`python -m
# perf.native`). A wheel of build/dist or of WHEELS (a folder or an index) is used if it is of these
# sources. Without one and without a Rust compiler everything works in pure Python.
$(VENV)/.native: $(VENV)/.ready native/Cargo.toml native/Cargo.lock native/pyproject.toml $(wildcard native/src/*.rs)
	@if $(BIN)/python -m tests.support.packaging.prebuilt; then :; \
	elif ! command -v cargo >/dev/null; then \
		echo "no Rust compiler (cargo) here: streamproc runs in pure Python"; \
	elif ! $(PIP) ./native; then \
		echo "the compiled part could not be built: streamproc runs in pure Python"; \
	fi
	@touch $@

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header

lock:  ## resolve the dependencies of pyproject.toml anew into the locks (docs/supply.md)
	$(PIP) --require-hashes -r requirements-setup.lock
	$(COMPILE) --group dev -o requirements.lock
	$(COMPILE) --constraints requirements.lock -o requirements-product.lock
	$(BIN)/uv pip compile --group pyproject.toml:setup --universal --generate-hashes --no-emit-index-url --no-header -o requirements-setup.lock
	$(BIN)/uv pip compile --group pyproject.toml:supply --universal --generate-hashes --no-emit-index-url --no-header -o requirements-supply.lock
	$(BIN)/uv pip compile --group pyproject.toml:packaging --universal --generate-hashes --no-emit-index-url --no-header -o requirements-packaging.lock

# Environments of their own: one has what is shipped, the other the tools that look at it.
PRODUCT := build/product
SUPPLY := build/supply
PACKAGING := build/packaging

build/%/.ready: requirements-%.lock
	$(PYTHON) -m venv build/$*
	build/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

product: $(PRODUCT)/.ready  ## make an environment with what is shipped alone, and show its size in MB
	@du -sm $(PRODUCT)

sbom: $(SUPPLY)/.ready  ## write what the product is made of into build/sbom, as CycloneDX
	mkdir -p build/sbom
	$(SUPPLY)/bin/cyclonedx-py requirements requirements-product.lock --pyproject pyproject.toml --output-reproducible -o build/sbom/python.cdx.json
	$(SUPPLY)/bin/python -m tests.support.cargo_sbom build/sbom/native.cdx.json

licences: $(PRODUCT)/.ready $(SUPPLY)/.ready  ## write the licences of what is shipped into build/licences.md
	$(SUPPLY)/bin/pip-licenses --python $(PRODUCT)/bin/python --format=markdown --with-urls --output-file build/licences.md

audit: $(SUPPLY)/.ready  ## ask for known vulnerabilities of what is shipped; needs an index that knows them
	$(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements-product.lock

# PLATFORMS="manylinux-x86_64 ..." builds some only.
dist: $(PACKAGING)/.ready  ## build all wheels that this machine can build, and the source archive, into build/dist
	$(PACKAGING)/bin/python -m tests.support.packaging.wheels $(PLATFORMS)

deb: $(PACKAGING)/.ready setup  ## make the packages for Debian 12 (amd64, arm64) from the wheels of `make dist`
	$(BIN)/python -m tests.support.packaging.deb

shipped: setup  ## test what `make dist` has built, in clean environments without Rust
	$(BIN)/pytest -q $(wildcard tests/shipped/deep_*.py)

digests:  ## pin the images of Dockerfile and docker-compose.yml to their digests; asks their registries
	$(PYTHON) -m tests.support.image_digests

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
	$(BIN)/python -m tests.support.packaging.chart

man: setup  ## write the manual pages of the commands into build/man
	$(BIN)/python -m tests.support.man_pages build/man

docs: site  ## build the documentation site into build/site; needs no network

VERSION ?= $(shell $(BIN)/python -c 'import streamproc; print(streamproc.__version__)')
publish: setup docs  ## add the site of this VERSION to the branch gh-pages, which is not pushed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mike deploy --update-aliases $(VERSION) latest
	$(BIN)/mike set-default latest

demo: setup  ## watch a month of usage, with its outcome compared; ARGS="--keep" and the like
	@$(BIN)/streamproc demo $(ARGS)

# Most tests on a broker wait: twice as many at once as a small machine has cores, on one broker.
test: check  ## everything: lint, types, import contracts, all tests (needs Docker, or Java 17+ and Maven)
	$(BIN)/pytest -n $(JOBS)

# Its parts are beside each other, and beside the build of the compiled part: with one core at work,
# the other one would wait for half of the time.
check: $(VENV)/.ready  ## lint, types, import contracts, the site; the Rust code's format, lints and unit tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(VENV)/.native types site lint rust

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.ready
	$(BIN)/mypy

rust:
	native/check

# The theme's note about its successor is no matter of a build.
site: $(VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

unit: setup  ## the unit tests alone, in seconds
	@$(BIN)/python -m tests.shares tests/unit

# Its plugin imports hypothesis even where no test uses it.
house: setup  ## the checks of pages, prose, registries and of the packaged texts and packs
	$(BIN)/pytest -p no:hypothesispytest -n 2 tests/house tests/packaged

brokerless: setup  ## all tests that need no broker, in a few minutes
	$(BIN)/pytest tests/unit tests/commands tests/house tests/packaged tests/contract tests/driver tests/property

# Brings foreign parts from npm, Maven and the Go proxy into the user's cache, once.
interop: setup  ## run foreign producers, brokers and others, and write docs/interop.md
	$(BIN)/pytest tests/interop --write-findings --session-timeout 1200

nightly: setup  ## what is too long for every change, for eight hours; ARGS="--hours 2" and the like
	$(BIN)/python -m tests.nightly $(ARGS)

stress: setup  ## the whole suite three times, beside a load that takes half of each core
	$(BIN)/python -m tests.stress --jobs $(JOBS) $(ARGS)

broker: setup  ## run a real broker on 127.0.0.1:9092 until interrupted (Java 17+, Maven)
	$(BIN)/python -m tests.support.jvm_broker --port 9092

secured: setup  ## the same with TLS and a login; FOLDER (build/secured) gets a streamproc.toml for it
	$(BIN)/python -m tests.support.secured_broker $(or $(FOLDER),build/secured)

clean:  ## remove .venv and caches
	rm -rf $(VENV) native/target .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
