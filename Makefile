# The index of tasks. CI calls only these. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
export PYTHONSAFEPATH := 1
export PYTHONPATH := tests

##@ Start here
.PHONY: help
help: ## List the tasks
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z0-9-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Fill .venv from the hashed locks (quick when nothing changed)
	@.ci/setup

.PHONY: demo
demo: setup ## A real cluster, images, charts and one ServiceLayer serving through the Ingress
	@$(PY) -m cluster.demo

.PHONY: test
test: setup ## All tests: unit, contract, integration, e2e on a real cluster
	@.ci/test

##@ While working
.PHONY: dev
dev: setup ## The API on this machine with a PostgreSQL of its own
	@.venv/bin/servicelayer-api dev

.PHONY: lint
lint: setup ## ruff, format check, basedpyright strict, import contracts
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/basedpyright
	@.venv/bin/lint-imports

.PHONY: format
format: setup ## Format and fix what can be fixed
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

.PHONY: test-unit
test-unit: setup ## Unit tests only (seconds)
	@$(PY) -m pytest tests/unit

.PHONY: test-contract
test-contract: setup ## CRD = structs = charts = RBAC = docs
	@$(PY) -m pytest tests/contract

.PHONY: test-integration
test-integration: setup ## Against a real PostgreSQL and a real API server
	@$(PY) -m pytest tests/integration

.PHONY: e2e
e2e: setup ## Against a real cluster with running pods
	@$(PY) -m pytest tests/e2e

.PHONY: golden
golden: setup ## Write the golden manifests anew; read the diff
	@UPDATE_GOLDEN=1 $(PY) -m pytest -q tests/unit/operator

##@ The cluster and what runs on it
.PHONY: cluster
cluster: setup ## Bring up a Kubernetes: a named one, kind, or one assembled on this host
	@$(PY) -m cluster up

.PHONY: cluster-down
cluster-down: setup ## Take the assembled cluster away, whole or half made
	@$(PY) -m cluster down

export REGISTRY TAG
.PHONY: images
images: setup ## Build the container images; with REGISTRY=registry.internal/team push them there
	@$(PY) -m cluster.images $(if $(REGISTRY),push,build)

.PHONY: release
release: setup ## Images as OCI archives, charts, SBOMs and checksums, in dist/
	@$(PY) -m cluster.images.release

.PHONY: crds
crds: ## Copy the CRD into its chart
	@mkdir -p charts/servicelayer-operator-crds/files && cp crds/*.yaml charts/servicelayer-operator-crds/files/

##@ Measuring (never part of CI)
.PHONY: bench
bench: setup ## The product beside a plain peer, under load: BENCH="list deposit --rounds 1"
	@.ci/bench
	@$(PY) -m load.bench $(BENCH)

.PHONY: bench-operator
bench-operator: setup ## How fast 300 new resources are taken up: OPERATOR="--beside PROGRAM --definition FILE"
	@$(PY) -m load.operator_pace $(OPERATOR)

.PHONY: bench-attack
bench-attack: setup ## Attacks from the loopback with an honest client beside each: ATTACK="idle --seconds 5"
	@$(PY) -m load.attack $(ATTACK)

.PHONY: bench-faults
bench-faults: setup ## Ledger, deposits and replicas under crashes, full size: FAULTS="--quick"
	@$(PY) -m load.faults $(FAULTS)

.PHONY: mutants
mutants: setup ## Single edits that the tests must catch: MUTANTS="leases.py"
	@$(PY) -m mutants $(MUTANTS)

##@ Upkeep
.PHONY: docs
docs: setup ## Write the generated reference pages anew
	@$(PY) -m support.crd_reference
	@$(PY) -m support.api_settings_reference
	@$(PY) -m support.generated_pages

.PHONY: lock
lock: setup ## Resolve the hashed lock files anew
	@.ci/lock

.PHONY: clean
clean: ## Remove what make setup and the checks made in this checkout
	@rm -rf .venv .venv-bench build dist .ruff_cache .pytest_cache .hypothesis .import_linter_cache
