# make run    start the daemon with the shipped configuration, against providers of its own on loopback
# make test   run the tests; those whose servers are absent are skipped and say why
# make check  style, types, import contracts, documents
# make outages  stop, silence and restart real servers for ten minutes: does the report say so?
# make bench  measure, beside Prometheus and blackbox_exporter; ARGS=pages (judging, proof, smtp, store): one part alone
# make crash  kill the daemon with -9 at random instants, and look for what was lost
# make fuzz   give the probes 10,000 broken answers a protocol
#
# Everything is set up on the first call, in .venv, from Python 3.11 or newer and make; nothing else is needed.
# With PY=/some/python that interpreter is used as it is, and nothing is set up.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV   ?= .venv
NEW    := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW)' 2>/dev/null && echo $$p && break; done)
PIP     = $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes
JOBS   ?= 2
CONFIG ?= config/monitor.yaml

ifdef PY
RUNTIME :=
DEV :=
else
PY      := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime
DEV     := $(VENV)/.dev
endif

.PHONY: help
help:
	@sed -n 's/^# \(make [a-z-]*.*\)/\1/p' $(firstword $(MAKEFILE_LIST))

# --- the environment ------------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "slaproof needs Python 3.11 or newer; none was found in PATH." \
		"Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make a virtual environment:" \
		"its venv or ensurepip module is missing. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV); this is done once."
	@$(PYTHON) -m venv $(VENV)

# The project itself is put on the path by a .pth file: no build, so no build tool is needed to run it.
$(VENV)/.runtime: requirements.lock | $(VENV)/bin/python
	@$(PIP) -r requirements.lock
	@$(VENV)/bin/python -c 'import pathlib, sys, sysconfig; \
		pathlib.Path(sysconfig.get_path("purelib"), "slaproof.pth").write_text(f"{pathlib.Path.cwd()}\n"); \
		script = pathlib.Path(sysconfig.get_path("scripts"), "slaproof"); \
		script.write_text(f"#!{sys.executable}\nimport sys\n\nfrom monitor.cli import main\n\nsys.exit(main())\n"); \
		script.chmod(0o755)'
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@$(PIP) -r requirements-dev.lock
	@touch $@

.PHONY: venv clean
venv: $(DEV)
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

# --- the daemon -----------------------------------------------------------------------------------------------------

.PHONY: run
run: $(RUNTIME)
	@$(PY) -m monitor run --sandbox --config $(CONFIG)

# --- tests ----------------------------------------------------------------------------------------------------------
# Two workers, a file of tests to each: fixtures of a module are made once.

.PHONY: test
test: $(DEV)
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

# --- checks ---------------------------------------------------------------------------------------------------------

TYPED_TESTS := tests/conftest.py tests/servers tests/system

.PHONY: check
check: $(DEV)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m mypy --strict $(TYPED_TESTS)
	@$(PY) -c 'import sys; from importlinter.cli import lint_imports_command; \
		sys.argv[0] = "lint-imports"; sys.exit(lint_imports_command())'

# --- campaigns: longer than a test may be ---------------------------------------------------------------------------

.PHONY: outages
outages: $(DEV)
	@$(PY) -m tests.system.outages $(ARGS)

.PHONY: bench
bench: $(DEV)
	@$(PY) -m tests.bench $(ARGS)

.PHONY: campaign-proof
campaign-proof: $(DEV)
	@$(PY) -m tests.proof.campaign $(ARGS)

.PHONY: fuzz
fuzz: $(DEV)
	@$(PY) -m tests.probes.fuzz $(ARGS)

.PHONY: crash
crash: $(DEV)
	@$(PY) -m tests.store.crash $(ARGS)

.PHONY: crash-seal
crash-seal: $(DEV)
	@$(PY) -m tests.sealing.crash $(ARGS)
