"""The log: one line for each request and delivery, with the ids that connect them."""

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
from app.kernel.identity import PUBLIC
from app.observability.log import LOG, QUEUE_MAX_ENTRIES, Log, LogHandler
from app.observability.log_format import format_json
from app.server.runtime import Runtime
from tests.over_http import body, place, read, request_for
from tests.processes.servers import wait_for
from tests.transactions import transaction

Settled = Callable[[], None]
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


class LogStream(io.StringIO):
    """The lines that were logged."""

    def lines(self, **fields: object) -> list[dict[str, Any]]:
        """Return the lines that have these fields."""
        entries = map(json.loads, self.getvalue().splitlines())
        return [each for each in entries if fields.items() <= each.items()]


@pytest.fixture
def logged() -> Iterator[LogStream]:
    """The log of the test's own process, in JSON, each line written at once."""
    stream, handler = LogStream(), LogHandler()
    LOG.open(stream, format_json, logging.INFO)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)
    LOG.close()


@pytest.fixture
def broken(app: Flask) -> str:
    """The path of a route that fails with a mail address in its error."""

    @app.get("/broken")
    def fail() -> str:
        raise RuntimeError("no such customer: ann.smith@example.com")

    return "/broken"


@pytest.mark.usefixtures("catalogue")
def test_a_trace_leads_from_the_request_to_every_handler(
    client: FlaskClient, settled: Settled, logged: LogStream
) -> None:
    """Through the event's traceparent, also in the events that handlers emit."""
    headers = {"traceparent": TRACEPARENT}
    client.post("/order", json=request_for(tea=1), headers=headers)
    settled()
    events = [record["event"] for record in read(client, "/order/1001/events")["events"]]
    (posted,) = logged.lines(route="/order")
    assert posted["trace_id"] == TRACE_ID
    assert events[0]["traceparent"] == f"00-{TRACE_ID}-{posted['span_id']}-01"
    assert {event["traceparent"].split("-")[1] for event in events} == {TRACE_ID}
    wait_for("every delivery is logged", lambda: len(logged.lines(outcome="done")) >= 8)
    done = logged.lines(trace_id=TRACE_ID, outcome="done")
    delivered = {(line["event"], line["handler"]) for line in done}
    assert {("order.placed", "billing"), ("payment.captured", "orders")} <= delivered
    spans = [line["span_id"] for line in logged.lines(trace_id=TRACE_ID)]
    assert len(spans) == len(set(spans))


@pytest.mark.usefixtures("catalogue")
def test_an_order_without_traceparent_starts_a_trace(client: FlaskClient) -> None:
    """An invalid traceparent is ignored."""
    for headers in ({}, {"traceparent": "00-zz"}):
        order = body(client.post("/order", json=request_for(tea=1), headers=headers))
        (record, *_) = read(client, f"/order/{order['order_id']}/events")["events"]
        version, trace_id, _, flags = record["event"]["traceparent"].split("-")
        assert (version, len(trace_id), flags) == ("00", 32, "01")


def test_a_request_keeps_its_id(client: FlaskClient, logged: LogStream) -> None:
    answer = client.get("/order", headers={"X-Request-Id": "till-1.42"})
    assert answer.headers["X-Request-Id"] == "till-1.42"
    (line,) = logged.lines(route="/order")
    assert line["request_id"] == "till-1.42"
    assert (line["method"], line["status"], line["level"]) == ("GET", 200, "info")
    assert 0 < line["took_ms"] < 60_000


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "x" * 65, "<script>", "é", '"'])
def test_a_malformed_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    """The response has the trace id instead."""
    answer = client.get("/order", headers={"X-Request-Id": given, "traceparent": TRACEPARENT})
    assert answer.headers["X-Request-Id"] == TRACE_ID


