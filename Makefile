# Every target builds what it needs in .venv, so each works in a clean clone with nothing but Python and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: help demo test lint format bench clean

help:
	@echo "make demo    download, convert, quantize and check mixnet-nano, as a user would"
	@echo "make test    run the test suite"
	@echo "make lint    ruff and mypy --strict"
	@echo "make bench   side-by-side timings against what one would run instead"
	@echo "make clean   remove everything that make made"

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "mixnet_tools needs Python 3.10 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@echo "installing mixnet_tools and its tools into $(VENV) (the first time takes a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/ready
	@BIN=$(BIN) OUT=$(DEMO) sh scripts/demo.sh

test: $(VENV)/ready
	$(BIN)/python -m pytest -n auto --dist loadscope

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks.download
	$(BIN)/python -m benchmarks.convert
	$(BIN)/python -m benchmarks.check
	$(BIN)/python -m benchmarks.infer
	$(BIN)/python -m benchmarks.cluster

clean:
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
