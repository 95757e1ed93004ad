# make course   set everything up in .venv and run the course on the bundled pictures
# make test     set everything up in .venv and run what a change needs: lint and the quick tests
# make test-all then whole courses, kills, old TensorFlows, several workers, all hostile inputs
# make lab      set everything up in .venv and open the notebooks in JupyterLab
# make page     write the camera that needs no kernel into build/page; needs npm and the network
# make outputs  run the notebooks anew for the cells that keep their outputs, strip the others
# make front-page  run all notebooks, and renew the pictures and results in README.md
# make licences write data_cards/dependencies.md: what is installed, under which licence
# make platforms write data_cards/platforms.md: where it installs; needs the network
# make audit    look for known security holes in what is installed; needs the network
# make lint | format | lock | clean
#
# The set-up is repeated only when requirements.lock, pyproject.toml or the version has changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed.stamp
PIP := $(BIN)/python -m pip --disable-pip-version-check
# In CI modules are compiled when they are imported, as most never are.
QUIET := $(if $(CI),--quiet --no-compile,)
# Two files at a time, each on one core.
PYTEST := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 $(BIN)/pytest --durations=25 \
  --numprocesses=2 --dist=loadfile --no-loadscope-reorder
# The notebooks whose kept outputs are compared with a new run; the others are run with papermill.
KEPT_OUTPUTS := $(wildcard notebooks/00_*.ipynb notebooks/01_*.ipynb)

.PHONY: help install course test test-all lab page outputs front-page licences platforms audit lint format lock clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

install: $(INSTALLED)

# Tries each name by running it: some machines have commands that only say "not installed".
$(INSTALLED): requirements.lock pyproject.toml affectkit/version.py
	@if ! $(BIN)/python -c '' 2> /dev/null; then \
	  for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	        2> /dev/null; then \
	      echo "Creating $(VENV) with $$($$python --version)"; \
	      $$python -m venv --clear $(VENV); break; \
	    fi; \
	  done; \
	fi
	@if ! $(BIN)/python -c '' 2> /dev/null; then \
	  echo 'Found no Python 3.11, 3.12 or 3.13 with its venv module.' >&2; \
	  echo 'Install one (on Debian and Ubuntu: apt-get install python3.11 python3.11-venv)' >&2; \
	  echo 'or name one: make course PYTHON=/where/it/is/python3.11' >&2; \
	  exit 1; \
	fi
	@echo "Installing $$(grep -c '^[a-z0-9].*==' requirements.lock) packages into $(VENV)" \
	  '(1 GB to download the first time, 3 GB on disk, some minutes)'
	$(PIP) install $(QUIET) --require-hashes --requirement requirements.lock
	$(PIP) install $(QUIET) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import cv2' || { \
	  echo 'OpenCV lacks a system library (its name is above).' >&2; \
	  echo 'On Debian and Ubuntu: apt-get install libgl1 libglib2.0-0, then try again.' >&2; exit 1; }
	@touch $(INSTALLED)

course: $(INSTALLED)
	$(BIN)/affectkit course

# What a change needs: lint and every quick test, two files at a time.
test: lint
	$(PYTEST) -m 'not slow and not notebooks' tests

# Then what takes long: whole courses (the first alone, as it is timed), kept outputs of notebooks,
# kills, the Nano's legs, several workers, all hostile inputs.
test-all: test
	$(BIN)/pytest tests/courses/test_quick_course.py
	$(PYTEST) --nbval-lax --ignore=tests/courses/test_quick_course.py \
	  -m 'slow or notebooks' tests $(KEPT_OUTPUTS)

lab: $(INSTALLED)
	$(BIN)/jupyter lab notebooks

page: $(INSTALLED)
	$(BIN)/affectkit export affectkit-real-int8 --format page --output build/page

outputs: $(INSTALLED)
	$(BIN)/python .ci/keep_outputs.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Keeps the pins that still fit; make lock UPGRADE=1 takes the newest releases.
lock: $(INSTALLED)
	PATH="$(BIN):$$PATH" $(BIN)/python .ci/lock.py $(if $(UPGRADE),--upgrade,)

front-page: $(INSTALLED)
	rm -rf runs/front_page
	$(BIN)/affectkit course --all --output runs/front_page
	$(BIN)/python .ci/front_page.py runs/front_page

licences: $(INSTALLED)
	$(BIN)/python .ci/licences.py

platforms: $(INSTALLED)
	$(BIN)/python .ci/platforms.py

audit: $(INSTALLED)
	$(BIN)/python .ci/audit.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +
