"""Imports products from a table with a row for each product.

The first valid row of a sku counts; a row that repeats the sku with other values is rejected. A
product that the store has already is left unchanged.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from marshmallow import Schema

from app.imports.columns import Columns, Reader, amount, boolean, integer
from app.imports.rejected import RejectedRow, contradiction
from app.imports.tables import Row, Table
from app.inventory.documents import PRODUCTS
from app.inventory.service import add_product
from app.kernel.errors import Invalid, Problem
from app.kernel.identity import COMMAND
from app.schema.validation import load
from app.store import Document, Store, Transaction, View

FIELDS: Mapping[str, Reader] = {
    "sku": str,
    "name": str,
    "price": amount,
    "quantity": integer,
    "category": str,
    "low_stock_threshold": integer,
    "backorder": boolean,
    "tax_rate": amount,
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
    by: str = COMMAND,
) -> ProductImportResult:
    """Add the products of the table; durable on return.

    `on_progress` gets the number of rows of each batch; the ledger names `by`. Raises what
    Store.run_in_transaction does; products added before that stay.
    """
    reading = _Reading(schema, columns)
    for rows in _batches(table):
        products = reading.new_products(rows)
        reading.count(store.run_in_transaction(partial(_add, products=products, by=by)))
        on_progress(len(rows))
    return reading.result


def preview_products(
    store: Store, schema: Schema, table: Table, columns: Columns
) -> ProductImportResult:
    """Return what import_products would do now; nothing is changed."""
    reading = _Reading(schema, columns)
    for rows in _batches(table):
        products = reading.new_products(rows)
        with store.read() as view:
            reading.count([_is_new(view, product) for product in products])
    return reading.result


class _Reading:
    """Reads products from rows, and counts what becomes of each."""

    def __init__(self, schema: Schema, columns: Columns) -> None:
        self.result = ProductImportResult()
        self._schema, self._columns = schema, columns
        self._seen: dict[str, tuple[Row, Document]] = {}

    def new_products(self, rows: Iterable[Row]) -> list[Document]:
        """The products of these rows that no row before had; counts the other rows."""
        products = []
        for row in rows:
            fields = self._columns.read(row)
            fields = {"name": fields.get("sku") or "-"} | fields
            try:
                product = _product(self._schema, row, fields)
                first, same = self._seen.setdefault(product["sku"], (row, product))
                _refuse_contradiction(first, same, product)
            except Invalid as error:
                rejected = RejectedRow.of_problems(row, error.problems, fields)
                self.result.rejected_rows.append(rejected)
                continue
            if first is row:
                products.append(product)
            else:
                self.result.repeated += 1
        return products

    def count(self, are_new: Sequence[bool]) -> None:
        """Count the new products: whether each was added, or the store had it already."""
        self.result.added += sum(are_new)
        self.result.existing += len(are_new) - sum(are_new)


def _batches(table: Table) -> Iterator[list[Row]]:
    for start in range(0, len(table.rows), BATCH_ROWS):
        yield table.rows[start : start + BATCH_ROWS]


def _add(tx: Transaction, products: Iterable[Document], by: str) -> list[bool]:
    return [add_product(tx, product, by=by) for product in products]


def _is_new(view: View, product: Document) -> bool:
    return view.get(PRODUCTS.name, product["sku"]) is None


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
