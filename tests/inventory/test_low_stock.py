"""The manager hears of what is low: each crossing at once, and all of it once a day."""

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

pytestmark = pytest.mark.usefixtures("catalogue")


def digests(runtime: Runtime) -> list[Document]:
    with runtime.store.read() as view:
        keys = sorted({*view.keys("events"), *view.keys("outbox")})
        found = [view.get("events", key) or view.get("outbox", key) for key in keys]
    events = [record["event"] for record in found if record]
    return [each for each in events if each["type"] == "product.low_stock_digest"]


def test_the_digest_lists_what_is_low(
    client: FlaskClient, runtime: Runtime, settled: Callable[[], None]
) -> None:
    """What is out of stock first, then what is low; not what is archived."""
    place(client, mug=7)
    place(client, pot=1)
    settled()
    client.delete("/product/tin")
    with runtime.store.transaction() as tx:
        service.tell_what_is_low(tx, "2026-11-21")
    (event,) = digests(runtime)
    assert event["subject"] == "2026-11-21"
    told = [(each["sku"], each["stock_status"]) for each in event["data"]["products"]]
    assert told == [("pot", "out_of_stock"), ("mug", "low_stock")]
    assert event["data"]["count"] == 2


def test_nothing_is_told_when_nothing_is_low(client: FlaskClient, runtime: Runtime) -> None:
    client.post("/product/tin/stock", json={"count": 9})
    with runtime.store.transaction() as tx:
        service.tell_what_is_low(tx, "2026-11-21")
    assert digests(runtime) == []


def test_a_new_shop_begins_with_the_next_day(
    client: FlaskClient, runtime: Runtime, settled: Callable[[], None]
) -> None:
    """Nobody waits for a digest of the day on which the shop was opened."""
    place(client, mug=9)
    settled()
    assert digests(runtime) == []


@pytest.mark.parametrize("text", ["8:00", "24:00", "08:60", "08", "noon", "08:00:00", ""])
def test_a_faulty_hour_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="DAYBOOK_LOW_STOCK_CHECK: must be a time of day"):
        from_environment({"DAYBOOK_LOW_STOCK_CHECK": text})


def test_the_hour_can_be_set() -> None:
    settings: dict[str, Any] = {"DAYBOOK_LOW_STOCK_CHECK": "17:30"}
    assert from_environment(settings).low_stock_check == time(17, 30)
    assert from_environment({}).low_stock_check == time(8)
