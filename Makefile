# Every target that runs code first builds .venv from requirements.lock: with uv where it is on
# PATH, else with a Python of the supported range and pip.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Only what is locked may be imported: not the user's site, not a path inherited from the shell.
export PYTHONNOUSERSITE := 1
export PIP_USER := 0
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)

# A name on PATH may be a stub, too old, or without venv: what counts is that it runs.
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
find_python = for python in python3.12 python3.11 python3; do \
	"$$python" -c '$(USABLE)' >/dev/null 2>&1 && { echo "$$python"; exit; }; done
NO_PYTHON := No usable Python: tributary needs 3.11 or 3.12 with the venv module (on Debian: \
	python3-venv). Looked for python3.12, python3.11, python3. Install one, or install uv.

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do \
		printf '  make %-8s %s\n' "$$name" "$$what"; done

.PHONY: demo
demo: .venv/project ## Replay the demo log into demo.duckdb, then verify every row
	$(BIN)/tributary replay tests/fixtures/demo --db demo.duckdb --overwrite
	$(BIN)/tributary verify --db demo.duckdb

.PHONY: test
test: .venv/project ## Run the tests
	$(BIN)/python -m pytest

.PHONY: bench
bench: .venv/project ## Replay 1.2 M records against batch SQL; the last line is JSON
	$(BIN)/python -m benchmarks.replay

.PHONY: growth
growth: .venv/project ## Time per record at 0.2, 1 and 5 M records
	$(BIN)/python -m benchmarks.growth

.PHONY: latency
latency: .venv/project ## Append to committed row at 1,000 to 40,000 records per second
	$(BIN)/python -m benchmarks.latency --picture

.PHONY: recovery
recovery: .venv/project ## What recovery costs, and how soon a killed run is back; the last line is JSON
	$(BIN)/python -m benchmarks.recovery

.PHONY: soak
soak: .venv/project ## Run at a steady rate for ten minutes; draw docs/soak.svg
	$(BIN)/python -m benchmarks.soak --picture

.PHONY: chaos
chaos: .venv/project ## Kill a continuous run 100 times, compare; CHAOS="--over kafka --kills 60"
	$(BIN)/python -m tests.chaos $(CHAOS)

.PHONY: kafka
kafka: ## Fetch Apache Kafka for the tests (needs Maven and Java 17)
	scripts/kafka

.PHONY: lint
lint: .venv/project ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: lock
lock: ## Choose newer versions: rewrite the locks (needs uv)
	$(COMPILE) --group dev --upgrade --output-file requirements.lock
	$(COMPILE) --group build --constraint requirements.lock --output-file requirements-image.lock

COMPILE := uv pip compile pyproject.toml --universal --fork-strategy fewest --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --quiet

.PHONY: clean
clean: ## Remove .venv, .kafka, caches, bench data and the demo's database
	rm -rf .venv .bench .hypothesis .kafka .mypy_cache .pytest_cache .ruff_cache demo.duckdb*
	find attribution benchmarks connectors flows tests -name __pycache__ -prune -exec rm -rf {} +

.venv/locked: requirements.lock
	@rm -rf .venv
ifdef UV
	uv venv --quiet --no-project --python '>=3.11,<3.13' .venv
	uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
else
	@python=$$($(find_python)); if [ -z "$$python" ]; then echo '$(NO_PYTHON)' >&2; exit 1; fi; \
		echo "$$python -m venv .venv"; "$$python" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement requirements.lock
endif
	@touch $@

# The build backend is locked too, hence no isolation: nothing is fetched that has no hash.
.venv/project: .venv/locked pyproject.toml
ifdef UV
	uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
endif
	@touch $@
