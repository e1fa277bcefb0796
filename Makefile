# `make test` and `make demo` need Python 3.10 or newer and nothing else: each prepares what it uses and does only what is out of date.
#
#   make test PYTHON=python3.12       uses another Python (remove .venv first)
#   make test ARGS="-k hbv -x"        hands arguments to pytest
#
# On Linux the torch of the default index brings gigabytes of CUDA libraries. PIP_EXTRA_INDEX_URL may name PyTorch's CPU index instead.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Folders are listed too: their time tells that a file was removed.
SOURCES := $(shell find dmg_core bmi_dmg configs/models -name __pycache__ -prune -o -print)

.PHONY: help test slow demo lint docs wheel lock clean
.DEFAULT_GOAL := help

help:
	@echo "make test   run the tests against the installed package"
	@echo "make demo   write, run and plot a small synthetic example in demo/"
	@echo "make lint   ruff and mypy"
	@echo "make docs   build the documentation in site/"
	@echo "make wheel  build the wheel, in dist/"
	@echo "make slow   the tests that take minutes or gigabytes"
	@echo "make lock   pin the newest versions that fit in requirements-dev.lock"
	@echo "make clean  remove the virtual environment and all that was made"

# Tests are shared out among the cores, one thread each; those that `make slow` runs need the machine for themselves.
# The packages' folders must not shadow the installed ones: pytest leaves sys.path alone, and safe-path keeps the working folder off it.
test slow: export PYTHONSAFEPATH := 1
test slow: export DMG_TEST_INSTALLED := 1
test: export OMP_NUM_THREADS := 1
test: $(VENV)/installed
	$(BIN)/pytest --numprocesses auto $(ARGS)
slow: $(VENV)/installed
	$(BIN)/pytest -m slow $(ARGS)

demo: $(VENV)/installed
	$(BIN)/bmi-dmg demo --out demo
	@find "$(CURDIR)/demo" -name '*.png' | sed 's/^/Picture: /'

lint: $(VENV)/locked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages of variables and commands are made from the installed packages.
docs: export NO_MKDOCS_2_WARNING := 1
docs: $(VENV)/installed
	$(BIN)/mkdocs build --strict
	@echo "Documentation: $(CURDIR)/site/index.html"

wheel: $(VENV)/locked
	rm -rf dist
	$(BIN)/hatchling build --target wheel

# One lock for Python 3.10 to 3.13. torch brings the CUDA libraries it wants, where it wants any: pinning them would put them everywhere.
lock: $(VENV)/created
	$(BIN)/python -m pip install --quiet uv
	UV_PYTHON_DOWNLOADS=never UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --upgrade \
		--python-version 3.10 --all-extras --no-annotate pyproject.toml requirements-dev.in --output-file $(VENV)/lock.txt
	grep -vE '^(cuda|nvidia|triton)\b' $(VENV)/lock.txt > requirements-dev.lock

clean:
	rm -rf $(VENV) demo dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/locked: requirements-dev.lock $(VENV)/created
	@echo "Installing the pinned packages; the first time takes minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	@touch $@

$(VENV)/installed: pyproject.toml README.md LICENSE $(SOURCES) $(VENV)/locked
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	@touch $@
