"""The overview: revenue, statistics and charts."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from freezegun import freeze_time

from app.config import Config
from app.inventory.service import add_product
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.store import Store, View
from app.store.files.store import JsonFileStore
from app.web.manager import statistics
from app.web.manager.charts import bars, rows
from app.web.manager.overview import MAX_LOW_STOCK
from tests.over_http import place
from tests.transactions import transaction
from tests.web.page import Page


@pytest.fixture
def config(config: Config) -> Config:
    """A zone where the day begins eleven hours earlier than in UTC; with fault injection."""
    return replace(config, timezone=ZoneInfo("Pacific/Guadalcanal"), faults=True)


def test_a_new_shop_has_an_overview(client: FlaskClient) -> None:
    """All values are zero."""
    text = Page(client.get("/overview")).text
    assert "Orders today 0" in " ".join(text.split())
    assert "Nothing was delivered yet." in text


@pytest.mark.usefixtures("catalogue")
def test_the_overview_shows_the_statistics(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """Orders and revenue of today, statuses, low stock, failures and delivery delays."""
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=2)
    place(client, mug=8)
    place(client, tea=100 - 2)
    client.post("/order/1003/cancel")
    settled()
    text = " ".join(Page(client.get("/overview")).text.split())
    assert "Orders today 3" in text
    assert "EUR today 105.00" in text
    assert "Mug low stock 2" in text
    assert "Tea tin out of stock 0" in text
    assert re.search(r"billing 3\b", text)
    assert re.search(r"notification \d+\.\d{3} s \d+\.\d{3} s", text)


@pytest.mark.usefixtures("catalogue")
def test_days_are_those_of_the_shops_zone(
    client: FlaskClient, runtime: Runtime, config: Config
) -> None:
    """An order at 14:00 UTC belongs to the next day in Guadalcanal."""
    with freeze_time("2026-11-20T14:00:00Z"):
        place(client, tea=1)
    with freeze_time("2026-11-20T12:00:00Z"):
        place(client, tea=2)
    with freeze_time("2026-11-21T01:00:00Z"):
        days = statistics.last_days(config.timezone)
        assert [day.label for day in days[-2:]] == ["20 Nov", "21 Nov"]
        assert statistics.count_by_day(runtime.store, days)[-2:] == [1, 1]
        revenue = statistics.RevenueCache(runtime.store).revenue(days)
    assert [revenue.by_day[day.label] for day in days[-2:]] == [Decimal("9.00"), Decimal("4.50")]


@pytest.mark.usefixtures("catalogue")
def test_revenue_is_computed_from_the_newest_orders(
    client: FlaskClient, runtime: Runtime, config: Config
) -> None:
    """The page says that the sum is partial."""
    stored = place(client, tea=1)
    with transaction(runtime.store) as tx:
        for n in range(statistics.MAX_ORDERS_READ):
            tx.put(ORDERS.name, stored | {"order_id": f"{n:05}", "number": 2000 + n})
    revenue = statistics.RevenueCache(runtime.store).revenue(statistics.last_days(config.timezone))
    assert revenue.partial == set(revenue.by_day)
    assert sum(revenue.by_day.values()) == Decimal("4.50") * statistics.MAX_ORDERS_READ
    assert "Added up over the newest 10,000 orders only." in Page(client.get("/overview")).text


class SlowStore(JsonFileStore):
    """The store of `shop`, where each read takes a `second`."""

    def __init__(self, shop: Store, second: Callable[[], object]) -> None:
        self._shop, self._second = shop, second

    def position(self) -> int:
        return self._shop.position()

    @contextmanager
    def read(self) -> Iterator[View]:
        self._second()
        with self._shop.read() as view:
            yield view


@pytest.mark.usefixtures("catalogue")
def test_revenue_that_took_long_is_cached(
    client: FlaskClient, runtime: Runtime, config: Config
) -> None:
    """It comes with the time to ask again; while nothing changes, that is 0."""
    with freeze_time("2026-11-21T01:00:00Z") as frozen:
        cache = statistics.RevenueCache(SlowStore(runtime.store, frozen.tick))
        days = statistics.last_days(config.timezone)
        assert cache.revenue(days).due_in_s == 0
        assert cache.revenue(days).due_in_s == 0
        place(client, tea=1)
        before = cache.revenue(days)
        assert (before.by_day[days[-1].label], before.due_in_s > 0) == (Decimal(), True)
        frozen.tick(60)
        after = cache.revenue(days)
    assert (after.by_day[days[-1].label], after.due_in_s) == (Decimal("4.50"), 0)


@pytest.mark.parametrize("draw", [bars, rows])
def test_a_chart_is_safe_inline_svg(draw: Callable[..., str]) -> None:
    """It has no style, script or event handler, and every text is escaped."""
    labels = [f"<{n}>" for n in range(14)]
    svg = draw("Orders & more", labels, list(range(0, 28, 2)))
    assert not re.search(r"<style|<script|style=|\son\w+=|<desc|<!--", svg)
    assert 'aria-label="Orders &amp; more"' in svg
    shown = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert {"0", "20", "&lt;13&gt;"} <= set(shown)


@pytest.mark.parametrize("draw", [bars, rows])
@pytest.mark.parametrize("highest", [1, 2, 3, 5, 6, 7, 9, 10, 13, 25, 30, 99, 1234])
def test_axes_of_counts_have_whole_numbers(draw: Callable[..., str], highest: int) -> None:
    """At least two, each once."""
    svg = draw("Orders", ["a", "b"], [0, highest])
    shown = re.findall(r'<text(?! class="value)[^>]*>([^<]+)</text>', svg)
    numbers = [each for each in shown if each not in ("a", "b")]
    assert len(numbers) == len(set(numbers)) > 1
    assert all(re.fullmatch("[0-9,]+", each) for each in numbers)


def test_long_labels_do_not_overlap() -> None:
    """With the year there is room for fewer under a chart."""
    labels = [f"{day} Nov 2025" for day in range(1, 15)]
    svg = bars("Orders", labels, range(14))
    assert 2 <= svg.count("Nov 2025") <= 3


@pytest.mark.usefixtures("catalogue")
def test_low_stock_beyond_the_list_is_linked(client: FlaskClient, runtime: Runtime) -> None:
    """The overview shows twelve products, and how many more there are."""
    with transaction(runtime.store) as tx:
        for n in range(MAX_LOW_STOCK + 2):
            product = {"sku": f"jar-{n}", "name": "Jar", "price": "1.00", "quantity": 0}
            add_product(tx, product)
    page = Page(client.get("/overview"))
    assert "and 3 more" in page.text
    assert "/stock?status=out_of_stock" in page.links


@pytest.mark.parametrize("draw", [bars, rows])
def test_a_chart_of_zeros_has_an_axis(draw: Callable[..., str]) -> None:
    """The axis reaches from 0 to 1."""
    shown = re.findall(r"<text[^>]*>([^<]+)</text>", draw("Nothing", ["a", "b"], [0, 0]))
    assert {"0", "1", "a", "b"} <= set(shown)
