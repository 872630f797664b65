# `make demo` and `make test` work from nothing: Python 3.11+, git and make are all that is needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# What .env says is said to `make dev` too: Dagster itself reads that file only after it has opened its home.
export DAGSTER_HOME ?= $(or $(shell sed -n 's/^DAGSTER_HOME=//p' .env 2>/dev/null),$(CURDIR)/.data/dagster)
# Tests keep their files in memory where there is room for them: thousands of small databases wait for a disk otherwise.
SCRATCH := $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'NR==2 {print $$4}')" -gt 8388608 2>/dev/null && echo /dev/shm || echo "$${TMPDIR:-/tmp}")
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help env demo dev trino demo-trino test test-airflow test-prefect slow wheel soak lint types bench docs docs-site lock clean

help: ## what can be asked for
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## the environment in .venv, made once and again when the lock changes

# uv if the machine has it; otherwise one of our own, beside the environment.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@command -v uv >/dev/null || test -x .venv-uv/bin/uv || { $(PYTHON) -m venv .venv-uv && .venv-uv/bin/pip install --quiet uv; }
	@uv=$$(command -v uv || echo .venv-uv/bin/uv); \
	  test -x $(BIN)/python || $$uv venv --quiet --python $(PYTHON) $(VENV); \
	  $$uv pip sync --quiet --python $(BIN)/python --compile-bytecode --require-hashes requirements.lock && \
	  $$uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: env ## three tenants, from their databases to the warehouse, with real Dagster runs
	@$(BIN)/etl demo

dev: env ## the same project in Dagster's UI, on port 3000
	@$(BIN)/etl home
	$(BIN)/dg dev -w workspace.yaml -p 3000

trino: env ## a Trino with tables of Iceberg on this machine, until Ctrl-C
	@$(BIN)/python -m scripts.trino serve

demo-trino: env ## one tenant on such a Trino, from its database to the rows that Trino shows
	@$(BIN)/python -m scripts.trino demo $(or $(TENANT),project_01)

test: env ## the tests, on both cores; some minutes
	TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n 2 --dist loadgroup --durations=10 tests

slow: env ## the tests that take long: attacks from outside, kills, dbt, faults, servers, browser
	TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n 3 --dist loadgroup --durations=10 -o timeout=900 -m slow tests  # three workers: half of the tests wait for servers

soak: env ## the kill test, 200 rounds; prints its figures; then whatever CI does in part, such as dbt's rules on generated data
	$(BIN)/python -m tests.soak --rounds 200 --seed $${SEED:-1}
	ETL_TEST_WHOLE=1 TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n 2 --dist loadgroup -m slow $$(grep -rl "tests.amounts" tests --include='test_*.py')
	$(BIN)/python -m tests.soak.iceberg --kills 100 --seed $${SEED:-1}
	$(MAKE) wheel
	ETL_TRINO_ALL=1 ETL_TRINO_HISTORIES=10 $(BIN)/python -m pytest -m slow -k "trino or iceberg" -o timeout=3600 tests/warehouse

lint: env ## style, banned imports, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: env ## mypy --strict
	$(BIN)/mypy

wheel: env ## the package that others install, tried with its lowest and newest versions on every Python
	$(BIN)/python scripts/try_wheel.py $(TRIALS)

bench: env ## what docs/performance.md shows; takes a while
	$(BIN)/python -m benchmarks

docs: env ## the pages that are generated from the code
	$(BIN)/etl docs

docs-site: docs ## all pages as a site with a search, in .data/site; it is served on port 8000 until Ctrl-C
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build
	@echo "the site is in .data/site; http://localhost:8000 shows it, with the search"
	@test -n "$(CI)" || $(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory .data/site

# Airflow and Prefect cannot be installed together, nor beside our own newest libraries: each has an environment of its own.
HOSTS := airflow prefect
OURS  := dagster truthound great-expectations pandera postgres mysql s3 trino pandas metrics opentelemetry openlineage production docker kubernetes testing openbao aws gcp azure
COMPILE = $$(command -v uv || echo .venv-uv/bin/uv) pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock: ## requirements.lock and locks/*.lock again, from pyproject.toml
	$(COMPILE) $(addprefix --extra ,$(OURS)) --group dev --output-file requirements.lock
	for host in $(HOSTS); do $(COMPILE) --extra $$host --group hosts --output-file locks/$$host.lock; done

$(addprefix .venv-,$(addsuffix /.installed,$(HOSTS))): .venv-%/.installed: locks/%.lock pyproject.toml
	@uv=$$(command -v uv || echo .venv-uv/bin/uv); \
	  test -x .venv-$*/bin/python || $$uv venv --quiet --python $(PYTHON) .venv-$*; \
	  $$uv pip sync --quiet --python .venv-$*/bin/python --compile-bytecode --require-hashes locks/$*.lock && \
	  $$uv pip install --quiet --python .venv-$*/bin/python --no-deps --editable .
	@touch $@

$(addprefix test-,$(HOSTS)): test-%: env .venv-%/.installed ## the quality core inside a real Airflow, a real Prefect
	.venv-$*/bin/mypy etl/integrations/$*/*.py etl/integrations/contract.py
	TMPDIR=$(SCRATCH) PATH=$(CURDIR)/.venv-$*/bin:$$PATH .venv-$*/bin/python -m pytest --confcutdir=tests/hosts --durations=10 -m "slow or not slow" tests/hosts/$*

clean: ## everything that was made here, the data too
	rm -rf $(VENV) .venv-* .data .mypy_cache .ruff_cache .hypothesis
