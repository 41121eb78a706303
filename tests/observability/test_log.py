"""The log: one line for each request and delivery, with the ids that tie them together."""

import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.http.security.identity import PUBLIC
from app.observability.log import LOG, QUEUE_MAX_ENTRIES, Log, LogHandler
from app.observability.log_format import format_json
from app.server.runtime import Runtime
from tests.over_http import body, place, read, request_for
from tests.processes.servers import wait_for

Settled = Callable[[], None]
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


class Written(io.StringIO):
    """What was logged."""

    def lines(self, **wanted: object) -> list[dict[str, Any]]:
        """The lines that have these fields."""
        entries = map(json.loads, self.getvalue().splitlines())
        return [each for each in entries if wanted.items() <= each.items()]


@pytest.fixture
def written() -> Iterator[Written]:
    """The log of the test's own process, in JSON, and each line at once."""
    stream, records = Written(), LogHandler(LOG)
    LOG.open(stream, format_json, logging.INFO)
    logging.getLogger().addHandler(records)
    yield stream
    logging.getLogger().removeHandler(records)
    LOG.close()


@pytest.fixture
def broken(app: Flask) -> str:
    """An address whose route has a defect, and tells of a customer when it fails."""

    @app.get("/broken")
    def fail() -> str:
        raise RuntimeError("no such customer: ann.smith@example.com")

    return "/broken"


@pytest.mark.usefixtures("catalogue")
def test_a_trace_leads_from_the_request_to_every_handler(
    client: FlaskClient, settled: Settled, written: Written
) -> None:
    """By the event's traceparent, also to the events that handlers emit."""
    headers = {"traceparent": TRACEPARENT}
    client.post("/order", json=request_for(tea=1), headers=headers)
    settled()
    events = [record["event"] for record in read(client, "/order/1001/events")["events"]]
    (asked,) = written.lines(route="/order")
    assert asked["trace_id"] == TRACE_ID
    assert events[0]["traceparent"] == f"00-{TRACE_ID}-{asked['span_id']}-01"
    assert {event["traceparent"].split("-")[1] for event in events} == {TRACE_ID}
    wait_for("all is logged", lambda: len(written.lines(outcome="done")) >= 8)
    done = written.lines(trace_id=TRACE_ID, outcome="done")
    told = {(line["event"], line["handler"]) for line in done}
    assert {("order.placed", "billing"), ("payment.captured", "orders")} <= told
    spans = [line["span_id"] for line in written.lines(trace_id=TRACE_ID)]
    assert len(spans) == len(set(spans))


@pytest.mark.usefixtures("catalogue")
def test_an_order_that_nobody_traces_begins_a_trace(client: FlaskClient) -> None:
    """A traceparent that is none is none."""
    for headers in ({}, {"traceparent": "00-zz"}):
        order = body(client.post("/order", json=request_for(tea=1), headers=headers))
        (record, *_) = read(client, f"/order/{order['order_id']}/events")["events"]
        version, trace_id, _, flags = record["event"]["traceparent"].split("-")
        assert (version, len(trace_id), flags) == ("00", 32, "01")


def test_a_request_keeps_its_id(client: FlaskClient, written: Written) -> None:
    answer = client.get("/order", headers={"X-Request-Id": "till-1.42"})
    assert answer.headers["X-Request-Id"] == "till-1.42"
    (line,) = written.lines(route="/order")
    assert line["request_id"] == "till-1.42"
    assert (line["method"], line["status"], line["level"]) == ("GET", 200, "info")
    assert 0 < line["took_ms"] < 60_000


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "x" * 65, "<script>", "é", '"'])
def test_an_id_that_is_not_well_formed_is_replaced(client: FlaskClient, given: str) -> None:
    """Everything is answered; by the trace's id."""
    answer = client.get("/order", headers={"X-Request-Id": given, "traceparent": TRACEPARENT})
    assert answer.headers["X-Request-Id"] == TRACE_ID


def test_a_defect_is_told_under_the_id_that_the_caller_has(
    client: FlaskClient, broken: str, written: Written
) -> None:
    """The 500 says the trace_id; the log has the rest under it, without the customer's address."""
    answer = client.get(broken, headers={"traceparent": TRACEPARENT})
    assert (answer.status_code, body(answer)["trace_id"]) == (500, TRACE_ID)
    error, asked = written.lines(trace_id=TRACE_ID)
    assert (error["level"], error["request_id"]) == ("error", TRACE_ID)
    assert "in fail" in error["trouble"]
    assert "***@example.com" in error["trouble"]
    assert (asked["status"], asked["level"]) == (500, "warning")
    assert "ann.smith" not in written.getvalue()


