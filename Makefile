# Every target sets itself up: the first one that is called makes .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
BASE_VENV := .venv-base
BASE_STAMP := $(BASE_VENV)/installed

.PHONY: demo test check docs bench base clean help

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(STAMP) ## the main job on made imagery: data to map to report, under demo/
	$(BIN)/overland demo --output demo --overwrite

test: $(STAMP) ## all tests; those on real imagery when OVERLAND_DATA names its folder
	$(BIN)/python -m pytest

check: $(STAMP) ## format, lint, types, the order of layers, docs in step with the code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/insert_commands.py --check

docs: $(STAMP) ## the documentation site, under site/
	$(BIN)/python docs/insert_commands.py
	$(BIN)/mkdocs build --strict

bench: $(STAMP) ## speed and memory; prints its figures
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

base: $(STAMP) $(BASE_STAMP) ## the base install alone, without PyTorch: it must predict and vectorise the demo's model
	$(BASE_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	.ci/base-install $(CURDIR)/$(BASE_VENV)/bin $(CURDIR)/$(BIN)

clean:
	rm -rf $(VENV) $(BASE_VENV) demo site

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	touch $@

$(BASE_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BASE_VENV)
	$(BASE_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt .
	touch $@
