# make setup      environment .venv with everything in it, compiled parts built
# make demo       train, test, score and render on synthetic videos (a few minutes on 2 cores)
# make test       the quick tests; make test-long the rest
# make lint       formatting and lint; make clean removes what was built
#
# PYTHON=python3.11                     which Python the environment is made from
# TORCH='torch==2.13.0 --index-url ...' which build of torch to install (INSTALL.md)
# ARGS='-k resume'                      more arguments for pytest

PYTHON ?= python3
VENV ?= .venv
TORCH ?=
ARGS ?=
# The tests of a file share what they set up, so they stay together.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile
PY := $(VENV)/bin/python

.PHONY: help setup demo test test-long lint clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -10

setup:
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: Python is missing: no $(PYTHON) on the path (3.10 or newer; make setup PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) tools/setup_env.py --venv $(VENV) --torch "$(TORCH)"

demo: setup
	@$(PY) demo/run_demo.py

test: setup
	@$(PY) -m pytest $(PARALLEL) $(ARGS)

test-long: setup
	@$(PY) -m pytest -m "long or hypothesis" $(PARALLEL) $(ARGS)

lint: setup
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find mmdet -name '*.so' -delete
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
