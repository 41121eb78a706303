"""Fills a data folder with completely handled orders, quickly.

The documents are those that the service itself would have written: order, reservation, invoice,
shipment, timeline and archived events. The service would take minutes for a hundred thousand
orders. `flask check` finds no difference in the result.
"""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from app import COLLECTIONS
from app.billing import service as billing
from app.billing.gateway import Response
from app.events import outbox
from app.events.types import Envelope, PaymentCaptured
from app.inventory import service as inventory
from app.inventory.reservations import reconcile_reservation
from app.kernel import clock
from app.kernel.money import Currency
from app.orders.handlers import on_inventory_event, on_payment
from app.orders.service import OrderPolicy, place_order
from app.server.migrations import SCHEMA
from app.shipping import service as shipping
from app.store import Store, Transaction
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from bench.workload import PRODUCTS, STOCK

BATCH = 500
CHECKPOINT_INTERVAL_ORDERS = 250_000
"""Until a checkpoint, an order takes about ten kilobytes of memory."""
SPAN_DAYS = 365


def generate(folder: Path, orders: int, seed: int = 1) -> None:
    """Write `orders` orders of one to four lines from a tenth as many customers, over a year."""
    store = JsonFileStore(folder, COLLECTIONS, lock_timeout_s=60, schema=SCHEMA)
    chance = random.Random(seed)
    add_products(store)
    checkpointer = Checkpointer(store)
    for begin in range(0, orders, BATCH):
        if begin % CHECKPOINT_INTERVAL_ORDERS == 0:
            checkpointer.checkpoint()
        numbers = range(begin, min(begin + BATCH, orders))
        store.run_in_transaction(partial(_put_orders, chance, numbers, orders))
    checkpointer.checkpoint()
    store.close()


def add_products(store: Store) -> None:
    """Add the products, with more stock than any run can sell."""

    def add_all(tx: Transaction) -> None:
        for n in range(1, PRODUCTS + 1):
            product = {"sku": f"sku-{n:03}", "name": f"Product {n}", "price": f"{n}.50"}
            inventory.add_product(tx, product | {"quantity": STOCK * 1000})

    store.run_in_transaction(add_all)


def _put_orders(
    chance: random.Random, numbers: Iterable[int], orders: int, tx: Transaction
) -> None:
    for n in numbers:
        _handled_order(tx, chance, n, orders)


def _handled_order(tx: Transaction, chance: random.Random, n: int, orders: int) -> None:
    customer = chance.randrange(max(orders // 10, 1))
    lines = [
        {"product": f"sku-{sku:03}", "quantity": chance.randint(1, 5)}
        for sku in chance.sample(range(1, PRODUCTS + 1), chance.randint(1, 4))
    ]
    request = {
        "customer_name": f"Customer {customer}",
        "customer_email": f"customer{customer}@example.com",
        "items": lines,
    }
    at = datetime.now(UTC) - timedelta(days=SPAN_DAYS * (1 - n / orders))
    order = place_order(tx, OrderPolicy(Currency("EUR")), request, order_date=clock.format_time(at))
    reconcile_reservation(tx, order["order_id"])
    question = billing.reconcile_invoice(tx, order["order_id"])
    if question:
        billing.reconcile_invoice(
            tx, order["order_id"], Response(question.key, f"sim-{question.key}")
        )
    shipping.reconcile_shipment(tx, order["order_id"], shipping.ShippingPolicy())
    for record in list(outbox.timeline(tx, order["order_id"])):
        if "orders" in record["deliveries"]:
            event = Envelope.from_cloudevent(record["event"])
            is_payment = event.type == PaymentCaptured.type
            (on_payment if is_payment else on_inventory_event)(tx, event)
        for handler in record["deliveries"]:
            outbox.mark_done(record["deliveries"][handler])
        outbox.save_record(tx, record)
