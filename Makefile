# `make test` is all that a fresh machine needs: it builds .venv, installs the package and runs the tests.
#
#   make install    .venv with the package and its tools, in the versions of constraints.txt
#   make test       the tests that take seconds
#   make test-all   those and the slow ones, with readers of other programs and, where Chromium is, a browser
#   make demo       the whole chain on synthetic infants, in minutes: generate, train with adaptation, test, draw on videos
#   make lint       ruff check, ruff format --check, mypy, import contracts
#   make docs       the documentation as a site, in build/site
#   make clean      remove .venv and caches; models, data, output and log stay
#
# PYTHON chooses the interpreter (3.10 to 3.13), JOBS the number of test processes:
#   make test PYTHON=python3.12 JOBS=4

PYTHON ?= python3
JOBS ?= 2
EXTRAS := dev,synth,analysis,media,deploy,serve
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install demo test test-all lint docs clean

install: $(INSTALLED)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(JOBS)

test-all: $(INSTALLED)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[checks]'
	$(BIN)/python -m pytest -n $(JOBS) -m ''

demo: $(INSTALLED)
	$(BIN)/python tools/demo.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# from mkdocs.yml by static analysis; --strict: a broken link or an unknown name is an error
docs: $(INSTALLED)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache lib/fidip.egg-info

# The environment's pip is the target: a python without ensurepip leaves an environment without it.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "error: $(PYTHON) is not Python 3.10 or later; choose one: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@
