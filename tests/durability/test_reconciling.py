"""Stock, invoices and payments follow the orders, whatever happens to the events.

Hypothesis places, changes, cancels, ships and deletes orders, adds stock, makes handlers fail,
delivers events late or twice, restarts the dispatcher, and searches for a sequence after which
stock or an invoice differs from what the orders say.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app import COLLECTIONS, connect_handlers
from app.audit import recompute
from app.billing.documents import INVOICES
from app.billing.payments import OPEN, VOID
from app.billing.simulator import Simulator, payment_gateway
from app.config import Config
from app.events import failures, outbox
from app.events.dispatch.loop import DeliveryLoop
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import WorkerPool
from app.events.faults import FAULTS
from app.events.outbox import EVENTS, OUTBOX, PENDING
from app.events.types import (
    Event,
    InventoryReserved,
    OrderCancelled,
    OrderFulfilled,
    OrderPlaced,
    OrderUpdated,
    PaymentCaptured,
)
from app.inventory.documents import PRODUCTS, RESERVATIONS
from app.inventory.queries import is_available
from app.inventory.service import add_product, change_stock
from app.kernel import order_states as states
from app.kernel.errors import Conflict
from app.kernel.money import Currency
from app.kernel.payment_methods import APPROVE, DECLINE, INVOICE
from app.kernel.quantities import quantities
from app.orders.documents import ORDERS
from app.orders.service import OrderPolicy, cancel_order, change_order, delete_order, place_order
from app.shipping import states as shipment_states
from app.shipping.documents import SHIPMENTS
from app.shipping.service import ship, shipping_policy
from app.store import Document, Transaction, View
from app.store.files.store import JsonFileStore
from app.webhooks.handlers import webhook_handlers
from tests.conftest import PATIENCE_S
from tests.transactions import transaction

RULES = OrderPolicy(Currency("EUR"))
CATALOGUE = (
    {"sku": "tea", "name": "Assam", "price": "4.50", "quantity": 1000},
    {"sku": "mug", "name": "Mug", "price": "12.00", "quantity": 6},
    {"sku": "pot", "name": "Teapot", "price": "30.00", "quantity": 2, "backorder": True},
)
LINES = st.lists(
    st.fixed_dictionaries(
        {"product": st.sampled_from(["tea", "mug", "pot"]), "quantity": st.integers(1, 3)}
    ),
    min_size=1,
    max_size=2,
)
POTS: list[Document] = [{"product": "pot", "quantity": 2}]
METHODS = st.sampled_from([APPROVE, DECLINE, INVOICE])
PLACES = st.integers(0, 7)
HANDLERS = st.sampled_from(["inventory", "billing", "shipping", "orders"])
KINDS = st.sampled_from(
    [OrderPlaced, OrderUpdated, OrderCancelled, InventoryReserved, PaymentCaptured, OrderFulfilled]
)


class Shop(RuleBasedStateMachine):
    """A shop on a real store, whose deliveries are driven one step at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        config = Config(data=Path(self.folder.name) / "data")
        self.store = JsonFileStore(config.data, COLLECTIONS)
        self.registry = connect_handlers(config, payment_gateway(config), webhook_handlers(config))
        self.gateway = Simulator(config.data / "gateway")
        self.shipping = shipping_policy(config)
        self.worker_pool = WorkerPool()
        self.orders: list[str] = []
        self.arrived: Counter[str] = Counter()

    @initialize()
    def open_shop(self) -> None:
        with transaction(self.store) as tx:
            for product in CATALOGUE:
                add_product(tx, dict(product))
                self.arrived[str(product["sku"])] = int(str(product["quantity"]))
        self.restart()
        self.place([POTS, POTS], 8)  # one has got them, the other waits: a shop at work

    @rule()
    def restart(self) -> None:
        """A restarted delivery loop knows nothing but the outbox."""
        feed, policy = self.store.change_feed(OUTBOX.name), RetryPolicy(2, 0.001)
        self.round = DeliveryLoop(
            self.store, self.registry, policy, feed, self.worker_pool, with_faults=True
        )
        self.round.load_outbox()

    @rule(orders=st.lists(LINES, min_size=1, max_size=3), steps=st.integers(0, 8))
    def place(self, orders: list[list[Document]], steps: int) -> None:
        for lines in orders:
            with suppress(Conflict), transaction(self.store) as tx:
                order = place_order(tx, RULES, {"customer_name": "Ann", "items": lines})
                self.orders.append(order["order_id"])
        self.deliver_some(steps)

    @rule(place=PLACES, lines=LINES)
    def change(self, place: int, lines: list[Document]) -> None:
        self._with_order(place, lambda tx, name: change_order(tx, RULES, name, {"items": lines}))

    @rule(place=PLACES, method=METHODS)
    def change_payment_method(self, place: int, method: str) -> None:
        patch = {"payment_method": method}
        self._with_order(place, lambda tx, order: change_order(tx, RULES, order, patch))

    @rule(place=PLACES, name=st.sampled_from(["Ann", "Bob"]))
    def rename(self, place: int, name: str) -> None:
        patch = {"customer_name": name}
        self._with_order(place, lambda tx, order: change_order(tx, RULES, order, patch))

    @rule(place=PLACES)
    def cancel(self, place: int) -> None:
        self._with_order(place, lambda tx, name: cancel_order(tx, name))

    @rule(place=PLACES)
    def delete(self, place: int) -> None:
        if self._with_order(place, lambda tx, name: delete_order(tx, name)):
            del self.orders[place % len(self.orders)]

    @rule(sku=st.sampled_from(["mug", "pot"]), quantity=st.integers(1, 2))
    def restock(self, sku: str, quantity: int) -> None:
        with transaction(self.store) as tx:
            change_stock(tx, sku, {"change": quantity, "reason": "delivery"}, "test")
        self.arrived[sku] += quantity

    @rule(place=PLACES)
    def ship(self, place: int) -> None:
        """Ship a ready shipment, if one becomes ready within some steps."""
        self.deliver_some(5)
        self._ship(place)

    @rule(steps=st.integers(1, 8))
    def deliver_some(self, steps: int) -> None:
        """Run so many steps, or until nothing can go on; then each step waits a little."""
        for _ in range(steps):
            before = self.store.position()
            self._step()
            if self.store.position() == before and not self.worker_pool.partitions:
                return

    @rule(kind=KINDS, place=PLACES)
    def repeat_an_event(self, kind: type[Event], place: int) -> None:
        """An event that all handlers have completed comes again, late, to all of them."""
        with transaction(self.store) as tx:
            records = (tx.get(EVENTS.name, key) for key in tx.keys(EVENTS.name))
            done = [each for each in records if each and each["event"]["type"] == kind.type]
            if done:
                _repeat(tx, done[place % len(done)])

    @invariant()
    def nothing_is_sold_twice(self) -> None:
        with self.store.read() as view:
            for product in view.find(PRODUCTS.name).documents:
                assert 0 <= product["reserved"] <= product["quantity"]
                assert product["available"] == product["quantity"] - product["reserved"]

    @invariant()
    def stock_is_right_when_all_is_delivered(self) -> None:
        if not self._open():
            self._check_stock()
            self._check_on_hand()

    def teardown(self) -> None:
        """After all is delivered without faults, every document agrees with the orders."""
        try:
            self._settle()
            self._check_stock()
            self._check_on_hand()
            self._check_invoices()
            with self.store.read() as view:
                assert recompute(view).differences == []
            self._check_payments()
        finally:
            self.worker_pool.close()
            self.store.close()
            self.folder.cleanup()

    def _with_order(self, place: int, work: Callable[[Transaction, str], object]) -> bool:
        """Do `work` with one of the orders; returns whether it was done rather than refused."""
        if self.orders:
            with suppress(Conflict), transaction(self.store) as tx:
                work(tx, self.orders[place % len(self.orders)])
                return True
        return False

    def _ship(self, place: int) -> str | None:
        """Hand over one of the ready shipments; returns its order's id, or None."""
        with transaction(self.store) as tx:
            ready = tx.find(SHIPMENTS.name, {"state": shipment_states.READY}).documents
            if not ready:
                return None
            order_id = str(ready[place % len(ready)]["shipment_id"])
            with suppress(Conflict):
                ship(tx, self.shipping, order_id, "DHL", "JD0146")
                return order_id
        return None

    def _step(self) -> None:
        if self._open():
            self.round.run_once()

    def _open(self) -> int:
        with self.store.read() as view:
            return view.count(OUTBOX.name)

    def _replay_failures(self) -> None:
        with self.store.read() as view:
            keys = [each["id"] for each in failures.find_entries(view, failures.Selection())]
        failures.replay_all(self.store, keys, by="test")

    def _settle(self) -> None:
        with transaction(self.store) as tx:
            for fault in tx.find(FAULTS.name).documents:
                tx.delete(FAULTS.name, fault["handler"])
        deadline = monotonic() + PATIENCE_S
        while self._open():
            assert monotonic() < deadline, "the deliveries do not end"
            self._replay_failures()
            self._step()
        with self.store.read() as view:
            assert view.count(OUTBOX.name) == view.count(failures.FAILURES.name) == 0

    def _check_stock(self) -> None:
        with self.store.read() as view:
            orders = view.find(ORDERS.name).documents
            held: Counter[str] = Counter()
            for order in orders:
                assert order["status"] in {
                    states.CONFIRMED,
                    states.BACKORDERED,
                    states.SHIPPED,
                    states.CANCELLED,
                    states.FAILED,
                }
                if order["status"] == states.CONFIRMED:
                    for line in order["items"]:
                        held[line["product"]] += line["quantity"]
            for product in view.find(PRODUCTS.name).documents:
                assert product["reserved"] == held[product["sku"]]
            open_orders = {o["order_id"] for o in orders if o["status"] in states.OPEN}
            assert set(view.keys(RESERVATIONS.name)) == open_orders
            waiting = [order for order in orders if order["status"] == states.BACKORDERED]
            assert not any(is_available(view, order) for order in waiting)

    def _check_on_hand(self) -> None:
        """On hand is the initial stock and what arrived, less what was shipped, deleted orders
        included.
        """
        with self.store.read() as view:
            left = quantities(line for each in _sent(view) for line in each["lines"])
            for product in view.find(PRODUCTS.name).documents:
                assert product["quantity"] == self.arrived[product["sku"]] - left[product["sku"]]

    def _check_invoices(self) -> None:
        with self.store.read() as view:
            orders = {order["order_id"]: order for order in view.find(ORDERS.name).documents}
            found = (view.get(INVOICES.name, key) for key in view.keys(INVOICES.name))
            invoices = {each["order_id"]: each for each in found if each}
            sold = {each["shipment_id"] for each in _sent(view)}
        for order_id, order in orders.items():
            if order["status"] in states.OPEN:
                told = ("items", "total_amount", "customer_name")
                assert [order[name] for name in told] == [invoices[order_id][name] for name in told]
        for order_id, invoice in invoices.items():
            is_open = order_id in orders and orders[order_id]["status"] in states.OPEN
            is_open = is_open or order_id in sold
            assert invoice["status"] == (OPEN if is_open else VOID)
        numbers = sorted(invoice["invoice_number"] for invoice in invoices.values())
        assert numbers == list(range(1, len(numbers) + 1))

    def _check_payments(self) -> None:
        """The invoices and the gateway record the same money."""
        held: defaultdict[str, Decimal] = defaultdict(Decimal)
        for request in self.gateway.requests():
            if request["reference"] and not request["declined"]:
                sign = 1 if request["kind"] == "charge" else -1
                held[request["key"].rpartition("-")[0]] += sign * Decimal(request["amount"])
        with self.store.read() as view:
            for order_id in view.keys(INVOICES.name):
                invoice = view.get(INVOICES.name, order_id) or {}
                assert Decimal(invoice["paid"]) == held.pop(order_id, 0)
        assert not held


