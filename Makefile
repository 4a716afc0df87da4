# The two commands that matter are `make run` and `make test`; each sets up what it needs. See docs/setup.md.
BASE_PYTHON := $(shell command -v python3.11 || command -v python3)
PYTHON := .venv/bin/python
PORT ?= 8600
ARGS ?=
export PORT LIVE STATE_DIR

.PHONY: run manage test coverage services lint types format crash bench bench_portal fuzz shots races model lock messages set-up set-up-test clean reset

run: set-up
	@exec $(PYTHON) -m devtools.run

manage: ## a command of manage.py for what `make run` runs on this PORT
	@exec $(PYTHON) -m devtools.manage $(ARGS)

test: set-up-test
	@exec $(PYTHON) -m devtools.check $(ARGS)

services: set-up-test ## start what the tests need, print the environment, wait
	@exec $(PYTHON) -m devtools.testenv

coverage: set-up-test ## `make test`, and what of the code it reaches
	@COVERAGE=1 $(PYTHON) -m devtools.check

lint: set-up-test
	@$(PYTHON) -m devtools.check --only lint

types: set-up-test
	@$(PYTHON) -m devtools.check --only types

format: set-up-test
	@$(PYTHON) -m ruff check --fix -q . ; $(PYTHON) -m ruff format .

crash bench bench_portal fuzz shots: set-up-test
	@exec $(PYTHON) -m devtools.testenv -- $(PYTHON) -m devtools.rigs.$@ $(ARGS)

races: set-up-test ## the races of tests/concurrency, 200 rounds each
	@RACE_ROUNDS=$${RACE_ROUNDS:-200} $(PYTHON) -m devtools.testenv -- $(PYTHON) -m pytest tests/concurrency -q $(ARGS)

model: set-up-test ## random lives of the ledger against its model, 3,000 examples of 100 steps
	@MODEL_EXAMPLES=$${MODEL_EXAMPLES:-3000} MODEL_STEPS=$${MODEL_STEPS:-100} \
	  $(PYTHON) -m devtools.testenv -- $(PYTHON) -m pytest tests/properties -k model -q $(ARGS)

lock: set-up-test ## compile the requirements anew and bring package-lock.json up to date
	@for name in requirements requirements-dev requirements-node; do \
	  .venv/bin/uv pip compile -q --upgrade --no-annotate --no-header --generate-hashes --python-version 3.11 $$name.in -o $$name.txt || exit 1; done
	npm install --package-lock-only --ignore-scripts

messages: set-up-test ## collect the texts of the pages into every language's catalogue; translate what is empty then
	@for folder in locale/*/; do $(PYTHON) manage.py makemessages -l $$(basename $$folder) --no-location --no-wrap --no-obsolete \
	  -i .venv -i node_modules -i static_build -i static_root || exit 1; done

set-up:
	@$(BASE_PYTHON) -m devtools.setup run

set-up-test:
	@$(BASE_PYTHON) -m devtools.setup test

clean: ## everything that set-up and tests made; the state of `make run` stays
	rm -rf .venv .local node_modules static_build static_root

reset: ## the database, keys and passwords of `make run` on this PORT
	@$(BASE_PYTHON) -m devtools.reset
