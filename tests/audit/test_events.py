"""Timelines, events and failures: a check finds what is lost, or in the wrong place."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.events.failures import FAILURES, discard
from app.events.outbox import EVENTS, OUTBOX, TIMELINES
from app.server.runtime import Runtime
from app.store import Document
from tests.audit.conftest import Edit, Settled, audit, differences
from tests.over_http import place
from tests.transactions import transaction


@pytest.fixture
def refused(
    runtime: Runtime, client: FlaskClient, catalogue: dict[str, str], settled: Settled
) -> Document:
    """The entry in failure.json of an order that billing refused."""
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    settled()
    with runtime.store.read() as view:
        (entry,) = view.find(FAILURES.name).documents
    return entry


def test_an_event_that_is_lost(runtime: Runtime, order: dict[str, Any]) -> None:
    with transaction(runtime.store) as tx:
        timeline = tx.get(TIMELINES.name, order["order_id"])
        assert timeline is not None
        event_id = timeline["events"][0]
        tx.delete(EVENTS.name, event_id)
    assert differences(runtime) == [
        f"timeline of {order['order_id']}: expected event {event_id}, found no such event"
    ]


def test_an_event_that_no_timeline_names(
    runtime: Runtime, edit: Edit, order: dict[str, Any]
) -> None:
    with runtime.store.read() as view:
        timeline = view.get(TIMELINES.name, order["order_id"])
    assert timeline is not None
    first, *others = timeline["events"]
    edit(TIMELINES.name, order["order_id"], events=others)
    assert differences(runtime) == [
        f"event of {first}: expected a place in its timeline, found none"
    ]


def test_a_finished_event_in_the_outbox(runtime: Runtime, order: dict[str, Any]) -> None:
    with transaction(runtime.store) as tx:
        event_id = (tx.get(TIMELINES.name, order["order_id"]) or {})["events"][0]
        record = tx.get(EVENTS.name, event_id)
        assert record is not None
        tx.put(OUTBOX.name, record)
        tx.delete(EVENTS.name, event_id)
    assert differences(runtime) == [f"event of {event_id}: expected events.json, found outbox.json"]


def test_a_dead_delivery_without_its_failure(runtime: Runtime, refused: Document) -> None:
    with transaction(runtime.store) as tx:
        tx.delete(FAILURES.name, refused["id"])
    assert differences(runtime) == [f"failure of {refused['id']}: expected an entry, found none"]


def test_a_failure_without_its_dead_delivery(
    runtime: Runtime, edit: Edit, refused: Document
) -> None:
    edit(FAILURES.name, refused["id"], state="replaying")
    assert differences(runtime) == [
        f"delivery of failure {refused['id']}: expected pending, found dead"
    ]


def test_a_failure_is_no_difference(runtime: Runtime, refused: Document) -> None:
    """The order is on its way to an invoice; a person sees that in failure.json."""
    assert audit(runtime).differences == []
    assert audit(runtime).in_progress == {refused["event"]["subject"]}


def test_a_discarded_delivery_is_no_difference(runtime: Runtime, refused: Document) -> None:
    """A person said that there shall be no invoice."""
    with transaction(runtime.store) as tx:
        discard(tx, refused["id"], by="eva", reason="paid in cash")
    assert audit(runtime).differences == []
    assert audit(runtime).discarded == {refused["event"]["subject"]}