class FaultyShop(Shop):
    """A shop whose handlers fail as well."""

    @rule(handler=HANDLERS, mode=st.sampled_from(["fail", "reject"]), times=st.integers(1, 3))
    def make_fail(self, handler: str, mode: str, times: int) -> None:
        fault = {"handler": handler, "mode": mode, "times": times, "delay_s": 1, "order": None}
        with transaction(self.store) as tx:
            tx.put(FAULTS.name, fault)

    @rule(place=PLACES)
    def ship_before_orders_is_told(self, place: int) -> None:
        """Goods leave, orders is not told, and inventory gets an old event again."""
        self.deliver_some(5)
        if order_id := self._ship(place):
            fault = {"handler": "orders", "mode": "reject", "times": 1, "delay_s": 1}
            with transaction(self.store) as tx:
                tx.put(FAULTS.name, fault | {"order": order_id})
            self.deliver_some(5)
            with transaction(self.store) as tx:
                first = next(outbox.timeline(tx, order_id))
                if first["id"] in tx.keys(EVENTS.name):
                    _repeat(tx, first)

    @rule()
    def replay_failures(self) -> None:
        self._replay_failures()


def _repeat(tx: Transaction, record: Document) -> None:
    for delivery in record["deliveries"].values():
        delivery.update(state=PENDING, attempts=0)
    tx.delete(EVENTS.name, record["id"])
    outbox.save_record(tx, record)


def _sent(view: View) -> list[Document]:
    """The shipments that have left, also those of deleted orders."""
    shipments = (view.get(SHIPMENTS.name, key) for key in view.keys(SHIPMENTS.name))
    return [each for each in shipments if each and each["state"] in states.SENT]


QUICK = settings(
    max_examples=8,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
LONG = settings(QUICK, max_examples=150, stateful_step_count=50)

TestReconciling, TestReconcilingWithFaults = Shop.TestCase, FaultyShop.TestCase
TestReconciling.settings = TestReconcilingWithFaults.settings = QUICK


class LongRun(Shop):
    """The same rules, for many more and longer sequences."""


class LongFaultyRun(FaultyShop):
    """The same as LongRun, with failing handlers."""


TestLongRun = pytest.mark.long(pytest.mark.deep(LongRun.TestCase))
TestLongFaultyRun = pytest.mark.long(pytest.mark.deep(LongFaultyRun.TestCase))
TestLongRun.settings = TestLongFaultyRun.settings = LONG
