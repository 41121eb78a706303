"""Imports orders from a table with a row for each order line.

Rows with the same reference, anywhere in the file, are one order; its customer and date may be in
any of them, and rows that contradict each other are rejected. The reference and a fingerprint of
the content are stored in the same transaction as the order. So an import that was killed, or is run
again, imports nothing twice, even when an imported order was deleted since.

An order from a shop's own export has an order_id, which is its reference. The shop that placed it
leaves it as it is; another shop places it, unless it has ended.

Orders are accepted for which stock is left after those before them. Orders of the past are recorded
with the states that they have in the table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from marshmallow import Schema

from app.imports.columns import Columns, Reader, amount, integer, moment
from app.imports.formats import Unreadable
from app.imports.rejected import RejectedRow, contradiction
from app.imports.remedies import Remedy
from app.imports.stock import UnreservedStock
from app.imports.tables import Row, Table
from app.kernel import clock
from app.kernel.errors import Conflict, Invalid, Problem
from app.kernel.order_states import OPEN, PAYMENT_STATUSES, PLACED, SENT, VOIDED
from app.orders.references import (
    REFERENCE_RULE,
    PastStates,
    import_order,
    is_order_id,
    is_own_order,
    is_reference,
)
from app.orders.service import OrderPolicy
from app.schema.validation import load
from app.store import Document, Store, Transaction

FIELDS: Mapping[str, Reader] = {
    "order": str,
    "customer_name": str,
    "customer_email": str,
    "product": str,
    "quantity": integer,
    "amount": amount,
    "order_date": moment,
    "order_id": str,
    "status": str,
    "payment_status": str,
    "currency": str,
}
ORDER_FIELDS = (
    "customer_name",
    "customer_email",
    "order_date",
    "order_id",
    "status",
    "payment_status",
    "currency",
)
"""The fields of the whole order, which its rows repeat or leave empty."""

REQUIRED = ("order", "customer_name", "product", "quantity")
REQUIRED_OF_HISTORY = (*REQUIRED, "order_date", "status")

_DAY_LENGTH = len("2010-12-01")

MAX_BATCH_ORDERS = 50
MAX_BATCH_LINES = 500
"""The bounds of one transaction, so that it never blocks other writers for long."""


@dataclass
class OrderImportResult:
    """Counts of orders: accepted (with their lines and sum), imported before, and rejected.

    `waiting` counts those of the accepted ones that wait for stock.
    """

    accepted: int = 0
    waiting: int = 0
    lines: int = 0
    total: Decimal = Decimal()
    existing: int = 0
    rejected: int = 0
    rejected_rows: list[RejectedRow] = field(default_factory=list)


@dataclass(frozen=True)
class OrderRows:
    """The rows of one order, and their fields with defaults.

    `sources` has for each of ORDER_FIELDS the place of the first row with a value of its own.
    """

    reference: str
    rows: list[Row] = field(default_factory=list)
    lines: list[Document] = field(default_factory=list)
    sources: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, row: Row, cells: Document, line: Document) -> None:
        """Add a row; note the problems in its cells, and where they contradict those before."""
        place = len(self.rows)
        self.rows.append(row)
        self.lines.append(line)
        if row.error:
            self.problems.append(Problem(f"/items/{place}", row.error))
            return
        for name in ORDER_FIELDS:
            if name not in cells:
                continue
            source = self.sources.setdefault(name, place)
            first = self.lines[source][name]
            if not _agree(name, first, cells[name]):
                reason = contradiction(self.rows[source], first)
                self.problems.append(Problem(f"/items/{place}/{name}", reason))

    def head(self) -> Document:
        """The fields of the whole order."""
        first = _pick(self.lines[0], *ORDER_FIELDS)
        return first | {name: self.lines[place][name] for name, place in self.sources.items()}

    def place_of(self, problem: Problem) -> int:
        """Return the place of the row that a problem is about; 0 for one of the whole order."""
        match problem.pointer.split("/"):
            case ["", "items", place, *_]:
                return int(place)
            case ["", name]:
                return self.sources.get(name, 0)
        return 0


class _HasEnded(Invalid):
    """The order has ended, and is to be imported as one of the past."""


class _Outcome(NamedTuple):
    """The end of one order's import: the order placed, None if it was before; or its problems."""

    order: OrderRows
    placed: Document | None = None
    is_waiting: bool = False
    problems: Sequence[Problem] = ()
    remedies: Sequence[Remedy] = ()


