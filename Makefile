# `make run` starts the shop, `make test` tests it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# the tests that cover every branch of app/store/ and app/events/
COVERING := tests/store tests/events tests/durability/test_io_errors.py tests/cli tests/audit \
	tests/http/test_operators.py tests/http/test_refusals.py tests/orders/test_long_history.py

.PHONY: run run-tls test check coverage deep crash crash-demo bench soak bench-scale screenshots openapi clean

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
	$(BIN)/pytest -m deep -n 2

bench: $(VENV)/bench.stamp
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.flow
	$(BIN)/python -m bench.costs

soak: $(VENV)/bench.stamp
	$(BIN)/python -m bench.soak $(MINUTES)

bench-scale: $(VENV)/bench.stamp
	$(BIN)/python -m bench.scale --few 1000 --many 1000000

screenshots: $(VENV)/dev.stamp
	$(BIN)/python -m tests.browser.screenshots

openapi: $(VENV)/run.stamp
	$(BIN)/flask openapi

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/run.stamp: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements-otel.txt $(VENV)/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(VENV)/bench.stamp: bench/requirements.txt $(VENV)/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	touch $@

$(VENV)/tls/server.key: | $(VENV)/dev.stamp
	mkdir -p $(@D)
	umask 077 && $(BIN)/python -m trustme --quiet -d $(@D) -i localhost 127.0.0.1 ::1

$(VENV)/npm.stamp: tests/clients/package.json $(VENV)/run.stamp
	npm install --prefix tests/clients --no-audit --no-fund --no-package-lock --loglevel=error
	touch $@
