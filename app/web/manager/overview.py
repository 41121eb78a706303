"""The overview: how the shop does, in figures and charts, on one printable page. For managers."""

from math import ceil

from flask import Blueprint, Response

from app.events import failures, outbox
from app.inventory.service import PRODUCTS
from app.orders import states
from app.orders.service import ORDERS
from app.store import Document, View
from app.web.layout.context import PageContext, page
from app.web.manager import statistics
from app.web.manager.charts import bars, rows

LOW_SHOWN = 12

PACE_MS = 2000
"""An open page draws itself anew once in so long at most: it is the dearest one."""


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The page."""
    store, currency = site.store, site.rules.currency
    till = statistics.RevenueCache(store)

    @pages.get("/overview")
    def show_overview() -> Response:
        days = statistics.last_days(site.zone)
        labels = [day.label for day in days]
        per_day = statistics.orders_on(store, days)
        revenue = till.revenue(days)
        money = [revenue.by_day[label] for label in labels]
        with store.read() as view:
            statuses = {each: view.count(ORDERS.name, {"status": each}) for each in states.STATUSES}
            waiting = _waiting(view, site.handlers)
            low = _low(view)
            on_their_way = view.count(outbox.OUTBOX.name)
            oldest = view.find(outbox.OUTBOX.name, limit=1).documents
        return page(
            "manager/overview.html",
            live=["orders", "products", "events"],
            pace_ms=PACE_MS,
            again_ms=ceil(1000 * revenue.due_in_s),
            section="Overview",
            days=days,
            per_day=list(zip(labels, per_day, map(currency.write, money), strict=True)),
            orders_chart=bars("Orders on each day", labels, per_day),
            money_chart=bars(
                f"{currency.code} on each day", labels, [float(sum_) for sum_ in money]
            ),
            status_chart=rows("Orders in each status", list(statuses), list(statuses.values())),
            statuses=statuses,
            today=per_day[-1],
            taken_today=currency.write(money[-1]),
            is_partial=revenue.is_partial,
            read_at_most=statistics.READ_AT_MOST,
            failures=waiting,
            low=low,
            on_their_way=on_their_way,
            oldest=oldest[0]["event"]["time"] if oldest else None,
            delays=statistics.delays(store),
        )


def _waiting(view: View, handlers: frozenset[str]) -> dict[str, int]:
    """How many failures of each handler wait for somebody."""
    counts = {each: view.count(failures.FAILURES.name, {"handler": each}) for each in handlers}
    return {each: counts[each] for each in sorted(counts) if counts[each]}


def _low(view: View) -> list[Document]:
    """Products that are out of stock, then those that are low."""
    found: list[Document] = []
    for status in ("out_of_stock", "low_stock"):
        left = LOW_SHOWN - len(found)
        if left:
            found += view.find(PRODUCTS.name, {"stock_status": status}, limit=left).documents
    return found