def test_a_defect_is_logged_under_the_trace_id_of_the_response(
    client: FlaskClient, broken: str, logged: LogStream
) -> None:
    """The 500 has the trace_id; the log has the traceback under it, its mail address masked."""
    answer = client.get(broken, headers={"traceparent": TRACEPARENT})
    assert (answer.status_code, body(answer)["trace_id"]) == (500, TRACE_ID)
    error, request = logged.lines(trace_id=TRACE_ID)
    assert (error["level"], error["request_id"]) == ("error", TRACE_ID)
    assert "in fail" in error["trouble"]
    assert "***@example.com" in error["trouble"]
    assert (request["status"], request["level"]) == (500, "warning")
    assert "ann.smith" not in logged.getvalue()


@pytest.mark.usefixtures("catalogue")
def test_no_secret_gets_into_the_log(
    client: FlaskClient, runtime: Runtime, settled: Settled, logged: LogStream
) -> None:
    """No key, cookie, customer or link is logged, wherever a client sends it."""
    with transaction(runtime.store) as tx:
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
    wait_for("the mail is sent", lambda: logged.lines(handler="notification", outcome="done"))
    text = logged.getvalue()
    assert len(logged.lines()) > 10
    link_secret = order["link"].partition("-")[2]
    for secret in (key, key[-20:], "s3cret-cookie", "ann.smith", "Ann Smith", link_secret):
        assert secret not in text
    assert {line["who"] for line in logged.lines(route="/order")} == {"till-1", PUBLIC.name}


@pytest.mark.usefixtures("catalogue")
def test_a_delivery_without_effect_logs_the_reason(
    client: FlaskClient, settled: Settled, logged: LogStream
) -> None:
    place(client, tea=1)
    settled()
    told = {"handler": "notification", "event": "order.placed"}
    wait_for("the delivery is logged", lambda: logged.lines(**told))
    (line,) = logged.lines(**told)
    assert line["message"] == "order.placed to notification: done"
    assert line["note"] == "no mail: the order has no e-mail address"


def test_entries_below_the_level_are_not_written() -> None:
    log, stream = Log(), LogStream()
    log.open(stream, format_json, logging.WARNING)
    log.log(logging.INFO, "nothing", {})
    log.log(logging.WARNING, "something", {})
    assert [line["message"] for line in stream.lines()] == ["something"]


def test_queued_entries_are_written_at_close() -> None:
    """Lines are written in the order in which they were logged."""
    log, stream = Log(), LogStream()
    log.open(stream, format_json, logging.INFO)
    log.start()
    for n in range(500):
        log.log(logging.INFO, f"line {n}", {})
    log.close()
    assert [line["message"] for line in stream.lines()] == [f"line {n}" for n in range(500)]


def test_a_slow_reader_blocks_no_caller() -> None:
    """Entries are dropped, and a line says how many."""
    log, stream = Log(), LogStream()
    log.open(stream, format_json, logging.INFO)
    log.start()
    with log._lock:  # as during a slow write
        wait_for("entries are dropped", lambda: _overflow(log))
    log.close()
    gaps = [line["message"] for line in stream.lines(level="warning")]
    assert gaps
    assert all(gap.endswith("lines were dropped: too many at once") for gap in gaps)


def _overflow(log: Log) -> bool:
    """Log more than the queue holds; False when the thread has emptied the queue meanwhile."""
    for _ in range(QUEUE_MAX_ENTRIES + 1):
        log.log(logging.INFO, "one more", {})
    return log._dropped > 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # this test forks on purpose
def test_a_process_forked_during_a_write_can_log() -> None:
    """No thread of the new process would release a lock that was held at the fork."""
    log = Log()
    log._lock.acquire()
    threading.Timer(0.2, log._lock.release).start()  # a slow reader
    child = os.fork()
    if not child:
        os._exit(0 if log._lock.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_failed_write_raises_nothing() -> None:
    """A full disk or a closed stream fails no order."""
    log, stream = Log(), LogStream()
    log.open(stream, format_json, logging.INFO)
    stream.close()
    log.log(logging.WARNING, "lost", {})
