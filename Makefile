# Two commands matter: `make demo` and `make test`. Both make what they need in $(VENV).

PYTHON ?= $(shell for name in python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV ?= .venv
DEMO ?= runs/demo
PYTEST_OPTIONS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo docs dist test test-slow lint format
.NOTPARALLEL:

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "make %-10s %s\n", $$1, $$2 }'

demo: $(INSTALLED)  ## Cluster scikit-learn's digits into runs/demo: about a minute on two cores
	$(BIN)/iciclegcn run digits --out $(DEMO)
	@echo
	@echo "Clusters: $(DEMO)/assignments.csv (path, cluster, confidence, margin, agreement)"
	@echo "Report:   $(DEMO)/report.html (open it in a browser)"
	@echo "Figures:  $(DEMO)/metrics.json (the digits' truth is used for these figures only)"
	@echo "Settings: $(DEMO)/config.yaml"

docs: $(INSTALLED_DEV)  ## The documentation site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dist: $(INSTALLED_DEV)  ## A wheel and a source distribution, in dist/
	$(BIN)/python -m build

test: lint  ## Lint, types and tests, without those marked slow
	$(BIN)/pytest -m 'not slow' $(PYTEST_OPTIONS)

test-slow: $(INSTALLED_DEV)  ## The tests marked slow
	$(BIN)/pytest -m slow $(PYTEST_OPTIONS) || [ $$? -eq 5 ]  # 5: no test is marked slow

lint: $(INSTALLED_DEV)  ## Lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED_DEV)  ## Rewrite the code in the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# pip is the last thing that venv puts there: without it an interrupted venv is made anew.
$(BIN)/pip:
	@$(if $(PYTHON),true,{ echo "make: no Python 3.11 or later found; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; })
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: PYTHON must be Python 3.11 or later (got '$(PYTHON)')" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): setup.cfg | $(BIN)/pip
	@echo "Installing into $(VENV): the first time PyTorch is downloaded, about 3 GB"
	$(PIP) install --quiet --editable .
	@touch $@

$(INSTALLED_DEV): setup.cfg | $(BIN)/pip
	@echo "Installing into $(VENV): the first time PyTorch is downloaded, about 3 GB"
	$(PIP) install --quiet --editable '.[dev]'
	@touch $@ $(INSTALLED)
