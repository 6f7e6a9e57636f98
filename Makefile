# Watchkeeper's one front door. `make` alone lists what it can do.
# Needs: make, python3 (3.11 to 3.13, with its venv module) and, the first time, the package index.

PYTHON  ?= python3
# More than there are cores on a small machine: many tests wait for processes, disks and clocks.
WORKERS ?= 3
BIN     := .venv/bin

# Branch coverage floors, in per cent: the decision core, and everything else.
CORE_FLOOR := 95
REST_FLOOR := 85

PYVER := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# Compiled once and not by every process that a test starts, whatever the machine's own settings say.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-long test-fast test-deploy test-again frameworks coding-agents lint docs docs-check bench study faults lock clean python-fits FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: .venv/.ready ## open the console on a small living world (HEADLESS=1: print histories, and exit)
	@$(BIN)/watchkeeper demo $(if $(filter-out 0,$(HEADLESS)),--headless)

test: .venv/.ready ## every test but those of test-long and test-deploy, with the coverage floors
	@rm -f .coverage .coverage.* $(FAILED)
	@# Tests that share a service, such as a Docker engine, run in one process, one after the other.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m 'not long and not deploy' --cov --cov-report=
	$(FLOORS)

define FLOORS
	@# A process may write its data after pytest gathered the others'; most often there is none.
	@$(BIN)/python -m coverage combine --append --quiet >/dev/null 2>&1 || true
	@$(BIN)/python -m coverage report --include='engine/core/*' --fail-under=$(CORE_FLOOR)
	@$(BIN)/python -m coverage report --omit='engine/core/*' --fail-under=$(REST_FLOOR)
	@$(BIN)/python -m tests.branch_floor $(CORE_FLOOR) $(REST_FLOOR)
endef

FAILED := .pytest_cache/v/cache/lastfailed
# At most five: more than that is no accident of a crowded machine.
test-again: .venv/.ready ## run what failed last once more, one after the other, with nothing beside it
	@$(BIN)/python -c "import json; failed = json.load(open('$(FAILED)')); \
	    assert len(failed) <= 5, f'{len(failed)} failed: too many to try again'"
	@$(BIN)/python -m pytest -n 1 --dist loadgroup --last-failed --last-failed-no-failures none -v \
	    --maxfail=1 --cov --cov-append --cov-report=
	$(FLOORS)

# KILLS=200 INTERLEAVINGS=1000 WAKEUPS=20000 SEED=7 make faults: that many, drawn from that seed. The kills end
# within two hours.
KILLS ?= 1000
INTERLEAVINGS ?= 100000
WAKEUPS ?= 1000000
faults: .venv/.ready ## 1,000,000 escalations, 100,000 interleavings, kill -9 every process 1,000 times (SEED=)
	@$(BIN)/python -m tests.faults.wakeup_nights --count $(WAKEUPS) $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m tests.faults.interleavings --count $(INTERLEAVINGS) $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m tests.faults.campaign --kills $(KILLS) $(if $(SEED),--seed $(SEED))

test-fast: .venv/.ready ## the tests that take seconds each, without coverage
	@$(BIN)/python -m pytest -n $(WORKERS) -q -m 'not slow and not long and not deploy'

test-long: .venv/.ready ## what takes longer: many seeds and kills, other Pythons, programs of others
	@rm -f $(FAILED)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m long

test-deploy: .venv/.ready ## build the images, boot the unit, run the compose file, for real (minutes; root)
	@rm -f $(FAILED)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m deploy

frameworks: .frameworks/.ready ## install the agents' frameworks and MCP servers that the tests then run (npm)

# An environment of their own: they bring dozens of packages that Watchkeeper has no use for.
SERVERS := requirements/mcp-servers
.frameworks/.ready: requirements/frameworks.lock $(SERVERS)/package-lock.json | python-fits
	@$(PYTHON) -m venv --clear .frameworks
	@.frameworks/bin/python -m pip -qq install --require-hashes --no-deps -r requirements/frameworks.lock
	@mkdir -p .frameworks/node && cp $(SERVERS)/package.json $(SERVERS)/package-lock.json .frameworks/node
	@npm ci --prefix .frameworks/node --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

coding-agents: .coding-agents/.ready ## install the coding agents that tests/hooks runs for real (npm, 380 MB, 900 on disk)

