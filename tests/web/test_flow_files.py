"""The pages behind the boxes of the flow: code, journal, failure.json."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.auth.users import USERS
from app.config import Config
from app.events.outbox import TIMELINES
from app.server.runtime import Runtime
from app.web.flow.files import MAX_LINE_CHARS, MAX_LINES, line_of
from tests.auth.people import make_user, signed_in
from tests.over_http import place
from tests.processes.servers import wait_for
from tests.transactions import transaction
from tests.web.page import Page

Settled = Callable[[], None]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("inventory", ["app.inventory.handlers.on_order_event", "order.placed",
                       "Reserve the lines that the order has now, whatever the event says.",
                       "app.inventory.handlers.on_fulfilled", "order.fulfilled"]),
        ("billing", ["app.billing.handlers.on_order_event", "docs/flow.md"]),
        ("notification", ["app.notification.handlers.Notifier."]),
        ("shipping", ["app.shipping.handlers.on_order_event"]),
        ("orders", ["app.orders.handlers.on_payment", "payment.captured"]),
        ("api", ["app.orders.service.place_order", "docs/api.md"]),
        ("outbox", ["app.events.outbox.emit"]),
        ("done", ["app.events.dispatch.outcome.record_outcome"]),
        ("failure", ["app.events.failures.put_entry"]),
    ],
)  # fmt: skip
def test_a_box_names_its_code(client: FlaskClient, name: str, texts: list[str]) -> None:
    """Module and function, the first sentence of the docstring, event types, and a page of docs."""
    page = Page(client.get(f"/flow/code/{name}"))
    assert [text for text in texts if text not in page.text] == []
    assert (Path(__file__).parents[2] / "docs/flow.md").exists()


def test_an_unknown_box_is_not_found(client: FlaskClient) -> None:
    """404, as for any address that leads nowhere."""
    assert client.get("/flow/code/none").status_code == 404


def test_every_box_is_a_link(client: FlaskClient) -> None:
    """To its own page."""
    page = Page(client.get("/flow"))
    pages = {link for link in page.links if link.startswith("/flow/")}
    assert pages >= {f"/flow/code/{name}" for name in ("api", "outbox", "billing", "orders")}
    assert pages >= {"/flow/journal", "/flow/failure.json"}
    assert {client.get(link).status_code for link in pages} == {200}


@pytest.fixture
def lines(app: Flask, runtime: Runtime) -> Callable[[], list[bytes]]:
    """A function that returns the lines of the journal; without requests no checkpoint runs."""
    return lambda: runtime.journal_lines(10**6)


@pytest.mark.usefixtures("catalogue")
def test_a_line_is_shown_as_it_stands(lines: Callable[[], list[bytes]]) -> None:
    """With its number and the collections that it changed; other lines have no number."""
    header, *_, last = lines()
    shown = line_of(last)
    assert shown.title == f"Entry {shown.key}: stock_ledger, products, events, counters"
    assert shown.text == last.decode()[:MAX_LINE_CHARS] + shown.text[MAX_LINE_CHARS:]
    assert line_of(header)[:2] == ("", "Header of the segment")
    assert line_of(b'{"crc":"0","published":5}').title == "Line of a checkpoint"


def test_secrets_are_not_shown(
    app: Flask, runtime: Runtime, lines: Callable[[], list[bytes]]
) -> None:
    """Users, keys and sessions are counted, put or deleted; a damaged line is not shown at all."""
    make_user(app, "ada", "clerk")
    with transaction(runtime.store) as tx:
        create_key(tx, "robot", "clerk")
        tx.delete(USERS.name, "ada")
    put, both = lines()[-2:]
    assert b"argon2" in put
    assert "argon2" not in line_of(put).text
    shown = line_of(both)
    assert shown.title == f"Entry {shown.key}: keys, users"
    assert "robot" not in shown.text
    assert shown.text.count("1 not shown") == 2
    assert line_of(put[:-1]) == ("", "A damaged line", "")


def test_long_lines_are_cut(runtime: Runtime, lines: Callable[[], list[bytes]]) -> None:
    """With the number of the characters that follow."""
    with transaction(runtime.store) as tx:
        tx.put(TIMELINES.name, {"subject": "x", "events": ["x" * 10_000]})
    shown = line_of(lines()[-1])
    assert MAX_LINE_CHARS < len(shown.text) < MAX_LINE_CHARS + 50
    assert shown.text.endswith(" characters")


def test_the_page_of_the_journal_is_small(client: FlaskClient, runtime: Runtime) -> None:
    """The newest lines, and no more than fit; while there are some, it requests itself again."""
    runtime.open()
    for number in range(2 * MAX_LINES):
        with transaction(runtime.store) as tx:
            tx.put(TIMELINES.name, {"subject": f"{number}", "events": ['"' * 9000]})
    answer = client.get("/flow/journal")
    assert len(answer.data) < 100_000
    assert Page(answer).text.count("Entry ") <= MAX_LINES


@pytest.mark.usefixtures("catalogue")
def test_failure_json_is_shown_as_it_stands(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """After the next checkpoint, with the entry."""
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    settled()
    wait_for(
        "the checkpoint has it",
        lambda: "a fault switch is on" in Page(client.get("/flow/failure.json")).by_id["file"],
    )


def test_failure_json_is_for_operators(app: Flask) -> None:
    """A clerk sees the code of it instead."""
    clerk = signed_in(app, "ada", "clerk")
    assert clerk.get("/flow/failure.json").status_code == 403
    assert "/flow/code/failure" in Page(clerk.get("/flow")).links
