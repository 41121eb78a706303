"""Imports products: a row each. The first good row of a sku wins; one in the store stays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from marshmallow import Schema

from app.imports.columns import Columns, Reader, flag, text, whole
from app.imports.refusals import Refusal, reason_for
from app.imports.tables import Row, Table
from app.inventory.service import add_product
from app.kernel.errors import Invalid
from app.schema.validation import load
from app.store import Document, Store, Transaction

FIELDS: Mapping[str, Reader] = {
    "sku": text,
    "name": text,
    "price": text,
    "quantity": whole,
    "category": text,
    "low_stock_threshold": whole,
    "backorder": flag,
}
REQUIRED = ("sku", "price")

ROWS_PER_TRANSACTION = 250


@dataclass
class ProductsImported:
    """What came of it, in rows: added, in the store already, of a sku that came before, refused."""

    added: int = 0
    present: int = 0
    repeated: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def import_products(
    store: Store,
    schema: Schema,
    table: Table,
    columns: Columns,
    advance: Callable[[int], None] = lambda rows: None,
) -> ProductsImported:
    """Add the products of the table; durable on return. `advance` is told of rows dealt with.

    Raises what Store.transaction does; what was added before that stays.
    """
    outcome, seen = ProductsImported(), set[str]()
    for start in range(0, len(table.rows), ROWS_PER_TRANSACTION):
        rows = table.rows[start : start + ROWS_PER_TRANSACTION]
        with store.transaction() as tx:
            for row in rows:
                _import_row(tx, schema, row, columns.read(row), seen, outcome)
        advance(len(rows))
    return outcome


def _import_row(
    tx: Transaction,
    schema: Schema,
    row: Row,
    fields: Document,
    seen: set[str],
    outcome: ProductsImported,
) -> None:
    sku = fields.get("sku")
    if isinstance(sku, str) and sku in seen:
        outcome.repeated += 1
        return
    if row.fault:
        outcome.refusals.append(Refusal(row, row.fault))
        return
    document = {"name": sku or "-"} | fields
    try:
        product = load(schema, document)
    except Invalid as error:
        reasons = [reason_for(problem, document) for problem in error.problems]
        outcome.refusals.append(Refusal(row, "; ".join(reasons)))
        return
    seen.update((product["sku"], fields["sku"]))
    if add_product(tx, product):
        outcome.added += 1
    else:
        outcome.present += 1
