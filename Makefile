# What a newcomer needs: `make demo` and `make test`. The rest is for those who change pushwright.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
HOST ?= github
export PIP_DISABLE_PIP_VERSION_CHECK = 1

HAS_PYTHON = command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: apt-get install python3 python3-venv" >&2; exit 2; }

.PHONY: help venv demo test test-long lint types bench lock image clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

venv: $(VENV)/.ready ## the Python environment, from requirements.lock
	@:

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(HAS_PYTHON)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V): make PYTHON=/path/of/a/newer/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --require-hashes -r requirements.lock
	$(VENV)/bin/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

demo: ## a push becomes an image, on this machine (HOST=gitlab or gitea, EXIT=1)
	@$(HAS_PYTHON)
	@HOST=$(HOST) $(PYTHON) tests/demo/preflight.py
	@$(MAKE) --no-print-directory venv
	@EXIT=$(EXIT) HOST=$(HOST) $(PY) -m tests.demo

# Three workers on two processors: some tests wait for daemons.
test: venv ## the tests that this machine can run, in minutes; what is left out is named
	$(PY) -m pytest -q -n 3 --dist loadgroup -m "not long" tests

test-long: venv ## the rest of them: load, more seeds and kills, each build at every daemon
	$(PY) -m pytest -q -n 3 --dist loadgroup -m long tests

lint: venv ## ruff and the import contracts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

types: venv ## mypy --strict
	$(VENV)/bin/mypy

bench: venv ## measurements of this machine, as a table
	$(PY) -m tests.bench

lock: ## requirements.lock from the lower bounds in pyproject.toml
	$(VENV)/bin/python -m pip install -q uv
	$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --all-extras pyproject.toml -o requirements.lock

image: ## the bot's own image (IMAGE=registry/name:tag)
	@test -n "$(IMAGE)" || { echo "name it: make image IMAGE=registry.example.com/pushwright:0.1.0" >&2; exit 2; }
	docker build -t $(IMAGE) .

clean: ## everything that make made in this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

-include tests/tools/tools.mk
-include tests/cluster/cluster.mk
-include tests/gitea/gitea.mk
