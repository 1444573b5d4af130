# Every target sets up .venv by itself; nothing else is needed but Python >= 3.11 and make.
#   make demo       the main result, end to end: derived, checked, printed, compiled, simulated
#   make test       the tests, in parallel
#   make test-slow  the long Monte Carlo and fault-injection tests; TESTS=... for some files
#   make accuracy   every kernel against certified values, as many points as its table has
#   make lint       formatting, style and types
#   make bench      timings, side by side with the usual tools
SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: demo test test-slow accuracy lint bench install clean

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
# workers and linear algebra would otherwise fight for the same cores
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
PYTEST := $(ONE_THREAD) MPLBACKEND=Agg $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

demo: $(VENV)/installed
	$(BIN)/python -m derivations.demo

test: $(VENV)/installed
	$(PYTEST)

test-slow: $(VENV)/installed
	$(PYTEST) -m slow $(TESTS)

accuracy: $(VENV)/installed
	$(PYTEST) --no-loadscope-reorder -m table

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(VENV)/installed
	$(ONE_THREAD) $(BIN)/python -m tests.benchmarks

install: $(VENV)/installed

$(BIN)/python:
	@for candidate in "$(PYTHON)" python3 python3.13 python3.12 python3.11 python; do \
	  test -n "$$candidate" || continue; \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$candidate -m venv $(VENV)"; \
	    "$$candidate" -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "no virtual environment: on Debian and Ubuntu, install python3-venv" >&2; exit 1; \
	  fi; \
	done; \
	echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[plot,sweep,test]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[plot,sweep,test,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist out *.egg-info
