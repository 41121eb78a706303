"""Imports orders: a row for each line; rows with the same reference, wherever they stand, are one.

The reference is kept in the same transaction as the order. So an import that was killed, or is run
again, brings nothing in twice, even when an imported order was deleted since. Customer and date are
those of an order's first row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import Schema

from app.imports.columns import Columns, Reader, text, whole
from app.imports.refusals import Refusal, reason_for
from app.imports.tables import Row, Table
from app.kernel import clock
from app.kernel.errors import Conflict, Invalid, Problem
from app.orders.references import REFERENCE_RULE, import_order, is_imported, is_reference
from app.orders.service import OrderPolicy
from app.schema.validation import load
from app.store import Document, Store, Transaction

FIELDS: Mapping[str, Reader] = {
    "order": text,
    "customer_name": text,
    "customer_email": text,
    "product": text,
    "quantity": whole,
    "amount": text,
    "order_date": text,
}
REQUIRED = ("order", "customer_name", "product", "quantity")

ORDERS_PER_TRANSACTION = 50
LINES_PER_TRANSACTION = 500
"""A transaction takes no more than that, so that it never holds others up for long."""


@dataclass
class OrdersImported:
    """What came of it: orders accepted (with their lines and sum), imported before, refused."""

    accepted: int = 0
    lines: int = 0
    total: Decimal = Decimal()
    present: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True)
class Ordered:
    """One order as the file has it: its rows, and their fields."""

    reference: str
    rows: list[Row]
    lines: list[Document]


class OrderImport:
    """The import of one table into one store."""

    def __init__(self, rules: OrderPolicy, schema: Schema, zone: ZoneInfo) -> None:
        """`schema` is that of an order request; times without a zone are taken in `zone`."""
        self._rules = rules
        self._schema = schema
        self._zone = zone
        self.outcome = OrdersImported()

    def run(
        self,
        store: Store,
        table: Table,
        columns: Columns,
        advance: Callable[[int], None] = lambda rows: None,
    ) -> OrdersImported:
        """Place the orders of the table; durable on return. `advance` is told of rows dealt with.

        Raises what Store.transaction does; what was imported before that stays.
        """
        orders, strays = _grouped(table, columns)
        self.outcome.refusals += strays
        advance(len(strays))
        for batch in _batches(orders):
            with store.transaction() as tx:
                for ordered in batch:
                    self._import(tx, ordered)
            advance(sum(len(ordered.rows) for ordered in batch))
        return self.outcome

    def _import(self, tx: Transaction, ordered: Ordered) -> None:
        """Place one order, unless it was imported before; a refused one changes nothing."""
        if is_imported(tx, ordered.reference):
            self.outcome.present += 1
            return
        try:
            with tx.savepoint():
                order = self._place(tx, ordered)
        except Invalid as error:
            self._refuse(ordered, error.problems)
        except Conflict as error:
            self._refuse(ordered, [Problem("", str(error))])
        else:
            self.outcome.accepted += 1
            self.outcome.lines += len(order["items"])
            self.outcome.total += Decimal(order["total_amount"])

    def _place(self, tx: Transaction, ordered: Ordered) -> Document:
        _refuse_faulty(ordered)
        request = load(self._schema, _request(ordered))
        order_date = self._moment(ordered.lines[0].get("order_date"))
        return import_order(tx, self._rules, ordered.reference, request, order_date)

    def _moment(self, written: Any) -> str | None:
        """The order date as text of ours, None when none is given. Raises Invalid."""
        if written is None:
            return None
        try:
            return clock.parse_input(str(written), self._zone)
        except ValueError as error:
            raise Invalid([Problem("/order_date", str(error))]) from None

    def _refuse(self, ordered: Ordered, problems: Sequence[Problem]) -> None:
        """Every row of the order is refused: for its own faults, or for those of another row."""
        reasons: dict[int, list[str]] = {}
        for problem in problems:
            place = _place_of(problem)
            reasons.setdefault(place, []).append(reason_for(problem, ordered.lines[place]))
        others = f"its order is refused because of line {ordered.rows[min(reasons)].line}"
        self.outcome.refused += 1
        self.outcome.refusals += [
            Refusal(row, "; ".join(reasons.get(place, [others])))
            for place, row in enumerate(ordered.rows)
        ]


def _grouped(table: Table, columns: Columns) -> tuple[list[Ordered], list[Refusal]]:
    """The orders of the table by first appearance, and the rows that belong to none."""
    orders: dict[str, Ordered] = {}
    strays: list[Refusal] = []
    for row in table.rows:
        line = columns.read(row)
        reference = line.pop("order", None)
        if not is_reference(reference):
            strays.append(Refusal(row, row.fault or f"order: {REFERENCE_RULE}"))
            continue
        ordered = orders.setdefault(reference, Ordered(reference, [], []))
        ordered.rows.append(row)
        ordered.lines.append(line)
    return list(orders.values()), strays


def _batches(orders: list[Ordered]) -> Iterator[list[Ordered]]:
    """The orders in portions, each small enough for one transaction."""
    batch: list[Ordered] = []
    lines = 0
    for ordered in orders:
        too_many = lines + len(ordered.rows) > LINES_PER_TRANSACTION
        if batch and (too_many or len(batch) == ORDERS_PER_TRANSACTION):
            yield batch
            batch, lines = [], 0
        batch.append(ordered)
        lines += len(ordered.rows)
    if batch:
        yield batch


def _refuse_faulty(ordered: Ordered) -> None:
    faults = [
        Problem(f"/items/{place}", row.fault) for place, row in enumerate(ordered.rows) if row.fault
    ]
    if faults:
        raise Invalid(faults)


def _request(ordered: Ordered) -> Document:
    """The order as POST /order would have it."""
    customer = {
        name: ordered.lines[0][name]
        for name in ("customer_name", "customer_email")
        if name in ordered.lines[0]
    }
    items = [
        {name: line[name] for name in ("product", "quantity", "amount") if name in line}
        for line in ordered.lines
    ]
    return customer | {"items": items}


def _place_of(problem: Problem) -> int:
    """The order line that a problem points at; the first one when it points at the whole order."""
    match problem.pointer.split("/"):
        case ["", "items", place, *_]:
            return int(place)
    return 0
