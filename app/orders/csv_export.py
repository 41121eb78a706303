"""Orders as CSV: a row for each line, in columns that `flask import orders` can read."""

from collections.abc import Iterable, Iterator

from app.store import Document

_OF_ORDER = ("order_date", "status", "payment_status", "customer_name", "customer_email")
_OF_LINE = ("product", "name", "quantity", "amount", "line_total")
HEADINGS = ("order", "order_id", *_OF_ORDER, *_OF_LINE, "currency")


def rows(orders: Iterable[Document]) -> Iterator[list[object]]:
    """A row for each line; the order's own columns are repeated in each of its rows."""
    for order in orders:
        of_order = [order["number"], order["order_id"], *(order[name] for name in _OF_ORDER)]
        for line in order["items"]:
            yield [*of_order, *(line[name] for name in _OF_LINE), order["currency"]]
