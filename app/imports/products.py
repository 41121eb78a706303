"""Imports products from a table with a row for each product.

The first valid row of a sku counts; a row that repeats the sku with other values is rejected. A
product that the store has already is left unchanged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from marshmallow import Schema

from app.imports.columns import Columns, Reader, amount, boolean, integer
from app.imports.rejected import RejectedRow, contradiction, reason_for
from app.imports.tables import Row, Table
from app.inventory.service import add_product
from app.kernel.errors import Invalid, Problem
from app.schema.validation import load
from app.store import Document, Store

FIELDS: Mapping[str, Reader] = {
    "sku": str,
    "name": str,
    "price": amount,
    "quantity": integer,
    "category": str,
    "low_stock_threshold": integer,
    "backorder": boolean,
}
REQUIRED = ("sku", "price")

BATCH_ROWS = 250
"""The rows of one transaction."""


@dataclass
class ProductImportResult:
    """Counts of rows: added, in the store already, with a sku that came before, and rejected."""

    added: int = 0
    existing: int = 0
    repeated: int = 0
    rejected_rows: list[RejectedRow] = field(default_factory=list)


def import_products(
    store: Store,
    schema: Schema,
    table: Table,
    columns: Columns,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> ProductImportResult:
    """Add the products of the table; durable on return.

    `on_progress` gets the number of rows of each batch. Raises what Store.transaction does;
    products added before that stay.
    """
    result, seen = ProductImportResult(), dict[str, tuple[Row, Document]]()
    for start in range(0, len(table.rows), BATCH_ROWS):
        rows = table.rows[start : start + BATCH_ROWS]
        with store.transaction() as tx:
            for row in rows:
                fields = columns.read(row)
                fields = {"name": fields.get("sku") or "-"} | fields
                try:
                    product = _product(schema, row, fields)
                    first, same = seen.setdefault(product["sku"], (row, product))
                    _refuse_contradiction(first, same, product)
                except Invalid as error:
                    reason = reason_for(error.problems, fields)
                    result.rejected_rows.append(RejectedRow(row, reason))
                    continue
                if first is not row:
                    result.repeated += 1
                    continue
                is_added = add_product(tx, product)
                result.added += is_added
                result.existing += not is_added
        on_progress(len(rows))
    return result


def _product(schema: Schema, row: Row, fields: Document) -> Document:
    """Return the product of a row. Raises Invalid."""
    if row.error:
        raise Invalid([Problem("", row.error)])
    return load(schema, fields)


def _refuse_contradiction(first: Row, product: Document, repeated: Document) -> None:
    """Raise Invalid naming the fields in which a repeated product differs from that of `first`."""
    problems = [
        Problem(f"/{name}", contradiction(first, product.get(name)))
        for name in FIELDS
        if product.get(name) != repeated.get(name)
    ]
    if problems:
        raise Invalid(problems)
