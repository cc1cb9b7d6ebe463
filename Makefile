# Every target makes what it needs: Python 3.11 and make are enough to start.
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt
JOBS ?= 2
# Measuring coverage takes half as long again; CI does, and holds it to the bound in pyproject.toml.
COVERAGE ?= $(if $(CI),--cov)

.PHONY: help demo demo-video test check docs bench studies clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 19

demo: $(VENV)/.installed  ## train HCT-MG on embedded data and score it: minutes, no download of data
	@$(BIN)/deadpan demo

demo-video: $(VENV)/.installed-video data/components/.fetched  ## read a recording: who says what, and what it shows; 240 MB of models
	@$(BIN)/deadpan analyze tests/extraction/sense_and_sensibility.opus --out runs

test: check docs data/components/.fetched  ## everything a change must pass: check, docs, then the tests; in CI with coverage
	@$(BIN)/pytest -q -n $(JOBS) --dist worksteal $(COVERAGE)

check: $(VENV)/.installed-dev  ## linters, formatter, floors, types
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --check
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/basedpyright

docs: $(VENV)/.installed-dev  ## the site, into build/site, where index.html opens without a server; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: $(VENV)/.installed  ## every script in benchmarks/
	@shopt -s nullglob; scripts=(benchmarks/*.py); \
	if (( ! $${#scripts[@]} )); then echo "benchmarks/ holds no script yet"; fi; \
	for script in "$${scripts[@]}"; do echo "$$script"; $(BIN)/python "$$script"; done

studies: $(VENV)/.installed-dev  ## make every study again, hours; may be stopped and goes on (studies/rerun.py --list)
	@$(BIN)/python studies/rerun.py

clean:  ## remove the environment, the caches and the build products; runs/ stays
	@rm -rf $(VENV) build dist .coverage .coverage.* coverage.xml .hypothesis .import_linter_cache \
		.pytest_cache .ruff_cache $(NATIVE)/kernels.so* $(NATIVE)/not_built.txt
	@find src tests -name __pycache__ -prune -exec rm -rf {} +

# What the tests of recordings read; without a network they are skipped, but in CI they fail.
COMPONENTS := whisper-base face-landmarker silero-vad glove-6b-50d

data/components/.fetched: src/deadpan/data/components/components.yaml | $(VENV)/.installed
	@if $(BIN)/deadpan components fetch $(COMPONENTS) >/dev/null; then touch $@; else [[ ! "$${CI:-}" ]]; fi

# A stamp is newer than what it was installed from, the C too, which installing compiles. One pip at
# a time, and one for both stamps where the tools of development are asked for.
.NOTPARALLEL:
NATIVE := src/deadpan/layers/native
SOURCES := pyproject.toml constraints.txt hatch_build.py $(NATIVE)/build.py $(wildcard $(NATIVE)/*.[ch])

define environment
	@python=python3; if python3.11 -c '' 2>/dev/null; then python=python3.11; fi; \
	if [[ -x $(BIN)/python ]]; then python=$(BIN)/python; fi; \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "deadpan needs Python 3.11 or newer, but $$python is $$($$python -V 2>&1);" \
			"install it (and remove $(VENV) if it is there)" >&2; exit 1; }; \
	echo "installing into $(VENV)"; \
	if [[ ! -x $(BIN)/pip ]]; then $$python -m venv $(VENV); fi
endef

$(VENV)/.installed: $(SOURCES)
	$(environment)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-video: $(SOURCES)
	$(environment)
	@$(PIP) --editable '.[video]'
	@touch $@

$(VENV)/.installed-dev: $(SOURCES)
	$(environment)
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.installed $(VENV)/.installed-video $@
