"""A bookshop under random load: four clients at once, and a server that is killed ten times.

The clients' records (readers.py) say what the shop must hold in the end. Another seed gives another
sequence of actions: BOOKSHOP_SEED=7 pytest -m deep tests/processes/test_bookshop.py
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from app.billing.simulator import Simulator
from app.events.dispatch.worker_pool import MAX_UNACKNOWLEDGED
from app.store import Document
from tests.cli import shell
from tests.processes.bookshop import PRICES, START, Shop
from tests.processes.readers import Bought, Reader
from tests.processes.reconciliation import FIRST_NUMBER, documents_in, open_store
from tests.processes.servers import wait_for

SEED = int(os.environ.get("BOOKSHOP_SEED", "1"))
READERS, ORDERS, KILLS = 4, 300, 10
ALWAYS_MAILED = ("order.placed", "order.updated", "order.fulfilled", "order.delivered")
ACTIONS = {"change", "cancel", "delete", "ship", "deliver", "restock", "reprice", "ship refused"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A running bookshop with twelve pieces of each book."""
    shop = Shop(tmp_path)
    try:
        shop.server.start()
        yield shop
    finally:
        shop.close()


@pytest.mark.deep
@pytest.mark.long
@pytest.mark.parametrize("seed", [SEED])
def test_a_bookshop_loses_nothing_when_it_is_killed_ten_times(shop: Shop, seed: int) -> None:
    """Stock, payments, numbers and mails agree with what was acknowledged to the clients."""
    readers = [
        Reader(f"{seed}-{n}", shop.server, PRICES, ORDERS // READERS) for n in range(READERS)
    ]
    with ThreadPoolExecutor(READERS) as threads:
        runs = [threads.submit(reader.run) for reader in readers]
        _kill_at_random_points(shop, readers, runs, Random(seed))
        for run in runs:
            run.result()
    did = sum((reader.did for reader in readers), Counter[str]())
    assert did.keys() >= ACTIONS, "not every action was done; take more orders or another seed"
    with open_store(shop.data) as store:
        wait_for("everything is delivered", lambda: store.open_events() == 0)
        invoices = store.invoices()

    bought = [each for reader in readers for each in reader.bought]
    orders = {order["order_id"]: order for order in shop.pages("/order", "orders")}
    events = {each.order_id: _events_of(shop, each) for each in bought}
    for each in bought:
        _check_order(each, orders.get(each.order_id), events[each.order_id])
    assert orders.keys() == {each.order_id for each in bought if each.state != "deleted"}
    _check_numbers(bought, invoices)
    _check_stock(shop, readers, bought, orders)
    _check_payments(shop, bought, orders)
    _check_mails(shop, [record for records in events.values() for record in records])
    assert documents_in(shop.data / "failure.json") == []
    assert shop.server.stop() == 0
    code, out, err = shell.run(shop.data, "check")
    assert code == 0, out + err


def _kill_at_random_points(
    shop: Shop, readers: list[Reader], runs: list[Future[None]], random: Random
) -> None:
    """Kill the shop KILLS times, at random numbers of placed orders."""
    for point in sorted(random.sample(range(1, ORDERS - READERS), KILLS)):
        while sum(len(reader.bought) for reader in readers) < point:
            ended, _ = wait(runs, timeout=0.01, return_when=FIRST_EXCEPTION)
            if any(run.exception() for run in ended):
                return
        shop.kill()


def _check_order(each: Bought, order: Document | None, events: list[Document]) -> None:
    """Each acknowledged order is stored, with exactly the events that its changes promise."""
    events_by_type = Counter(record["event"]["type"] for record in events)
    expected = +each.events
    if order is None:
        assert each.state == "deleted"
    else:
        assert order["number"] == each.number
        assert Counter({li["product"]: li["quantity"] for li in order["items"]}) == each.lines
        assert Decimal(order["total_amount"]) == each.total(PRICES)
        if each.state == "open":
            assert order["status"] in ("confirmed", "backordered", "cancelled", "failed"), order
        else:
            assert order["status"] == each.state, order
        if order["status"] in ("cancelled", "failed"):
            expected["order.cancelled"] = 1
    if each.state == "deleted":
        # the shop may have ended it before: payment declined, or stock short
        expected["order.cancelled"] = events_by_type["order.cancelled"]
        assert events_by_type["order.cancelled"] <= 1
    ours = {kind: n for kind, n in events_by_type.items() if kind.startswith("order.")}
    assert ours == dict(+expected), (each, order)


def _check_numbers(bought: list[Bought], invoices: list[Document]) -> None:
    """The numbers of orders and of invoices have no gap and no repeat."""
    numbers = sorted(each.number for each in bought)
    assert numbers == list(range(FIRST_NUMBER, FIRST_NUMBER + ORDERS))
    assert len({each.order_id for each in bought}) == ORDERS
    assert sorted(each["invoice_number"] for each in invoices) == list(range(1, len(invoices) + 1))
    invoiced = [each["order_id"] for each in invoices]
    assert len(set(invoiced)) == len(invoiced)


def _check_stock(
    shop: Shop, readers: list[Reader], bought: list[Bought], orders: dict[str, Document]
) -> None:
    """On hand is start + deliveries − shipped; reserved is the sum of confirmed orders."""
    on_hand = Counter(dict.fromkeys(PRICES, START))
    reserved: Counter[str] = Counter()
    for reader in readers:
        on_hand.update(reader.delivered)
    for each in bought:
        if each.was_sent:
            on_hand.subtract(each.lines)
        elif each.order_id in orders and orders[each.order_id]["status"] == "confirmed":
            reserved.update(each.lines)
    products = {product["sku"]: product for product in shop.pages("/product", "products")}
    assert {sku: product["quantity"] for sku, product in products.items()} == dict(on_hand)
    assert {
        sku: product["reserved"] for sku, product in products.items() if product["reserved"]
    } == (dict(+reserved))
    for order in orders.values():
        if order["status"] == "backordered":
            assert any(
                li["quantity"] > products[li["product"]]["available"] for li in order["items"]
            )


def _check_payments(shop: Shop, bought: list[Bought], orders: dict[str, Document]) -> None:
    """The gateway has charged each order once, and refunded it if it ended before shipping."""
    balance: dict[str, Decimal] = defaultdict(Decimal)
    for request in Simulator(shop.data / "gateway").requests():
        assert request["reference"], f"a request without a response: {request}"
        if not request["declined"]:
            sign = 1 if request["kind"] == "charge" else -1
            balance[request["key"].rpartition("-")[0]] += sign * Decimal(request["amount"])
    for each in bought:
        order = orders.get(each.order_id)
        is_kept = each.was_sent or (order and order["status"] in ("confirmed", "backordered"))
        owed = each.total(PRICES) if is_kept and each.method != "decline" else Decimal()
        assert balance[each.order_id] == owed, (each, order)


def _check_mails(shop: Shop, records: list[Document]) -> None:
    """Each mail came at least once; again only after a kill that followed its arrival."""
    expected = set()
    for record in records:
        delivery = record["deliveries"].get("notification", {"note": "no mail"})
        if "note" not in delivery:
            expected.add(_message_id(record["event"]))
        else:
            assert record["event"]["type"] not in ALWAYS_MAILED, record
    for event in shop.pages("/event", "events"):
        if event["type"].startswith("product.low_stock"):
            expected.add(_message_id(event))
    arrivals = shop.arrivals()
    assert arrivals.keys() == expected
    repeats = sum(len(times) - 1 for times in arrivals.values())
    assert repeats <= len(shop.killed_at) * MAX_UNACKNOWLEDGED
    for message_id, times in arrivals.items():
        for first, second in pairwise(times):
            # a second of slack: the mail server may be slow to write the mail that it has accepted
            assert any(first - 1 < kill < second for kill in shop.killed_at), message_id


def _message_id(event: Document) -> str:
    return f"<{event['id']}.notification@daybook>"


def _events_of(shop: Shop, each: Bought) -> list[Document]:
    """Return the timeline of an order; it stays when the order is deleted."""
    events: list[Document] = shop.read(f"/order/{each.order_id}/events")["events"]
    return events
