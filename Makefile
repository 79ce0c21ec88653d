# make run     install what is needed into .venv, then tune a Keras classifier on the digits images
# make board   TensorBoard on the newest study
# make demo    what one study is worth to the next: warm beside cold, in five minutes
# make test    the tests, ten minutes  make test-all  the slow ones too: what CI runs
# make check   format, lint, types, layers, and the unit tests
# make audit   what bandit says of the code, and what is known against the packages of the locks
# make bench   the benchmarks       make lock    regenerate requirements-*.lock from pyproject.toml
# make bench-sampler  the samplers compared on this project's own tasks (docs/sampler-benchmarks.md)
# make bench-pruned   the same in a pruner's company, at equal budgets of epochs
# make bench-failing  objectives that raise in a part of their space
# make chaos   10 000 trials on PostgreSQL while everything is broken and attacked, half an hour
# make mutants  break promises one by one in a copy: does a test notice? (docs/mutants.md)
# make soak    two hours of steady work, and what grows meanwhile
# make setup   the installation alone; what you installed into .venv stays
# make test-docker  the images and what runs from them, on a container engine (docs/containers.md)
# make pins    write docker/pins.toml into the files that name an image or an action
# make clean   remove .venv and caches, never a study

SHELL := /bin/sh
.DEFAULT_GOAL := run

# Studies go to the home of the account, where every other command looks for them
# (docs/commands.md, "Where it runs"); `make run TUNER_HOME=$PWD/.tuner` keeps them here.

BIN := .venv/bin
SPEC ?= search_spaces/examples/digits.yaml
# Two side by side even on two cores, where `tuner run` by itself would start one: the example's
# objective keeps to one core.
RUN_ARGS ?= --workers 2
STUDY ?=
PYTEST_ARGS ?=
# Most tests wait for leases, processes and servers. A file stays together: its tests share servers.
# tests/conftest.py says which comes when; sorted by their number of tests the long ones would be last.
TEST_SIDE_BY_SIDE ?= -n 6 --dist loadfile --no-loadscope-reorder
# Threads of numpy would only wait for each other there: one file took six times the processor time.
TEST_THREADS = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: setup run board demo test test-all test-docker pins lint check audit bench bench-sampler bench-pruned bench-failing chaos soak mutants lock clean

setup:
	@sh ./setup.sh

run: setup
	$(BIN)/tuner run $(SPEC) $(RUN_ARGS)

board: setup
	$(BIN)/tuner board $(STUDY)

# Another size: make demo DEMO_ARGS="--pairs 10 --seconds 900"
DEMO_ARGS ?=

demo: setup
	$(BIN)/python -m tests.benchmarks.demo $(DEMO_ARGS)

test: setup
	$(TEST_THREADS) $(BIN)/python -m pytest -m "not slow and not docker" $(TEST_SIDE_BY_SIDE) $(PYTEST_ARGS)

# In one run: each of the processes takes 22 s to collect the tests, and short tests fill what the
# long ones leave of the cores.
test-all: setup
	$(TEST_THREADS) $(BIN)/python -m pytest -m "not docker" $(TEST_SIDE_BY_SIDE) $(PYTEST_ARGS)

# One after the other: they share an engine, and builds take what cores there are.
DOCKER_ARGS ?=

test-docker: setup
	$(TEST_THREADS) $(BIN)/python -m pytest -m docker tests/docker $(DOCKER_ARGS)

# make pins PINS_ARGS=--resolve asks the registries first; --check changes nothing.
PINS_ARGS ?=

