# Each target is a line or two that work without make too. `make help` lists them.
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: help install check format test simulate planted faults longrun bench run demo clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: ## a virtual environment with everything that development needs
	python3 -m venv $(VENV) && $(BIN)/pip install -e ".[dev]"

check: ## lint, types, import rules and the quick tests: before each commit; CI runs all
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports
	$(BIN)/pytest -q -n auto -m "not slow"

format: ## put the code in order
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

test: ## all tests, on a real Kafka where one can be had
	$(BIN)/pytest

N ?= 2000
simulate: ## N simulated worlds on all cores (make simulate N=10000)
	$(BIN)/python -m tests.simulation 0 $(N)

planted: ## faults planted in a copy of the source: the simulation must find each
	$(BIN)/python -m tests.simulation.planted

faults: ## faults on a real Kafka, the broker away for a minute each time
	SLUGLINE_FAULTS=long $(BIN)/pytest tests/faults

MINUTES ?= 30
SEED ?= 1
longrun: ## 20 events a second and faults at random on a real Kafka (make longrun MINUTES=30 SEED=7)
	$(BIN)/python -m tests.faults.longrun --minutes $(MINUTES) --seed $(SEED)

BENCH ?=
bench: ## the benchmarks, each beside its baseline (make bench BENCH="--quick feeds")
	$(BIN)/python -m tests.bench $(BENCH)

run: ## both services in one process, on the embedded log
	$(BIN)/slugline run

demo: ## the same with sample blogs that go on
	$(BIN)/slugline run --demo

clean: ## what was built and cached
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
