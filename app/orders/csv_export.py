"""Orders as a sheet: a row for each line, in columns that `flask import orders` reads again."""

from collections.abc import Iterable, Iterator

from app.store import Document

_OF_ORDER = ("order_date", "status", "payment_status", "customer_name", "customer_email")
_OF_LINE = ("product", "name", "quantity", "amount", "line_total")
HEADINGS = ("order", "order_id", *_OF_ORDER, *_OF_LINE, "currency")


def rows(orders: Iterable[Document]) -> Iterator[list[object]]:
    """The lines of the orders; what is said of an order stands in each of its rows."""
    for order in orders:
        of_order = [order["number"], order["order_id"], *(order[name] for name in _OF_ORDER)]
        for line in order["items"]:
            yield [*of_order, *(line[name] for name in _OF_LINE), order["currency"]]
