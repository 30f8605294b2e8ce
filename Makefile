# Every target that runs code first builds .venv from requirements.lock (scripts/environment).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Only what is locked may be imported: not the user's site, not a path inherited from the shell.
export PYTHONNOUSERSITE := 1
export PIP_USER := 0
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
# Without compiled modules on disk each start of a command takes a second longer.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do \
		printf '  make %-8s %s\n' "$$name" "$$what"; done

.PHONY: demo
demo: .venv/project ## Replay the demo log into demo.duckdb, then verify every row
	$(BIN)/tributary replay tests/fixtures/demo --db demo.duckdb --overwrite
	$(BIN)/tributary verify --db demo.duckdb

# Tests wait for processes and brokers as often as they compute, hence more of them than cores.
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist worksteal

.PHONY: test
test: .venv/project ## Run the tests, in less than four minutes
	$(PYTEST) -m "not long"
	@echo "The long tests (chaos, Apache Kafka, fuzz, full disks) run with: make check"

.PHONY: check
check: .venv/project ## Run the long tests too: chaos, Apache Kafka, fuzz, full disks
	$(PYTEST) -m long
	$(BIN)/python -m tests.fuzz --seed 1 --lines 100000

.PHONY: bench
bench: .venv/project ## Replay 1.2 M records against batch SQL; EQUAL=script adds one; JSON last
	$(BIN)/python -m benchmarks.replay $(if $(EQUAL),--equal $(EQUAL))

.PHONY: growth
growth: .venv/project ## Time per record at 0.2, 1 and 5 M records
	$(BIN)/python -m benchmarks.growth

.PHONY: views
views: .venv/project ## Time of the standing questions on 10 M conversions; takes minutes
	$(BIN)/python -m benchmarks.views

.PHONY: latency
latency: .venv/project ## Append to committed row at 1,000 to 40,000 records per second
	$(BIN)/python -m benchmarks.latency --picture

.PHONY: ingest
ingest: .venv/project ## Calls of the API per second, and what they cost; the last line is JSON
	$(BIN)/python -m benchmarks.ingest --picture

.PHONY: live
live: .venv/project ## What SQL on a running job costs it, and how soon commits show; JSON last
	$(BIN)/python -m benchmarks.live

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

.PHONY: browser
browser: ## Install Debian's Chromium for the tests of pages (needs apt-get)
	scripts/browser

.PHONY: lint
lint: .venv/project ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: lock
lock: ## Choose newer versions: rewrite the locks (needs uv)
	$(COMPILE) --group dev --upgrade --output-file requirements.lock
	$(COMPILE) --group build --extra adcp --extra live --constraint requirements.lock --output-file requirements-image.lock
	echo uv | uv pip compile - --universal --python-version 3.9 --generate-hashes --no-header \
		--no-annotate --quiet --upgrade --output-file requirements-uv.lock

COMPILE := uv pip compile pyproject.toml --universal --fork-strategy fewest --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --quiet

.PHONY: clean
clean: ## Remove .venv, .kafka, caches, bench data and the demo's database
	rm -rf .venv .uv .bench .hypothesis .kafka .mypy_cache .pytest_cache .ruff_cache demo.duckdb*
	find attribution benchmarks connectors flows tests -name __pycache__ -prune -exec rm -rf {} +

.venv/locked: requirements.lock scripts/environment
	scripts/environment locked

.venv/project: .venv/locked pyproject.toml
	scripts/environment project
