# The only entry point. Each recipe does all its own set-up: a fresh machine needs Python 3.11 or newer,
# make, bash and a network. A second call finds the stamps and starts at once.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help serve install check test bench contracts lock format clean

BIN := .venv/bin
# Installed sets of requirements, as files newer than what they were installed from.
RUNTIME := .venv/.installed-runtime
DEV := .venv/.installed-dev
SCRIPTS := requirements/install.sh requirements/bootstrap.sh

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 16

serve: $(RUNTIME) ## Run Barometer on this machine; more options in ARGS="--port 9000 --data DIR"
	@exec $(BIN)/barometer serve $(ARGS)

install: $(DEV) ## Install everything for work on the project into .venv

check: $(DEV) ## Format, lint, types, layers and the fast tests: what to run before each commit
	@tests/run.sh check

test: $(DEV) ## Everything, with a real Kafka, Postgres and Prometheus; what CI runs
	@tests/run.sh all

bench: $(DEV) ## The benchmarks of bench/, beside their peers; one of them with BENCH=NAME
	@requirements/install.sh bench-peer
	@$(BIN)/python -m bench $(BENCH)

contracts: $(DEV) ## Write shared/schemas and docs/asyncapi.yaml anew from the code; refuses what breaks readers
	@$(BIN)/python -m barometer.contracts

lock: ## Write requirements/*.txt anew; UPGRADE=1 takes the newest that fit
	@requirements/lock.sh $(if $(UPGRADE),upgrade)

format: $(DEV) ## Format the code and mend what ruff can mend by itself
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

clean: ## Remove what the recipes made, downloads included
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	@find barometer services shared tests bench -name __pycache__ -prune -exec rm -rf {} +

$(RUNTIME): pyproject.toml requirements/runtime.txt requirements/build.txt $(SCRIPTS)
	@requirements/install.sh runtime
	@touch $@

$(DEV): pyproject.toml requirements/dev.txt $(SCRIPTS)
	@requirements/install.sh dev
	@touch $(RUNTIME) $@
