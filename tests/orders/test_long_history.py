"""An order that changes many times: its history, its timeline, and the history of its invoice."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.audit import recompute
from app.billing.documents import HISTORY as INVOICE_LINES
from app.billing.documents import INVOICES
from app.billing.service import reconcile_invoice
from app.config import Config
from app.events.outbox import TIMELINES
from app.inventory.service import add_product
from app.kernel.money import Currency
from app.kernel.payment_methods import INVOICE
from app.orders.documents import ORDER_HISTORY, ORDERS
from app.orders.service import OrderPolicy, change_order, place_order
from app.server.runtime import Runtime
from app.store import Store
from app.store.long_list import PAGE_LENGTH
from tests.conftest import CATALOGUE
from tests.over_http import body, read, request_for
from tests.transactions import transaction

Settled = Callable[[], None]

CHANGES = 600
POLICY = OrderPolicy(Currency("EUR"))


@dataclass
class Changing:
    """An order, and changes of it together with those of its invoice."""

    store: Store
    order_id: str
    changes: int = 0

    def change(self, count: int) -> None:
        """Change the order so many times in one transaction."""
        with transaction(self.store) as tx:
            for _ in range(count):
                self.changes += 1
                patch = {"customer_name": f"Ada {self.changes:03}"}
                change_order(tx, POLICY, self.order_id, patch)
                reconcile_invoice(tx, self.order_id)

    def stored(self) -> dict[str, Any]:
        """The order as it is stored."""
        with self.store.read() as view:
            return view.get(ORDERS.name, self.order_id) or {}


def start(store: Store) -> Changing:
    """Place an order of one tea, which is invoiced."""
    with transaction(store) as tx:
        order = place_order(tx, POLICY, request_for(tea=1) | {"payment_method": INVOICE})
        reconcile_invoice(tx, order["order_id"])
    return Changing(store, order["order_id"])


@pytest.fixture
def changing(runtime: Runtime, catalogue: dict[str, str]) -> Changing:
    """An order of the shop; its events are delivered once `settled` is called."""
    return start(runtime.store)


def test_the_600th_change_writes_as_much_as_the_10th(config: Config) -> None:
    """The bytes that a change writes do not depend on the number of changes before it."""
    # another process makes the checkpoints, so that the journal only grows
    runtime: Runtime = create_app(config, delivers=False).extensions["daybook"]
    with transaction(runtime.store) as tx:
        add_product(tx, dict(CATALOGUE[0]))
    changing = start(runtime.store)

    def bytes_of_changes() -> int:
        before = journal_bytes(config.data)
        for _ in range(2 * PAGE_LENGTH):
            changing.change(1)
        return journal_bytes(config.data) - before

    early = bytes_of_changes()
    changing.change(CHANGES - 4 * PAGE_LENGTH)
    late = bytes_of_changes()
    runtime.close()
    assert late < 1.5 * early


def journal_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "journal").iterdir())


def test_one_order_has_its_whole_history(
    changing: Changing, client: FlaskClient, settled: Settled
) -> None:
    """GET of the order has each change once, oldest first, and none of the store's fields."""
    changing.change(50)
    settled()
    order = read(client, f"/order/{changing.order_id}")
    events = [entry["event"] for entry in order["history"]]
    assert events == ["placed", *["changed"] * 50, "confirmed"]
    assert order["version"] == len(events)
    assert "earlier_pages" not in order


def test_timeline_and_invoice_are_whole(
    changing: Changing, client: FlaskClient, settled: Settled
) -> None:
    """Each event is in the timeline, each adjustment in the invoice's history, in order."""
    changing.change(50)
    settled()
    events = read(client, f"/order/{changing.order_id}/events")["events"]
    names = [
        each["event"]["data"]["order"]["customer_name"]
        for each in events
        if each["event"]["type"] == "order.updated"
    ]
    assert names == [f"Ada {number:03}" for number in range(1, 51)]
    with changing.store.read() as view:
        invoice = view.get(INVOICES.name, changing.order_id) or {}
        steps = INVOICE_LINES.read_all(view, invoice)["history"]
        timeline = view.get(TIMELINES.name, changing.order_id) or {}
    assert [step["event"] for step in steps] == ["made", *["adjusted"] * 50]
    assert len(invoice["history"]) < 2 * PAGE_LENGTH
    assert len(timeline["events"]) < 2 * PAGE_LENGTH


def test_a_list_of_orders_has_no_history(
    changing: Changing, client: FlaskClient, settled: Settled
) -> None:
    """The orders of a list are as large after many changes as before."""
    changing.change(50)
    settled()
    (order,) = read(client, "/order")["orders"]
    whole = read(client, f"/order/{changing.order_id}")
    assert order == {name: value for name, value in whole.items() if name != "history"}


@pytest.mark.parametrize("cancels", [False, True])
def test_a_change_answers_with_the_newest_entries(
    changing: Changing, client: FlaskClient, settled: Settled, cancels: bool
) -> None:
    """The response to a change has the end of the history, at least a page of it."""
    changing.change(50)
    settled()
    patch = {"status": "cancelled"} if cancels else {"customer_name": "Eva"}
    answer = body(client.patch(f"/order/{changing.order_id}", json=patch))
    whole = read(client, f"/order/{changing.order_id}")["history"]
    assert answer["history"] == whole[-len(answer["history"]) :]
    assert PAGE_LENGTH <= len(answer["history"]) < 2 * PAGE_LENGTH
    assert "earlier_pages" not in answer


def test_pages_go_with_their_order(
    changing: Changing, client: FlaskClient, settled: Settled
) -> None:
    """Deleting an order deletes its whole history."""
    changing.change(50)
    settled()
    assert client.delete(f"/order/{changing.order_id}").status_code == 200
    with changing.store.read() as view:
        assert list(view.keys(ORDER_HISTORY.name)) == []


def test_the_audit_reads_earlier_pages(changing: Changing, settled: Settled) -> None:
    """A status that the history does not have is noticed, however long ago the last one was."""
    settled()
    changing.change(50)
    with transaction(changing.store) as tx:
        order = tx.get(ORDERS.name, changing.order_id) or {}
        tx.put(ORDERS.name, order | {"status": "backordered"})
        assert "confirmed, by its history" in str(recompute(tx).differences)


def test_a_long_history_in_one_piece_is_divided(
    changing: Changing, client: FlaskClient, settled: Settled
) -> None:
    """An order of an older version, with 600 entries, is read whole and divided when it changes."""
    with transaction(changing.store) as tx:
        order = tx.get(ORDERS.name, changing.order_id) or {}
        line = {"at": order["order_date"], "event": "changed", "detail": ""}
        long = [line | {"detail": f"{number}"} for number in range(CHANGES)]
        tx.put(ORDERS.name, order | {"history": long})
    settled()
    assert read(client, f"/order/{changing.order_id}")["history"][:CHANGES] == long
    changing.change(1)
    history = read(client, f"/order/{changing.order_id}")["history"]
    assert history[:CHANGES] == long
    assert history[-1]["detail"] == "customer_name"
    assert len(changing.stored()["history"]) < 2 * PAGE_LENGTH
    ORDERS.check(changing.stored())
