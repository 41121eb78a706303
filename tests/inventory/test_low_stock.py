"""Low stock alerts: product.low_stock at once, and a daily digest."""

from collections.abc import Callable
from datetime import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import from_environment
from app.inventory import service
from app.kernel.errors import Invalid
from app.server.runtime import Runtime
from app.store import Document
from tests.over_http import place
from tests.transactions import transaction

pytestmark = pytest.mark.usefixtures("catalogue")


def digests(runtime: Runtime) -> list[Document]:
    """The data of the digests emitted so far."""
    with runtime.store.read() as view:
        keys = sorted({*view.keys("events"), *view.keys("outbox")})
        found = [view.get("events", key) or view.get("outbox", key) for key in keys]
    events = [record["event"] for record in found if record]
    return [each for each in events if each["type"] == "product.low_stock_digest"]


def test_the_digest_lists_low_products(
    client: FlaskClient, runtime: Runtime, settled: Callable[[], None]
) -> None:
    """The digest lists products out of stock first, then low ones, and no archived ones."""
    place(client, mug=7)
    place(client, pot=1)
    settled()
    client.delete("/product/tin")
    with transaction(runtime.store) as tx:
        service.emit_low_stock_digest(tx, "2026-11-21")
    (event,) = digests(runtime)
    assert event["subject"] == "2026-11-21"
    told = [(each["sku"], each["stock_status"]) for each in event["data"]["products"]]
    assert told == [("pot", "out_of_stock"), ("mug", "low_stock")]
    assert event["data"]["count"] == 2


def test_no_digest_without_low_products(client: FlaskClient, runtime: Runtime) -> None:
    client.post("/product/tin/stock", json={"count": 9})
    with transaction(runtime.store) as tx:
        service.emit_low_stock_digest(tx, "2026-11-21")
    assert digests(runtime) == []


def test_a_new_shop_gets_its_first_digest_on_the_next_day(
    client: FlaskClient, runtime: Runtime, settled: Callable[[], None]
) -> None:
    """No digest is emitted for the day on which the shop was opened."""
    place(client, mug=9)
    settled()
    assert digests(runtime) == []


@pytest.mark.parametrize("text", ["8:00", "24:00", "08:60", "08", "noon", "08:00:00", ""])
def test_an_invalid_hour_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="DAYBOOK_LOW_STOCK_CHECK: must be a time of day"):
        from_environment({"DAYBOOK_LOW_STOCK_CHECK": text})


def test_the_hour_can_be_set() -> None:
    settings: dict[str, Any] = {"DAYBOOK_LOW_STOCK_CHECK": "17:30"}
    assert from_environment(settings).low_stock_check == time(17, 30)
    assert from_environment({}).low_stock_check == time(8)