class OrderImport:
    """The import of one table into one store."""

    def __init__(
        self, rules: OrderPolicy, schema: Schema, zone: ZoneInfo, *, is_history: bool = False
    ) -> None:
        """`schema` is that of an order request; `zone` is that of times without one.

        With `is_history`, the orders have ended: they are recorded, and no service acts on them.
        """
        self._is_history = is_history
        self._rules = rules
        self._schema = schema
        self._zone = zone
        self.result = OrderImportResult()

    def run(
        self,
        store: Store,
        table: Table,
        columns: Columns,
        on_progress: Callable[[int], None] = lambda rows: None,
    ) -> OrderImportResult:
        """Place the orders of the table; durable on return.

        `on_progress` gets the number of rows of each batch. Raises what
        Store.run_in_transaction does; orders imported before that stay.
        """
        orders = self._group(table, columns)
        stock = UnreservedStock(store)
        on_progress(len(self.result.rejected_rows))
        for batch in _batches(orders):
            for outcome in store.run_in_transaction(partial(self._import_all, batch, stock)):
                self._count(outcome)
            stock.keep()
            on_progress(sum(len(order.rows) for order in batch))
        return self.result

    def _group(self, table: Table, columns: Columns) -> list[OrderRows]:
        """Return the orders by first appearance; rows without a valid reference are rejected."""
        orders: dict[str, OrderRows] = {}
        for row in table.rows:
            cells, line = columns.cells(row), columns.read(row)
            reference = line.pop("order", None)
            if not is_reference(reference):
                reason = row.error or f"order: {REFERENCE_RULE}"
                self.result.rejected_rows.append(RejectedRow(row, reason))
                continue
            order = orders.setdefault(reference, OrderRows(reference))
            order.add(row, cells, line)
        return list(orders.values())

    def _import_all(
        self, orders: Iterable[OrderRows], stock: UnreservedStock, tx: Transaction
    ) -> list[_Outcome]:
        stock.take_back()
        return [self._import(tx, order, stock) for order in orders]

    def _import(self, tx: Transaction, order: OrderRows, stock: UnreservedStock) -> _Outcome:
        """Place one order, unless it was imported before; a rejected one changes nothing."""
        try:
            with tx.savepoint():
                return self._place(tx, order, stock)
        except _HasEnded as error:
            return _Outcome(order, problems=error.problems, remedies=(Remedy.HISTORY,))
        except Invalid as error:
            return _Outcome(order, problems=error.problems)
        except Conflict as error:
            return _Outcome(order, problems=[Problem("", str(error))])

    def _count(self, outcome: _Outcome) -> None:
        if outcome.problems:
            self._reject(outcome.order, outcome.problems, *outcome.remedies)
        elif outcome.placed is None:
            self.result.existing += 1
        else:
            self.result.accepted += 1
            self.result.waiting += outcome.is_waiting
            self.result.lines += len(outcome.placed["items"])
            self.result.total += Decimal(outcome.placed["total_amount"])

    def _place(self, tx: Transaction, order: OrderRows, stock: UnreservedStock) -> _Outcome:
        if order.problems:
            raise Invalid(order.problems)
        head = order.head()
        request = _pick(head, "customer_name", "customer_email") | {
            "items": [_pick(line, "product", "quantity", "amount") for line in order.lines]
        }
        request, order_date = load(self._schema, request), self._order_date(head)
        reference, order_id = order.reference, str(head.get("order_id", ""))
        if is_order_id(order_id):
            if is_own_order(tx, order_id, request, order_date):
                return _Outcome(order)
            reference = order_id
        self._refuse_other_currency(head)
        if self._is_history:
            past = self._past_states(head)
            placed = import_order(tx, self._rules, reference, request, order_date, past)
            return _Outcome(order, placed)
        self._refuse_other_states(head)
        placed = import_order(tx, self._rules, reference, request, order_date)
        is_waiting = placed is not None and stock.take(tx, placed)
        return _Outcome(order, placed, is_waiting)

    def _refuse_other_states(self, head: Document) -> None:
        """Raise _HasEnded for an order that has."""
        if head.get("status", PLACED) not in OPEN:
            raise _HasEnded([Problem("/status", f"must be {_join(OPEN)} for a new order")])

    def _past_states(self, head: Document) -> PastStates:
        """The states in which the order ended. Raises Invalid when they or its date are missing."""
        missing = [name for name in ("order_date", "status") if name not in head]
        if missing:
            raise Invalid([Problem(f"/{name}", "is required of a past order") for name in missing])
        status = head["status"]
        payment_status = head.get("payment_status", "paid" if status in SENT else "pending")
        if status not in (*SENT, *VOIDED):
            reason = f"must be {_join((*SENT, *VOIDED))} for a past order"
            raise Invalid([Problem("/status", reason)])
        if payment_status not in PAYMENT_STATUSES:
            raise Invalid([Problem("/payment_status", f"must be {_join(PAYMENT_STATUSES)}")])
        return PastStates(status, payment_status)

    def _refuse_other_currency(self, head: Document) -> None:
        """Raise Invalid for an order in another currency than the shop's."""
        code = self._rules.currency.code
        if head.get("currency", code) != code:
            reason = f"must be {code}, the currency of this shop"
            raise Invalid([Problem("/currency", reason)])

    def _order_date(self, line: Document) -> str | None:
        """Return the order date as a stored time, None when there is none. Raises Invalid."""
        date = line.get("order_date")
        if isinstance(date, Unreadable):
            raise Invalid([Problem("/order_date", date.reason)])
        try:
            return None if date is None else clock.parse_input(str(date), self._zone)
        except ValueError as error:
            raise Invalid([Problem("/order_date", str(error))]) from None

    def _reject(self, order: OrderRows, problems: Sequence[Problem], *remedies: Remedy) -> None:
        """Reject every row of the order: for its own problems, or for those of another row."""
        by_place: dict[int, list[Problem]] = {}
        for problem in problems:
            by_place.setdefault(order.place_of(problem), []).append(problem)
        other = f"its order is refused because of line {order.rows[min(by_place)].line}"
        self.result.rejected += 1
        for place, (row, line) in enumerate(zip(order.rows, order.lines, strict=True)):
            rejected = RejectedRow(row, other)
            if place in by_place:
                rejected = RejectedRow.of_problems(row, by_place[place], line)
                rejected = rejected._replace(remedies=(*rejected.remedies, *remedies))
            self.result.rejected_rows.append(rejected)


def _batches(orders: list[OrderRows]) -> Iterator[list[OrderRows]]:
    """Yield the orders in batches, each small enough for one transaction."""
    batch: list[OrderRows] = []
    lines = 0
    for order in orders:
        is_full = len(batch) == MAX_BATCH_ORDERS or lines + len(order.rows) > MAX_BATCH_LINES
        if batch and is_full:
            yield batch
            batch, lines = [], 0
        batch.append(order)
        lines += len(order.rows)
    if batch:
        yield batch


def _agree(name: str, first: Any, value: Any) -> bool:
    """Whether two rows of an order say the same; a till dates each line by the minute."""
    if name == "order_date":
        return str(first)[:_DAY_LENGTH] == str(value)[:_DAY_LENGTH]
    return bool(first == value)


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _pick(line: Document, *names: str) -> dict[str, Any]:
    return {name: line[name] for name in names if name in line}