pins: setup
	$(BIN)/python docker/pins.py $(PINS_ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/python -m pytest tests/unit -m "not slow"

# 1: something was found; 3: not audited, because no advisory service could be reached (make itself says 2).
# Another service: make audit AUDIT_ARGS="--osv-url https://api.osv.dev/v1/query"
AUDIT_ARGS ?=

audit: setup
	$(BIN)/python -m tests.audit $(AUDIT_ARGS)

# `scale` in a small size: in its full one it takes a quarter of an hour (docs/benchmarks.md).
bench: setup
	$(BIN)/python -m tests.benchmarks --workers 32 --trials 600 --trial-s 2

# Published tables too, where BENCH_DATA names their folder. What was run stands in .cache and is not run again.
bench-sampler: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks sampler run $(BENCH_ARGS)
	$(BIN)/python -m tests.benchmarks sampler report --plots .cache/bench-sampler/plots
	-$(BIN)/python -m tests.benchmarks sampler goals
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks sampler speed

PRUNED_ARGS ?= --tasks curves keras --pruners asha hyperband median history none --history none related:8x40
bench-pruned: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks sampler pruned run $(PRUNED_ARGS)
	$(BIN)/python -m tests.benchmarks sampler pruned report
	-$(BIN)/python -m tests.benchmarks sampler pruned goals

bench-failing: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks sampler failing

# The other database: make chaos CHAOS_ARGS="--database sqlite --trials 10000"
# The same schedule again, by the seed that was printed: make chaos CHAOS_ARGS="--seed 7"
# With strace installed, every path that a server opens or changes is looked at as well.
CHAOS_ARGS ?= --database postgresql --trials 10000

chaos: setup
	$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

# One alone: make mutants MUTANTS_ARGS="--only token-outlives-its-time"; all, and the page: --write
MUTANTS_ARGS ?=

mutants: setup
	$(BIN)/python -m tests.mutants $(MUTANTS_ARGS)

# Longer, and kept: make soak HOURS=8 SOAK_ARGS="--folder soak"; meanwhile python -m tests.soak report soak
HOURS ?= 2
SOAK_ARGS ?=

soak: setup
	$(BIN)/python -m tests.soak run --hours $(HOURS) $(SOAK_ARGS)

# uv makes the locks and nothing else: it is not needed to install them. docker/pins.toml has its version.
UV_VERSION := 0.13.9
UV ?= .uv/bin/uv
# The environment of whoever runs this must not reach the locks: they name no index and no folder.
COMPILE = env UV_FIND_LINKS= UV_INDEX= UV_EXTRA_INDEX_URL= $(UV) pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(LOCK_ARGS) pyproject.toml
# `make lock LOCK_ARGS=--upgrade` takes newer releases; without it only what pyproject.toml asks for changes.
LOCK_ARGS ?=

lock: $(UV)
	$(COMPILE) --extra server --extra postgres -o requirements-server.lock
	$(COMPILE) --extra worker-cpu --extra examples -o requirements-worker-cpu.lock
	$(COMPILE) --extra worker-gpu --extra examples -o requirements-worker-gpu.lock
	$(COMPILE) --extra worker-plain --extra examples -o requirements-worker-plain.lock
	$(COMPILE) --extra worker-jax --extra examples -o requirements-worker-jax.lock
	$(COMPILE) --extra worker-torch --extra examples -o requirements-worker-torch.lock
	$(COMPILE) --extra server --extra worker-cpu --extra embedded --extra postgres \
		--extra examples --extra build --extra test -o requirements-dev.lock
	$(filter-out pyproject.toml,$(COMPILE)) --group audit -o requirements-audit.lock
	# The images build the wheel with it; hatchling and what it needs, nothing of the base.
	printf 'editables\nhatchling\n' | $(filter-out pyproject.toml,$(COMPILE)) \
		--constraint requirements-dev.lock - -o docker/requirements-build.lock
	# The first process of a container.
	printf 'dumb-init\n' | $(filter-out pyproject.toml,$(COMPILE)) - -o docker/requirements-init.lock
	printf 'uv==$(UV_VERSION)\n' | $(filter-out pyproject.toml,$(COMPILE)) - -o requirements-uv.lock

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --require-hashes -r requirements-uv.lock

clean:
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		.cache build dist
	find tuner workers tests search_spaces -name __pycache__ -type d -prune -exec rm -rf {} +
