# Every target sets itself up: the first one that is called makes .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
BASE_VENV := .venv-base
BASE_STAMP := $(BASE_VENV)/installed
INTEROP_VENV := .venv-interop
INTEROP_STAMP := $(INTEROP_VENV)/installed

.PHONY: stress demo test check chaos fuzz docs bench base interop clean help

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(STAMP) ## the whole chain on a synthetic landscape: data to map to report, under demo/
	$(BIN)/overland demo --output demo --overwrite

test: $(STAMP) ## all tests; those on real imagery when OVERLAND_DATA names its folder
	$(BIN)/python -m pytest

check: $(STAMP) ## format, lint, types, the order of layers, docs in step with the code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/insert_commands.py --check

chaos: $(STAMP) ## every verb that writes: killed, on a full disk, in a read-only folder, twice at once
	$(BIN)/python tests/reliability/chaos.py

fuzz: $(STAMP) ## every reader: a few minutes of mutated inputs
	$(BIN)/python tests/reliability/fuzz.py

docs: $(STAMP) ## the documentation site, under site/
	$(BIN)/python docs/insert_commands.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

stress: $(STAMP) ## 200 first uses of an engine in fresh processes, none of which may hang
	cd benchmarks && ../$(BIN)/python stress_first_use.py

bench: $(STAMP) ## speed and memory; prints its figures
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

base: $(STAMP) $(BASE_STAMP) ## the base install alone, without PyTorch: it must predict and vectorise the demo's model
	$(BASE_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	.ci/base-install $(CURDIR)/$(BASE_VENV)/bin $(CURDIR)/$(BIN)

interop: $(STAMP) $(INTEROP_STAMP) ## exports in the programs that they are for: Deepness's ONNX Runtime, and QGIS where it is installed
	env OVERLAND_ORT117=$(CURDIR)/$(INTEROP_VENV)/bin/python \
	$$(/usr/bin/python3 -c "import qgis.core" 2>/dev/null && echo OVERLAND_PYQGIS=/usr/bin/python3) \
	$(BIN)/python -m pytest -rs tests/exporters tests/integrations

clean:
	rm -rf $(VENV) $(BASE_VENV) $(INTEROP_VENV) demo site

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	touch $@

$(BASE_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(BASE_VENV)
	$(BASE_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt .
	touch $@

# What the QGIS plugin Deepness 0.6 pins.
$(INTEROP_STAMP):
	$(PYTHON) -m venv $(INTEROP_VENV)
	$(INTEROP_VENV)/bin/pip install --quiet --disable-pip-version-check 'onnxruntime==1.17.0' 'numpy<2'
	touch $@
