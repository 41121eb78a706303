"""Imports products from a table with a row for each product.

The first valid row of a sku counts; a row that repeats the sku with other values is rejected. A
product that the store has already is left unchanged, and a row with another name or price for it is
rejected.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from marshmallow import Schema

from app.imports.columns import Columns, Reader, amount, boolean, integer
from app.imports.rejected import RejectedRow, contradiction
from app.imports.tables import Row, Table
from app.inventory.documents import PRODUCTS
from app.inventory.service import add_product, change_product
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
    "archived": boolean,
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
        reading.count(products, store.run_in_transaction(partial(_add, products=products, by=by)))
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
            reading.count(products, [_stored(view, each) for each in products])
    return reading.result


class _Product(NamedTuple):
    """A product of the table: its row, the row's fields, and the product with all defaults."""

    row: Row
    fields: Document
    document: Document


class _Reading:
    """Reads products from rows, and counts what becomes of each."""

    def __init__(self, schema: Schema, columns: Columns) -> None:
        self.result = ProductImportResult()
        self._schema, self._columns = schema, columns
        self._seen: dict[str, tuple[Row, Document]] = {}

    def new_products(self, rows: Iterable[Row]) -> list[_Product]:
        """The products of these rows that no row before had; counts the other rows."""
        products = []
        for row in rows:
            fields = self._columns.read(row)
            try:
                product = _product(self._schema, row, fields)
                first, same = self._seen.setdefault(product["sku"], (row, product))
                _refuse_contradiction(first, same, product)
            except Invalid as error:
                self._reject(row, fields, error)
                continue
            if first is row:
                products.append(_Product(row, fields, product))
            else:
                self.result.repeated += 1
        return products

    def count(self, products: Iterable[_Product], stored: Iterable[Document | None]) -> None:
        """Count the new products, each with what the store had under its sku: None if it is added.

        Rejects the row of a product that the store has with another name or price.
        """
        for product, existing in zip(products, stored, strict=True):
            if existing is None:
                self.result.added += 1
                continue
            try:
                _refuse_change(existing, product)
                self.result.existing += 1
            except Invalid as error:
                self._reject(product.row, product.fields, error)

    def _reject(self, row: Row, fields: Document, error: Invalid) -> None:
        self.result.rejected_rows.append(RejectedRow.of_problems(row, error.problems, fields))


def _batches(table: Table) -> Iterator[list[Row]]:
    for start in range(0, len(table.rows), BATCH_ROWS):
        yield table.rows[start : start + BATCH_ROWS]


def _add(tx: Transaction, products: Iterable[_Product], by: str) -> list[Document | None]:
    """Add the products that the store does not have; returns those that it had."""
    stored = []
    for each in products:
        stored.append(_stored(tx, each))
        if add_product(tx, each.document, by=by) and each.document["archived"]:
            change_product(tx, each.document["sku"], {"archived": True}, by=by)
    return stored


def _stored(view: View, product: _Product) -> Document | None:
    return view.get(PRODUCTS.name, product.document["sku"])


def _product(schema: Schema, row: Row, fields: Document) -> Document:
    """Return the product of a row, with `archived` besides. Raises Invalid."""
    if row.error:
        raise Invalid([Problem("", row.error)])
    request = {"name": fields.get("sku") or "-"} | fields
    archived = request.pop("archived", False)
    if not isinstance(archived, bool):
        raise Invalid([Problem("/archived", "must be true or false")])
    return load(schema, request) | {"archived": archived}


def _refuse_contradiction(first: Row, product: Document, repeated: Document) -> None:
    """Raise Invalid naming the fields in which a repeated product differs from that of `first`."""
    problems = [
        Problem(f"/{name}", contradiction(first, product.get(name)))
        for name in FIELDS
        if product.get(name) != repeated.get(name)
    ]
    if problems:
        raise Invalid(problems)


def _refuse_change(stored: Document, product: _Product) -> None:
    """Raise Invalid when the row gives a name or price that is not the stored product's."""
    problems = [
        Problem(f"/{name}", f"the shop has {stored[name]!r}, and an import changes no product")
        for name in ("name", "price")
        if name in product.fields and product.document[name] != stored[name]
    ]
    if problems:
        raise Invalid(problems)
