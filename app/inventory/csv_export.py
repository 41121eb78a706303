"""Products and the stock ledger as CSV: one row each.

`flask import products` reads the columns of a product that it knows, and leaves the others aside.
"""

from collections.abc import Iterable, Iterator

from app.store import Document

PRODUCT_COLUMNS = (
    *("sku", "name", "category", "price", "quantity", "reserved", "available"),
    *("low_stock_threshold", "backorder", "stock_status", "archived", "updated"),
)
LEDGER_COLUMNS = ("sku", "line", "at", "who", "reason", "order_id", "change", "before", "after")


def rows(documents: Iterable[Document], columns: Iterable[str]) -> Iterator[list[object]]:
    """A row for each document; true and false in small letters, as JSON has them."""
    names = list(columns)
    for each in documents:
        cells = (each[name] for name in names)
        yield [str(cell).lower() if isinstance(cell, bool) else cell for cell in cells]
