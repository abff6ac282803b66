# `make` alone lists the targets. Works from another folder as well: make -C path/to/mlsys demo
# PYTHON names the interpreter that .venv is made with, for example: make setup PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow coverage lint format types docs generate bench pins platforms clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make .venv and install everything into it, pinned and checked by hash
	@:

# The month that demo plays forward: the Sunday before it, and its own; the tables go on for five weeks more.
BEFORE := 2020-05-17
SUNDAYS := 2020-05-24 2020-05-31 2020-06-07 2020-06-14
TABLES := --customers demo/data/customers.csv --noncustomers demo/data/noncustomers.csv \
  --usage demo/data/usage_actions.csv
WEEKLY := $(BIN)/mlsys weekly --artifacts demo/month $(TABLES) --capacity 20 --set experiment.design=lottery \
  --set score.top=3

demo: export MLSYS_ARTIFACTS_DIR := demo/artifacts
demo: setup ## Show the whole job on generated data: three tables, a ranked list, a month of lists and what came
	rm -rf demo
	$(BIN)/mlsys sample demo/data --companies 4000 --weeks 80
	$(BIN)/mlsys ingest $(TABLES)
	$(BIN)/mlsys train --quick
	$(BIN)/mlsys evaluate --truth demo/data/truth.csv
	$(BIN)/mlsys promote 1.0.0
	$(BIN)/mlsys score demo/data/noncustomers.csv --out demo/prospects.csv --top 20 --capacity 50
	@echo
	@echo "A month played forward: a model that knows nothing of it, a list each Sunday, and what came of them"
	$(BIN)/mlsys ingest --artifacts demo/month $(TABLES) --as-of $(BEFORE) > demo/month.log 2>&1
	$(BIN)/mlsys train --artifacts demo/month --quick >> demo/month.log
	@for sunday in $(SUNDAYS); do \
	  echo "mlsys weekly --as-of $$sunday"; \
	  $(WEEKLY) --as-of $$sunday --summary demo/week-$$sunday.md 2>> demo/month.log || test $$? -eq 4 || exit 1; \
	done
	$(BIN)/mlsys ingest --artifacts demo/month $(TABLES) >> demo/month.log
	$(BIN)/mlsys impact --artifacts demo/month --page demo/impact.html
	@echo
	@echo "Files written:"
	@find demo -type f ! -name '*.lock' | sort | sed 's/^/  /'
	@echo
	@echo "Next, in this folder:"
	@echo "  export MLSYS_ARTIFACTS_DIR=demo/artifacts PATH=\"\$$PWD/$(BIN):\$$PATH\""
	@echo "  mlsys models                                  what there is and how good it is"
	@echo "  mlsys history                                 which version was live when, and what the gate said"
	@echo "  open demo/artifacts/models/1.0.0/report.html  all that is known of the model, on one page"
	@echo "  mlsys evaluate --backtest --every-days 28     how good the lists of the past would have been"
	@echo "  open demo/impact.html                         what the month's lists brought, on one page"
	@echo "  mlsys lists --artifacts demo/month            which lists there were, and how many paid"
	@echo "  mlsys serve                                   predictions over HTTP, docs at /docs"
	@echo "  mlsys ingest --help                           begin with your own three tables"

# Compiled modules are kept, whatever the shell says: each worker, and each command that a test starts, would
# compile them anew.
export PYTHONDONTWRITEBYTECODE :=

# Numba's loops are compiled once, beside the checks of types, and not by each worker and server for itself.
COMPILED := $(VENV)/.compiled
$(COMPILED): $(STAMP) $(shell grep -rlws kernel ml_sys --include='*.py')
	@$(BIN)/python -c 'import ml_sys.jobs.models.train, ml_sys.scoring.compiled.shap_kernel as _; \
	  from ml_sys import kernel; kernel.load()'
	@touch $@

# Pytest compiles modules of tests as well, with what shows the parts of a failed assertion: here once, those that
# have changed, and not by each worker for itself. What cannot be compiled is told by the tests' own run.
REWRITTEN := $(VENV)/.rewritten
TESTS := $(shell find tests -name 'test_*.py' 2>/dev/null)
$(REWRITTEN): $(STAMP) $(TESTS)
	@$(BIN)/python -m pytest --collect-only -qq $(filter $(TESTS),$?) > /dev/null 2>&1 || true
	@touch $@

# Files stay whole, so that what a file sets up is set up once, and begin with the longest.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test: setup ## Run the checks of every change: lint, types and every behaviour (5 minutes on 2 cores)
	@$(MAKE) --no-print-directory -j 3 types lint $(REWRITTEN) $(COMPILED)
	$(PYTEST) -m "not slow"

test-slow: $(COMPILED) ## Run what takes minutes by its nature: kill, race, soak, simulate
	$(PYTEST) -m slow

coverage: $(COMPILED) ## Run every behaviour again and measure branches; below 90 % fails
	$(PYTEST) -m "not slow" --cov --cov-report=term

lint: setup ## Check style, formatting and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

format: setup ## Put imports and code into the project's form
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

types: setup ## Check types, strictly
	$(BIN)/mypy

docs: setup ## Build the manual into build/docs; a warning fails
	rm -rf docs/api
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs build/docs

generate: setup ## Write conf/mlsys.toml and the pages of commands and settings from the code
	$(BIN)/python docs/generate.py

bench: setup ## Measure speed and memory against baselines of the same run
	$(BIN)/python -m tests.bench

pins: setup ## Compile requirements.txt from pyproject.toml; UPGRADE=--upgrade moves every pin
	$(BIN)/uv pip compile pyproject.toml --group dev --group docs --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -q $(UPGRADE) -o requirements.txt

platforms: setup ## Ask the package index whether every pin has a wheel on every supported platform
	$(BIN)/python -m tests.platforms --every

clean: ## Delete caches, reports and the demo; keeps .venv and artifacts
	rm -rf demo build dist htmlcov coverage.xml .coverage .coverage.* docs/api .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache $(COMPILED) $(REWRITTEN)
	find ml_sys tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds the folder and the interpreter that .venv was made for, and is written last. Set-up starts
# afresh without it (an interrupted set-up), with another folder or another PYTHON in it, or when .venv no
# longer runs; a changed requirements.txt or pyproject.toml only updates what is there.
SAME_FOLDER = test "$$(sed -n 1p $(STAMP) 2>/dev/null)" = "$$(pwd -P)"
MADE_WITH := $(shell $(SAME_FOLDER) && $(BIN)/python -c '' 2>/dev/null && sed -n 2p $(STAMP))
ifeq ($(origin PYTHON),file)
PYTHON := $(or $(MADE_WITH),$(PYTHON))
endif
FRESH := $(if $(filter $(PYTHON),$(MADE_WITH)),,yes)
ifeq ($(FRESH),yes)
.PHONY: $(STAMP)
endif
NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
COMPLETE = $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

$(STAMP): requirements.txt pyproject.toml
	@$(NEW_ENOUGH) || { echo "mlsys needs Python 3.11 or newer, and $(PYTHON) is" \
	  "$$($(PYTHON) --version 2>&1 | tail -n 1). Name another: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) tests/platforms.py
	@$(COMPLETE) || { echo "mlsys needs the modules venv and ensurepip of $(PYTHON);" \
	  "on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@rm -rf $(if $(FRESH),$(VENV),$(STAMP))
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV), pinned and checked by hash (about a minute the first time)"
	@$(PIP_INSTALL) --require-hashes -r requirements.txt
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@{ pwd -P; echo "$(PYTHON)"; } > $(STAMP)
	@echo "Ready. Next: make demo"