@pytest.mark.usefixtures("catalogue")
def test_no_secret_gets_into_the_log(
    client: FlaskClient, runtime: Runtime, settled: Settled, written: Written
) -> None:
    """No key, cookie, customer or link, by whatever way somebody sends it."""
    with runtime.transaction() as tx:
        key = create_key(tx, "till-1", "operator")
    headers = {"Authorization": f"Bearer {key}", "Cookie": "basket=s3cret-cookie"}
    wanted = request_for("Ann Smith", tea=1) | {"customer_email": "ann.smith@example.com"}
    order = body(client.post("/order", json=wanted, headers=headers))
    settled()
    client.get("/order?customer=ann.smith@example.com", headers=headers)
    client.get("/order/ann.smith@example.com", headers=headers)
    client.get(f"/order/{order['link']}", headers=headers)
    client.get(f"/orders/{order['link']}")
    client.get(f"/orders/{order['link']}/nowhere")
    client.get(f"/nowhere/{key}")
    client.get("/order", headers={"Authorization": f"Bearer {key}x"})
    wait_for("the mail is out", lambda: written.lines(handler="notification", outcome="done"))
    text = written.getvalue()
    assert len(written.lines()) > 10
    link_secret = order["link"].partition("-")[2]
    for secret in (key, key[-20:], "s3cret-cookie", "ann.smith", "Ann Smith", link_secret):
        assert secret not in text
    assert {line["who"] for line in written.lines(route="/order")} == {"till-1", PUBLIC.name}


@pytest.mark.usefixtures("catalogue")
def test_a_delivery_says_why_nothing_was_to_be_done(
    client: FlaskClient, settled: Settled, written: Written
) -> None:
    place(client, tea=1)
    settled()
    (line, *_) = written.lines(handler="notification", event="order.placed")
    assert line["message"] == "order.placed to notification: done"
    assert line["note"] == "no mail: the order has no e-mail address"


def test_what_is_less_than_wanted_costs_nothing() -> None:
    log, stream = Log(), Written()
    log.open(stream, format_json, logging.WARNING)
    log.log(logging.INFO, "nothing", {})
    log.log(logging.WARNING, "something", {})
    assert [line["message"] for line in stream.lines()] == ["something"]


def test_lines_that_gathered_are_written_at_the_end() -> None:
    """In the order in which they were told."""
    log, stream = Log(), Written()
    log.open(stream, format_json, logging.INFO)
    log.start()
    for n in range(500):
        log.log(logging.INFO, f"line {n}", {})
    log.close()
    assert [line["message"] for line in stream.lines()] == [f"line {n}" for n in range(500)]


def test_a_reader_that_is_too_slow_holds_nobody_up() -> None:
    """Lines are dropped, and one says how many."""
    log, stream = Log(), Written()
    log.open(stream, format_json, logging.INFO)
    log.start()
    with log._lock:  # as while a write takes its time
        wait_for("some are dropped", lambda: _too_many(log))
    log.close()
    gaps = [line["message"] for line in stream.lines(level="warning")]
    assert gaps
    assert all(gap.endswith("lines were dropped: too many at once") for gap in gaps)


def _too_many(log: Log) -> bool:
    """Whether so many were too many; not when the thread has just taken what was there."""
    for _ in range(QUEUE_MAX_ENTRIES + 1):
        log.log(logging.INFO, "one more", {})
    return log._dropped > 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that is what it is about
def test_a_process_that_was_forked_while_a_line_was_written_has_a_log() -> None:
    """In it nobody would finish the line, and let go of the log."""
    log = Log()
    log._lock.acquire()
    threading.Timer(0.2, log._lock.release).start()  # a slow reader
    child = os.fork()
    if not child:
        os._exit(0 if log._lock.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_disk_that_is_full_fails_no_order() -> None:
    """Whatever becomes of the log."""
    log, stream = Log(), Written()
    log.open(stream, format_json, logging.INFO)
    stream.close()
    log.log(logging.WARNING, "lost", {})
