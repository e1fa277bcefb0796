# `make test` and `make demo` need Python 3.10 or newer and nothing else: each prepares what it uses and does only what is out of date.
#
#   make test PYTHON=python3.12       uses another Python (remove .venv first)
#   make test ARGS="-k hbv -x"        hands arguments to pytest
#
#   make newest NEWEST="torch==2.6.*"  the same tests with other versions than the newest
#
# On Linux the torch of the default index brings gigabytes of CUDA libraries. PIP_EXTRA_INDEX_URL may name PyTorch's CPU index instead.

SHELL := bash
.SHELLFLAGS := -o pipefail -ec
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The demo needs a third of the packages that the tests need; where those are installed it takes them.
DEMO := $(if $(wildcard $(VENV)/installed),$(VENV),.venv-demo)
NEW := .venv-newest
NEWEST ?=
# What other packages can break: gradients; files and tables, pictures and folders of runs. Compiled code is made anew there, which takes time.
NEWEST_TESTS := $(addprefix tests/dmg_core/,data models networks learning/data learning/settings test_model.py test_own_models.py \
	equations/test_convention.py equations/test_tape.py) $(addprefix tests/bmi_dmg/,plots preparing results run_folder)
# Folders are listed too: their time tells that a file was removed.
SOURCES := $(shell find dmg_core bmi_dmg configs/models -name __pycache__ -prune -o -print)

.PHONY: help test newest slow demo lint docs wheel lock clean $(NEW)/installed
.DEFAULT_GOAL := help

help:
	@echo "make test   run the tests against the installed package"
	@echo "make newest the same with the newest versions of all packages that it uses"
	@echo "make demo   write, run and plot a small synthetic example in demo/"
	@echo "make lint   ruff and mypy"
	@echo "make docs   build the documentation in site/"
	@echo "make wheel  build the wheel, in dist/"
	@echo "make slow   the tests that take minutes or gigabytes"
	@echo "make lock   pin the newest versions that fit in requirements-dev.lock"
	@echo "make clean  remove the virtual environment and all that was made"

# Tests are shared out among the cores, one thread each; those that `make slow` runs need the machine for themselves.
# The packages' folders must not shadow the installed ones: pytest leaves sys.path alone, and safe-path keeps the working folder off it.
test newest slow: export PYTHONSAFEPATH := 1
test newest slow: export DMG_TEST_INSTALLED := 1
test newest: export OMP_NUM_THREADS := 1
test: $(VENV)/installed
	$(BIN)/pytest --numprocesses auto $(ARGS)
newest: $(NEW)/installed
	$(NEW)/bin/pytest --numprocesses auto -m "not slow and not browser" $(NEWEST_TESTS) $(ARGS)
slow: $(VENV)/installed
	$(BIN)/pytest -m slow $(ARGS)

demo: $(DEMO)/installed
	$(DEMO)/bin/bmi-dmg demo --out demo
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
	UV_PYTHON_DOWNLOADS=never UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
		--python-version 3.10 --extra tools --no-annotate --constraint requirements-dev.lock pyproject.toml requirements-demo.in \
		--output-file $(VENV)/lock.txt
	grep -vE '^(cuda|nvidia|triton)\b' $(VENV)/lock.txt > requirements-demo.lock

clean:
	rm -rf $(VENV) .venv-demo $(NEW) demo dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -prune -exec rm -rf {} +

# Two Pythons are made alike: one for all work on the project, one for the demo alone.
$(VENV)/created .venv-demo/created $(NEW)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv $(@D)
	@touch $@

# Tells on one line how far pip has come; what is no progress, warnings and errors, comes through on standard error.
define install_lock
@echo "Installing the packages of $< in $(@D), once."
@$(@D)/bin/python -m pip install --disable-pip-version-check --progress-bar off --requirement $< | awk \
	-v total="$$(grep -cvE '^#' $<)" '/^Collecting/ { printf "\r  %d of at most %d packages ", ++n, total; fflush() } \
	/^Installing/ { printf "\r  writing %d packages                \n", n }'
@touch $@
endef

$(VENV)/locked: requirements-dev.lock $(VENV)/created
	$(install_lock)

.venv-demo/locked: requirements-demo.lock .venv-demo/created
	$(install_lock)

$(VENV)/installed .venv-demo/installed: %/installed: pyproject.toml README.md LICENSE $(SOURCES) %/locked
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	@touch $@

# What is newest changes without any file here, so it is asked for at every call (.PHONY).
$(NEW)/installed: $(NEW)/created
	@echo "Installing the newest packages in $(NEW); the first time takes minutes."
	$(NEW)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --force-reinstall --no-deps .
	$(NEW)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager '.[test]' $(NEWEST)
	@$(NEW)/bin/python -m pip list --disable-pip-version-check | grep -E '^(bmi-dmg|numba|numpy|pandas|pyarrow|torch) '
