"""Stock: a check finds what does not follow from the ledger, and the repair puts it right."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS
from app.server.runtime import Runtime
from app.store import Document
from app.store.files.memory.transaction import COUNTERS
from app.store.files.tools.journal_reader import Journal
from tests.audit.conftest import Edit, Settled, differences, repaired
from tests.over_http import place, read
from tests.transactions import transaction

PARCEL = {"carrier": "DHL", "tracking_number": "JD0146"}


@pytest.fixture
def shop(client: FlaskClient, order: dict[str, Any], settled: Settled) -> FlaskClient:
    """Mugs came, were counted and shipped: 10, 22, 21, 20."""
    client.post("/product/mug/stock", json={"change": 12, "reason": "delivery"})
    client.post("/product/mug/stock", json={"count": 21})
    client.post("/shipment/1001/ship", json=PARCEL)
    settled()
    assert read(client, "/product/mug")["quantity"] == 20
    return client


def ledger(runtime: Runtime, sku: str = "mug") -> list[Document]:
    """Its lines, oldest first."""
    with runtime.store.read() as view:
        return view.find(LEDGER.name, {"sku": sku}).documents


def changes(runtime: Runtime) -> list[tuple[int, int, int]]:
    return [(line["before"], line["change"], line["after"]) for line in ledger(runtime)]


def test_a_shop_that_has_shipped_agrees_with_itself(
    runtime: Runtime,
    shop: FlaskClient,
    order: dict[str, Any],
    settled: Settled,
    take_out: Callable[[str], None],
) -> None:
    """On hand is what came, less what left; nothing is held for what has left."""
    place(shop, pot=3)
    settled()
    take_out(order["order_id"])
    settled()
    assert differences(runtime) == []


def test_a_wrong_quantity(runtime: Runtime, edit: Edit, shop: FlaskClient) -> None:
    """The ledger knows better."""
    edit(PRODUCTS.name, "mug", quantity=99, available=99)
    assert differences(runtime)[0] == "quantity of product mug: expected 20, found 99"
    assert repaired(runtime) == []
    assert read(shop, "/product/mug")["quantity"] == 20


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "damage",
    [{"before": 7}, {"after": 70}, {"change": 700}, {"line": 9}, {"before": 1, "after": 2}],
)
def test_a_damaged_line(
    runtime: Runtime, edit: Edit, shop: FlaskClient, number: int, damage: dict[str, int]
) -> None:
    """The line follows from its neighbours."""
    before = changes(runtime)
    edit(LEDGER.name, ledger(runtime)[number - 1]["id"], **damage)
    start, change, end = before[number - 1]
    wanted = f"line {number} of the stock ledger of mug: expected {start} {change:+} = {end}, "
    assert wanted in " ".join(differences(runtime))
    assert repaired(runtime) == []
    assert changes(runtime) == before
    assert read(shop, "/product/mug")["quantity"] == 20


@pytest.mark.parametrize("number", [2, 3])
def test_a_line_that_is_lost(runtime: Runtime, shop: FlaskClient, number: int) -> None:
    """One is made that fits between its neighbours, and says so."""
    before = changes(runtime)
    with transaction(runtime.store) as tx:
        tx.delete(LEDGER.name, ledger(runtime)[number - 1]["id"])
    assert repaired(runtime) == []
    assert changes(runtime) == before
    assert ledger(runtime)[number - 1]["reason"] == "line lost, made anew"


def test_a_shipment_that_was_not_booked_out(
    runtime: Runtime, edit: Edit, shop: FlaskClient
) -> None:
    """The repair books the shipment out once."""
    with transaction(runtime.store) as tx:
        tx.delete(LEDGER.name, ledger(runtime)[-1]["id"])
    found = differences(runtime)
    assert "mug booked out of shipment of order 1001: expected 1, found 0" in found
    assert "quantity of product mug: expected 21, found 20" in found
    assert repaired(runtime) == []
    assert changes(runtime)[-1] == (21, -1, 20)


def test_a_shipped_order_that_holds_stock(
    runtime: Runtime, edit: Edit, shop: FlaskClient, order: dict[str, Any]
) -> None:
    """The repair removes the reservation and frees the stock."""
    lines = [{"product": "mug", "quantity": 1}]
    with transaction(runtime.store) as tx:
        tx.put(RESERVATIONS.name, {"order_id": order["order_id"], "version": 2, "lines": lines})
    edit(PRODUCTS.name, "mug", reserved=1, available=19)
    assert differences(runtime) == ["reservation of order 1001: expected nothing, found 1 of mug"]
    assert repaired(runtime) == []
    assert read(shop, "/product/mug")["reserved"] == 0


def test_an_order_that_waits_for_what_is_there(
    runtime: Runtime, edit: Edit, shop: FlaskClient, settled: Settled
) -> None:
    """The repair reserves stock that is there for an order that waits for it."""
    place(shop, pot=3)
    settled()
    (line,) = ledger(runtime, "pot")
    edit(LEDGER.name, line["id"], change=5, after=5)
    edit(PRODUCTS.name, "pot", quantity=5, available=5)
    assert differences(runtime) == ["reservation of order 1002: expected 3 of pot, found nothing"]
    repaired(runtime)
    settled()
    assert differences(runtime) == []
    assert read(shop, "/order/1002")["status"] == "confirmed"


@pytest.mark.usefixtures("no_checkpoints", "shop")
def test_a_repair_writes_what_is_wrong_in_short_transactions(
    runtime: Runtime, client: FlaskClient
) -> None:
    """A long ledger holds the lock for a hundred wrong lines at a time; sound lines are kept."""
    lines = [
        ledger(runtime)[-1] | {"id": f"line-{n}", "line": n, "before": n + 15, "after": n + 16}
        for n in range(5, 305)
    ]
    damaged = {line["id"] for line in lines[::2]}
    with transaction(runtime.store) as tx:
        for line in lines:
            change = 7 if line["id"] in damaged else 1
            tx.put(LEDGER.name, line | {"change": change, "reason": "count", "order_id": None})
        product = tx.get(PRODUCTS.name, "mug") or {}
        tx.put(PRODUCTS.name, product | {"quantity": 320, "available": 320})
    seq = [line["seq"] for line in transactions(runtime)][-1]
    feed = runtime.store.change_feed(LEDGER.name)
    assert repaired(runtime) == []
    assert changes(runtime)[4:] == [(n, 1, n + 1) for n in range(20, 320)]
    assert {*feed.take(0)} == damaged
    sizes = [
        sum(map(len, line["put"].values())) for line in transactions(runtime) if line["seq"] > seq
    ]
    assert sizes == [100, 50]


def transactions(runtime: Runtime) -> list[dict[str, Any]]:
    """Return the contents of the journal."""
    return [*Journal(runtime.config.data, (*runtime.collections, COUNTERS)).transactions()]
