# Two commands on a fresh machine: `make words` and `make test`. Each makes .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help words test unit check coverage servers bench chaos soak fuzz audit docs dist mutation clean browser notebooks ray

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

# A strict editable install is the one that mypy and pyright see; it maps files one by one, so it is
# made again whenever a file comes or goes.
SOURCES := $(sort $(wildcard streams/*.py streams/*/*.py streams/*/*/*.py operators/*.py sinks/*.py sinks/*/*.py))
LISTING := $(VENV)/listing-$(shell echo $(SOURCES) | cksum | cut -d' ' -f1)

$(LISTING): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "ackflow needs Python 3.11 or later; try make PYTHON=python3.12 …" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=24" "setuptools>=78.1.1"
	rm -rf build $(VENV)/listing-*
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=strict --editable ".[dev]"
	touch $@

words: $(LISTING)  ## the example: words over HTTP, a queue, SQLite; ARGS="--help" shows its options
	$(BIN)/python examples/words.py $(ARGS)

test: $(LISTING)  ## the tests; those that need servers say what is missing
	$(BIN)/python -m pytest $(ARGS)

# Many of these wait for processes and sockets, so there are more workers than processors.
UNIT := -q -m "not servers" -n $(shell expr 1 + $$(nproc 2>/dev/null || echo 1)) --dist worksteal

unit: $(LISTING)  ## the tests that need no server, side by side
	$(BIN)/python -m pytest $(UNIT) $(ARGS)

check: $(LISTING)  ## ruff, mypy --strict, pyright, pip-audit, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p ackflow.streams -p ackflow.operators -p ackflow.sinks
	$(BIN)/mypy examples tests/servers tests/typing tests/chaos tests/soak tests/fuzz benchmarks
	# The package by its import names: by its folders every module would be there twice.
	$(BIN)/pyright --pythonpath $(BIN)/python build/__editable__.*/ackflow examples tests/typing
	$(BIN)/python -m tests.security.audit --if-reachable
	$(BIN)/python -m pytest $(UNIT)
	$(BIN)/python -m pytest -m servers --durations=20

# Only what needs no server, and only the tests of these two folders: the others do not add to it.
COVERING := tests/core tests/operators tests/streams/testing tests/test_laws.py tests/test_bad_input.py \
	tests/test_conservation.py tests/conservation $(wildcard tests/sinks/test_*.py) $(wildcard tests/streams/test_*.py)

coverage: $(LISTING)  ## streams/core and operators: 100 % of branches, or it fails; build/coverage/index.html of all
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(UNIT) $(COVERING)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage html --quiet
	$(BIN)/python -m coverage xml --quiet
	$(BIN)/python -m coverage report --format=total
	$(BIN)/python -m coverage report --include="streams/core/*,operators/*" --fail-under=100

servers: $(LISTING)  ## RabbitMQ on port 5672 and Elasticsearch on port 9200, for trying things out
	PYTHON=$(BIN)/python tests/servers/up

bench: $(LISTING)  ## against other libraries, 55 minutes; ARGS="--measure consume", --tiny, --write
	$(BIN)/python -m benchmarks $(ARGS)

chaos: $(LISTING)  ## break real servers and processes, account for every message; ARGS="--form long --seed 1"
	$(BIN)/python -m tests.chaos $(ARGS)

soak: $(LISTING)  ## see that nothing grows and nothing is left over; ARGS="--minutes 30 --memory 10000000"
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(LISTING)  ## garbage for whatever parses bytes; ARGS="--seconds 600 lines" (Linux, x86-64)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris>=3.0"
	$(BIN)/python -m tests.fuzz $(ARGS)

browser: $(LISTING)  ## JupyterLab and the status page in Chromium (apt install chromium), two minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "jupyterlab>=4.4" "playwright>=1.50"
	ACKFLOW_REQUIRE_BROWSER=1 $(BIN)/python -m pytest tests/browser $(ARGS)

ray: $(LISTING)  ## map_in on a Ray cluster, which it installs, 240 MB
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "ray>=2.40"
	RAY_USAGE_STATS_ENABLED=0 $(BIN)/python -m pytest tests/streams/test_ray.py $(ARGS)

notebooks: $(LISTING)  ## run the notebooks; 06 takes servers from AMQP_URL and ELASTICSEARCH_URL
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "nbmake>=1.5" "ipykernel>=6.29"
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=120 notebooks $(ARGS)

audit: $(LISTING)  ## known vulnerabilities of what is installed; it fails where nobody can be asked
	$(BIN)/python -m tests.security.audit $(ARGS)

docs: $(LISTING)  ## this documentation as a site, notebooks run, build/site/index.html; a warning is an error
	$(BIN)/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
		| $(BIN)/python -m pip install --quiet --disable-pip-version-check -r /dev/stdin
	$(BIN)/python -m tests.documentation.notebooks
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --clean
	$(BIN)/python -m tests.documentation.site

dist: $(LISTING)  ## wheel and sdist in dist/, checked, installed into a fresh environment and tried
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m tests.distribution dist

mutation: $(LISTING)  ## change the core in every way, see that a test notices (an hour or more); ARGS=a file
	$(BIN)/python -m tests.mutation $(ARGS)

clean:  ## remove what the commands above made
	rm -rf $(VENV) .benchmarks build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