# Made from the lock in a folder that nobody reads from elsewhere; nothing of theirs runs while it is made.
.coding-agents/.ready: requirements/coding-agents/package.json requirements/coding-agents/package-lock.json
	@command -v npm >/dev/null || { echo "error: npm is missing; on Debian: apt-get install npm" >&2; exit 2; }
	@mkdir -p .coding-agents
	@cp requirements/coding-agents/package.json requirements/coding-agents/package-lock.json .coding-agents/
	@cd .coding-agents && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

lint: .venv/.ready ## ruff, mypy strict, import contracts
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

# Pages with generated tables carry cog marks; alert rules and dashboards are made whole. `docs` rewrites them,
# `docs-check` fails when they are old.
COG_PAGES = $(shell grep -rl --include='*.md' '^<!-- \[\[\[cog' README.md docs)

docs: .venv/.ready ## rewrite the generated tables of the docs, and what ships for Prometheus and Grafana
	@$(if $(COG_PAGES),$(BIN)/python -m cogapp -r $(COG_PAGES),echo "no page has a generated table yet")
	@$(BIN)/python -m watchkeeper.monitoring

docs-check: .venv/.ready ## fail when a generated table is out of date
	@$(if $(COG_PAGES),$(BIN)/python -m cogapp --check --diff $(COG_PAGES),echo "no page has a generated table yet")
	@$(BIN)/python -m watchkeeper.monitoring --check

bench: .venv/.ready ## measure replay, journal and start-up against their floors
	@$(BIN)/python -m benchmarks

study: .venv/.ready ## how often each promotion rule is wrong, and how soon it is right (QUICK=1: a small one)
	@$(BIN)/python -m benchmarks.study $(if $(filter-out 0,$(QUICK)),--quick)

# Keeps the versions that are locked already; `make lock UPGRADE=1` takes the newest that pyproject allows.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-config \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)
# What building our own package takes: for those who build without the tools of development.
BUILD_NEEDS = $(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')"

lock: .venv/.ready ## resolve the dependencies again into requirements/*.lock
	@$(LOCK) pyproject.toml --output-file requirements/runtime.lock >/dev/null
	@$(LOCK) pyproject.toml --extra dev --constraint requirements/runtime.lock --output-file requirements/dev.lock >/dev/null
	@$(BUILD_NEEDS) | $(LOCK) - --constraint requirements/dev.lock --output-file requirements/build.lock >/dev/null
	@$(LOCK) requirements/frameworks.in --output-file requirements/frameworks.lock >/dev/null

clean: ## remove .venv and everything the tools left behind
	rm -rf .venv .frameworks .coding-agents .coverage .coverage.* htmlcov build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the virtual environment
# Made anew when the lock's text changes, when PYTHON is given and names another version, and when the checkout
# was moved or copied (its scripts would run the code of the old place). A changed pyproject.toml only
# reinstalls our own package, which needs no network.

STALE := $(shell cmp -s requirements/dev.lock .venv/.made-from \
	&& test "$$(cat .venv/.made-in 2>/dev/null)" = "$(CURDIR)" || echo yes)
ifneq ($(origin PYTHON),file)
STALE += $(if $(filter $(PYVER),$(shell cat .venv/.made-with 2>/dev/null)),,yes)
endif

ifneq ($(strip $(STALE)),)
.venv/.locked: FORCE
endif

# Quiet enough to hide pip's warnings about a machine's own settings; its errors still show.
PIP = $(BIN)/python -m pip -qq

.venv/.locked: | python-fits
	@echo "making .venv with Python $(PYVER) and the locked packages; this happens once"
	@$(PYTHON) -m venv --clear .venv
	@# The lock names every package, so nothing is left to resolve: asked to, older pips reach past it for extras.
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.lock
	@cp requirements/dev.lock .venv/.made-from
	@echo "$(CURDIR)" > .venv/.made-in
	@echo "$(PYVER)" > .venv/.made-with
	@touch $@

.venv/.ready: .venv/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

python-fits:
	@case "$(PYVER)" in \
	  3.11|3.12|3.13) ;; \
	  '') echo "error: '$(PYTHON)' does not run; install Python 3.11 to 3.13, or name one: make PYTHON=python3.12" >&2; exit 2 ;; \
	  *) echo "error: '$(PYTHON)' is Python $(PYVER), Watchkeeper needs 3.11 to 3.13; name one: make PYTHON=python3.12" >&2; exit 2 ;; \
	esac
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: '$(PYTHON)' lacks its venv module; on Debian: apt-get install python$(PYVER)-venv" >&2; exit 2; }
