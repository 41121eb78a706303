"""Reads a data folder, as a person does from its files, or as another process of the store."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from app import create_app
from app.billing.documents import INVOICES
from app.billing.simulator import Simulator
from app.config import Config
from app.config.readers import FILES
from app.events.outbox import DONE, OUTBOX, timeline
from app.inventory.documents import PRODUCTS, RESERVATIONS
from app.inventory.service import add_product
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.store import Document, View
from tests.transactions import transaction

CATALOGUE = (
    {"sku": "tea", "name": "Assam, 100 g", "price": "4.50", "quantity": 1_000_000},
    {"sku": "mug", "name": "Mug", "price": "12.00", "quantity": 1_000_000},
)
FIRST_NUMBER = 1001
T = TypeVar("T")


def fill_catalogue(
    data: Path, catalogue: Iterable[Document] = CATALOGUE, store: str = FILES
) -> None:
    """Create a shop with products; by default two of them, a million pieces each."""
    runtime: Runtime = create_app(Config(data=data, store=store)).extensions["daybook"]
    with transaction(runtime.store) as tx:
        for product in catalogue:
            add_product(tx, dict(product))
    runtime.close()


def documents_in(file: Path) -> list[Any]:
    """Return the documents of a file in a data folder; fails when it is not valid JSON."""
    documents: list[Any] = json.loads(file.read_bytes())
    return documents


class StoreReader:
    """Reads the folder through a store of this process, which neither delivers nor writes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def read(self, look: Callable[[View], T]) -> T:
        """Return what `look` returns for a view of the store."""
        with self._runtime.store.read() as view:
            return look(view)

    def open_events(self) -> int:
        """Return the number of events that a handler still has to process."""
        with self._runtime.store.read() as view:
            return view.count(OUTBOX.name)

    def orders(self) -> list[Document]:
        with self._runtime.store.read() as view:
            return view.find(ORDERS.name).documents

    def numbers(self) -> list[int]:
        return sorted(order["number"] for order in self.orders())

    def deliveries(self) -> Counter[tuple[str, str, str]]:
        """Count the deliveries by (event type, handler, state)."""
        count: Counter[tuple[str, str, str]] = Counter()
        for order in self.orders():
            with self._runtime.store.read() as view:
                for record in timeline(view, order["order_id"]):
                    for handler, delivery in record["deliveries"].items():
                        count[record["event"]["type"], handler, delivery["state"]] += 1
        return count

    def out_of_order(self) -> list[tuple[str, str]]:
        """Return (order, handler) of each delivery that was done too early.

        One that was skipped has no effect, and waits for no earlier one where the event says so.
        """
        found = []
        for order in self.orders():
            done: dict[str, str] = {}
            for record in self.read(partial(_timeline, order["order_id"])):
                for handler, delivery in record["deliveries"].items():
                    if delivery.get("note"):
                        continue
                    if delivery["at"] < done.get(handler, ""):
                        found.append((order["order_id"], handler))
                    done[handler] = delivery["at"]
        return found

    def mailed_events(self) -> set[str]:
        """Return the events whose mail was sent."""
        return {event for events in self.mails_in_order() for event in events}

    def mails_in_order(self) -> list[list[str]]:
        """Return, for each order, the events whose mail was sent, oldest first."""
        mailed = []
        for order in self.orders():
            timeline = self.read(partial(_timeline, order["order_id"]))
            mailed.append([record["id"] for record in timeline if _is_mailed(record)])
        return mailed

    def invoices(self) -> list[Document]:
        """Return every invoice, void ones too."""
        with self._runtime.store.read() as view:
            found = (view.get(INVOICES.name, key) for key in view.keys(INVOICES.name))
            return [invoice for invoice in found if invoice]

    def invoiced(self) -> list[str]:
        """Return the order of each invoice that is not void."""
        return [each["order_id"] for each in self.invoices() if each["status"] == "open"]

    def reserved(self) -> dict[str, int]:
        """Return the reserved pieces of each product, by the products."""
        with self._runtime.store.read() as view:
            return {each["sku"]: each["reserved"] for each in view.find(PRODUCTS.name).documents}

    def reserved_by_orders(self) -> dict[str, int]:
        """Return the reserved pieces of each product, by the reservations."""
        with self._runtime.store.read() as view:
            return dict(_sum_reservations(view))

    def check_all(self, orders: int) -> None:
        """Assert that `orders` orders are each numbered, delivered, invoiced and reserved once."""
        assert self.numbers() == list(range(FIRST_NUMBER, FIRST_NUMBER + orders))
        self.check_effects(orders)
        charges = Simulator(self._runtime.config.data / "gateway").requests()
        ids = sorted(order["order_id"] for order in self.orders())
        assert sorted(charge["key"] for charge in charges) == [f"{each}-1" for each in ids]

    def check_effects(self, orders: int) -> None:
        """Assert that `orders` orders are each delivered, invoiced, paid and reserved once."""
        assert self.deliveries() == {
            ("order.placed", "inventory", DONE): orders,
            ("order.placed", "billing", DONE): orders,
            ("order.placed", "notification", DONE): orders,
            ("inventory.reserved", "orders", DONE): orders,
            ("inventory.reserved", "shipping", DONE): orders,
            ("inventory.reserved", "notification", DONE): orders,
            ("payment.captured", "orders", DONE): orders,
            ("payment.captured", "shipping", DONE): orders,
            ("payment.captured", "notification", DONE): orders,
        }
        ids = sorted(order["order_id"] for order in self.orders())
        assert sorted(self.invoiced()) == ids
        assert {order["payment_status"] for order in self.orders()} == {"paid"}
        assert self.reserved() == {"tea": 2 * orders, "mug": orders} == self.reserved_by_orders()


@contextmanager
def open_store(data: Path, store: str = FILES) -> Iterator[StoreReader]:
    """Open the folder, or the database, for reading, also while servers work on it."""
    runtime: Runtime = create_app(Config(data=data, store=store)).extensions["daybook"]
    try:
        runtime.open()
        yield StoreReader(runtime)
    finally:
        runtime.close()


def _timeline(order_id: str, view: View) -> list[Document]:
    return list(timeline(view, order_id))


def _is_mailed(record: Document) -> bool:
    """Whether a mail about the event was sent, and not skipped."""
    delivery = record["deliveries"].get("notification", {})
    return delivery.get("state") == DONE and "note" not in delivery


def _sum_reservations(view: View) -> Counter[str]:
    total: Counter[str] = Counter()
    for key in view.keys(RESERVATIONS.name):
        for line in (view.get(RESERVATIONS.name, key) or {"lines": []})["lines"]:
            total[line["product"]] += line["quantity"]
    return total
