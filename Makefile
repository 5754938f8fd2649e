# Tidemill: everything a checkout can do. `make` alone lists the targets.
PYTHON ?= python3
STAGE ?= local
BIN := .venv/bin
READY := .venv/ready
WORKERS ?= 2
# Without bytecode each start of a function or of the CLI compiles its imports anew, some seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo up down status deploy synth test test-heavy bench-tuning bench-serving lint types format lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

$(READY): requirements.txt tools/uv.txt tools/bootstrap.py pyproject.toml
	@$(PYTHON) tools/bootstrap.py

demo: $(READY) ## the whole story on this machine, on real data (leaves the cloud running)
	@$(BIN)/tidemill demo

up: $(READY) ## start the embedded cloud and deploy to it
	@$(BIN)/tidemill up

down: ## stop the embedded cloud (its state stays)
	@test ! -x $(BIN)/tidemill || $(BIN)/tidemill down

status: $(READY) ## what is deployed and live
	@$(BIN)/tidemill status

deploy: $(READY) ## cdk deploy of STAGE=local|dev|prod
	@$(BIN)/tidemill deploy --stage $(STAGE)

synth: $(READY) ## synthesize STAGE, with all guards, without network or credentials
	@$(BIN)/tidemill synth --stage $(STAGE)

test: $(READY) ## every test but the heavy ones
	@$(BIN)/python -m pytest -m "not heavy" --ignore tests/e2e -n $(WORKERS) --dist loadfile
	@$(BIN)/python -m pytest -m "not heavy" tests/e2e

test-heavy: $(READY) ## the long suites
	@$(BIN)/python -m pytest -m heavy

bench-tuning: $(READY) ## how good the searches are, beside their peers, and what storage costs
	@$(BIN)/python -m benchmarks.tuning

bench-serving: $(READY) ## how fast answers are, beside other servers of models
	@$(BIN)/python -m benchmarks.serving

lint: $(READY) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	@$(BIN)/mypy

format: $(READY) ## put the code into its format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(READY) ## compile the locks anew
	@$(BIN)/python tools/lock.py

clean: down ## remove what the targets made
	@rm -rf .venv .tidemill cdk.out node_modules .pytest_cache .mypy_cache .ruff_cache *.egg-info
