"""Products and the stock ledger as CSV: one row each.

`flask import products` reads the columns of a product that it knows, and leaves the others aside.
"""

from collections.abc import Iterable, Iterator

from app.store import Document

PRODUCT_COLUMNS = (
    *("sku", "name", "category", "price", "quantity", "reserved", "available"),
    *("low_stock_threshold", "backorder", "stock_status", "archived", "updated"),
)
"""The columns by which an import knows such a file; older versions had no others."""

PRODUCT_HEADINGS = (*PRODUCT_COLUMNS, "tax_rate")
LEDGER_COLUMNS = ("sku", "line", "at", "who", "reason", "order_id", "change", "before", "after")


def rows(documents: Iterable[Document], columns: Iterable[str]) -> Iterator[list[object]]:
    """A row for each document, with an empty cell for what it lacks.

    True and false are in small letters, as JSON has them.
    """
    names = list(columns)
    for each in documents:
        cells = (each.get(name, "") for name in names)
        yield [str(cell).lower() if isinstance(cell, bool) else cell for cell in cells]
