"""The overview: revenue, orders, stock and deliveries on one printable page. For managers."""

from math import ceil

from flask import Blueprint, Response

from app.events import failures, outbox
from app.inventory.documents import PRODUCTS
from app.kernel import order_states as states
from app.orders.documents import ORDERS
from app.store import Document, View
from app.web.layout.context import PageContext, page
from app.web.manager import statistics
from app.web.manager.charts import bars, rows

MAX_LOW_STOCK = 12

REFRESH_INTERVAL_MS = 2000
"""The minimum time between two refreshes of an open overview, which costs more than other pages."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the page."""
    store, currency = context.store, context.rules.currency
    revenue_cache = statistics.RevenueCache(store)

    @blueprint.get("/overview")
    def show_overview() -> Response:
        days = statistics.last_days(context.config.timezone)
        labels = [day.label for day in days]
        orders = statistics.count_by_day(store, days)
        revenue = revenue_cache.revenue(days)
        sums = [revenue.by_day[label] for label in labels]
        with store.read() as view:
            statuses = {each: view.count(ORDERS.name, {"status": each}) for each in states.STATUSES}
            failed = _failures(view, context.handlers)
            low_stock, low_stock_count = _low_stock(view)
            pending = view.count(outbox.OUTBOX.name)
            oldest = view.find(outbox.OUTBOX.name, limit=1).documents
        return page(
            "manager/overview.html",
            live=["orders", "products", "events"],
            refresh_interval_ms=REFRESH_INTERVAL_MS,
            refresh_after_ms=ceil(1000 * revenue.due_in_s),
            days=list(zip(days, orders, map(currency.format, sums), strict=True)),
            statuses=statuses,
            orders_chart=bars("Orders on each day", labels, orders),
            revenue_chart=bars(f"{currency.code} on each day", labels, list(map(float, sums))),
            status_chart=rows("Orders in each status", list(statuses), list(statuses.values())),
            partial=revenue.partial,
            max_orders_read=statistics.MAX_ORDERS_READ,
            failures=failed,
            low_stock=low_stock,
            low_stock_more=low_stock_count - len(low_stock),
            pending=pending,
            oldest=oldest[0]["event"]["time"] if oldest else None,
            delays=statistics.delivery_delays(store),
        )


def _failures(view: View, handlers: frozenset[str]) -> dict[str, int]:
    """Return the number of failures of each handler that has any."""
    counts = {each: view.count(failures.FAILURES.name, {"handler": each}) for each in handlers}
    return {each: counts[each] for each in sorted(counts) if counts[each]}


def _low_stock(view: View) -> tuple[list[Document], int]:
    """Return products that are out of stock, then those that are low, and how many there are."""
    products: list[Document] = []
    count = 0
    for status in ("out_of_stock", "low_stock"):
        count += view.count(PRODUCTS.name, {"stock_status": status})
        if left := MAX_LOW_STOCK - len(products):
            products += view.find(PRODUCTS.name, {"stock_status": status}, limit=left).documents
    return products, count
