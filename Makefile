# `make run` starts the shop, `make test` tests it.
PYTHON ?= python3
# .venv is python3's; another has an environment of its own, such as .venv-3.13
OTHER = $(shell $(PYTHON) -c 'import sys; print("-%d.%d" % sys.version_info[:2])')
VENV := .venv$(if $(filter-out python3,$(PYTHON)),$(or $(OTHER),$(error PYTHON=$(PYTHON) does not run)))
BIN := $(VENV)/bin

# compiled modules are kept: nearly 200 processes of the tests import the shop
unexport PYTHONDONTWRITEBYTECODE

# the tests that cover every branch of app/store/ and app/events/
COVERING := tests/store tests/events tests/durability/test_io_errors.py tests/cli tests/audit \
	tests/privacy tests/http/test_operators.py tests/http/test_refusals.py \
	tests/orders/test_long_history.py

INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make requirements" $(BIN)/uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes $(ARGS)

.PHONY: run run-tls test check coverage deep crash crash-demo bench soak bench-scale bench-scale-out screenshots animation \
	openapi requirements clean

run: $(VENV)/run.stamp
	$(BIN)/flask serve --sample

# for a trial only: with a generated certificate, which no browser trusts
run-tls: $(VENV)/dev.stamp $(VENV)/tls/server.key
	DAYBOOK_TLS_CERT=$(VENV)/tls/server.pem DAYBOOK_TLS_KEY=$(VENV)/tls/server.key $(BIN)/flask serve --sample

test: $(VENV)/dev.stamp
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not deep"

check: $(VENV)/dev.stamp $(VENV)/bench.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive app wsgi.py

coverage: $(VENV)/dev.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not deep" $(COVERING)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

crash: $(VENV)/dev.stamp
	CRASH=1 $(BIN)/pytest -m deep tests/durability -n 4 -s

crash-demo: $(VENV)/dev.stamp
	$(BIN)/python -m tests.durability.demo

deep: $(VENV)/dev.stamp $(VENV)/npm.stamp
	$(BIN)/pytest -m deep -n 3 --maxschedchunk 1

bench: $(VENV)/bench.stamp
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.flow
	$(BIN)/python -m bench.costs

soak: $(VENV)/bench.stamp
	$(BIN)/python -m bench.soak $(MINUTES)

bench-scale: $(VENV)/bench.stamp
	$(BIN)/python -m bench.scale --few 1000 --many 1000000

bench-scale-out: $(VENV)/bench.stamp
	$(BIN)/python -m bench.scale_out

screenshots: $(VENV)/dev.stamp
	$(BIN)/python -m tests.browser.screenshots

animation: $(VENV)/dev.stamp
	$(BIN)/python -m tests.browser.animation

openapi: $(VENV)/run.stamp
	$(BIN)/flask openapi

# pins what pyproject.toml asks for, with hashes; pins that still fit stay, unless ARGS=--upgrade, or
# ARGS="--upgrade-package NAME". Each file is valid for every Python from 3.11 on.
requirements: $(VENV)/dev.stamp
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) pyproject.toml --extra otel -c requirements.txt -o requirements-otel.txt
	$(COMPILE) pyproject.toml --extra otel --group dev -c requirements-otel.txt -o requirements-dev.txt
	$(COMPILE) --group bench -c requirements-dev.txt -o bench/requirements.txt

clean:
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/run.stamp: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements.txt
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	$(INSTALL) -r requirements-dev.txt
	touch $@

$(VENV)/bench.stamp: bench/requirements.txt $(VENV)/run.stamp
	$(INSTALL) -r bench/requirements.txt
	touch $@

$(VENV)/tls/server.key: | $(VENV)/dev.stamp
	mkdir -p $(@D)
	umask 077 && $(BIN)/python -m trustme --quiet -d $(@D) -i localhost 127.0.0.1 ::1

$(VENV)/npm.stamp: tests/clients/package.json $(VENV)/run.stamp
	npm install --prefix tests/clients --no-audit --no-fund --no-package-lock --loglevel=error
	touch $@
