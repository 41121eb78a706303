"""Erases the customer of an order: everywhere in the store, in one transaction for each order.

Outside of the store are the mails, which the handler of customer.forgotten removes, and the files
and journal segments that are written anew at the next checkpoint. So a process that dies in between
loses nothing: the event is in the outbox then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from app.billing import service as billing
from app.billing.payments import amount_due
from app.billing.queries import get_invoice
from app.events import failures, outbox
from app.events.subscriptions import is_subscriber
from app.http.requests import idempotency
from app.kernel import clock
from app.kernel.errors import Conflict
from app.kernel.order_states import OPEN
from app.kernel.personal_data import Erase, erasure_of
from app.orders import erasure as orders
from app.orders import references
from app.orders.documents import HISTORY, ORDERS
from app.privacy.customers import OrderKey
from app.shipping import service as shipping
from app.shipping.queries import get_shipment
from app.store import Document, Store, Transaction, View


@dataclass(frozen=True)
class Traces:
    """Documents that repeat the customers of some orders, but are in no index by order."""

    references: dict[str, list[str]] = field(default_factory=dict)
    responses: dict[str, list[str]] = field(default_factory=dict)
    since: str = ""
    """The time at which the search began; later responses are searched in the transaction."""


def find_traces(store: Store, found: Sequence[OrderKey]) -> Traces:
    """Search all references and stored responses for these orders, batch by batch."""
    since = clock.now()
    ids = {each.order_id: _names(each) for each in found}
    return Traces(
        references.find_references(store, ids), idempotency.find_responses(store, ids), since
    )


def find_erasure(view: View, order: OrderKey, *, is_settled: bool = False) -> Erase | None:
    """The erasure of the order's customer; None when there is nothing left to erase.

    Raises Conflict as `refuse_under_way` does.
    """
    documents = list(documents_of(view, order.order_id))
    erase = erasure_of(*documents)
    if all(erase(each) == each for each in documents):
        return None
    refuse_under_way(view, order, is_settled=is_settled)
    return erase


def forget_customer(
    tx: Transaction, order: OrderKey, traces: Traces, by: str, *, is_settled: bool = False
) -> bool:
    """Erase the customer of an order; False when that was done before.

    Raises Conflict as `refuse_under_way` does. `by` is recorded in the order's history.
    """
    erase, order_id = find_erasure(tx, order, is_settled=is_settled), order.order_id
    if erase is None:
        return False
    outbox.erase_customer(tx, order_id, erase)
    failures.erase_customer(tx, order_id, erase)
    billing.erase_customer(tx, order_id, erase)
    shipping.erase_customer(tx, order_id, erase)
    references.erase_customer(tx, traces.references.get(order_id, ()), erase)
    responses = traces.responses.get(order_id, ())
    idempotency.withhold_responses(tx, responses, _names(order), traces.since)
    orders.forget_customer(tx, order_id, order.number, erase, by)
    return True


def refuse_under_way(view: View, order: OrderKey, *, is_settled: bool = False) -> None:
    """Raise Conflict while the shop still needs to know the customer of the order.

    It does until the order has left or ended, its events are delivered, and all is paid or paid
    back; or `is_settled`, so that what is due was settled elsewhere.
    """
    stored, number = view.get(ORDERS.name, order.order_id), order.number
    if stored and stored["status"] in OPEN:
        raise Conflict(
            f"Order {number} is {stored['status']}, so the shop still needs its customer. Cancel "
            "it, or wait until it has left.",
            order_status=stored["status"],
        )
    if any(
        delivery["state"] == outbox.PENDING and not is_subscriber(handler)
        for record in outbox.timeline(view, order.order_id)
        for handler, delivery in record["deliveries"].items()
    ):
        raise Conflict(
            f"Events of order {number} are being delivered, which may send mail to its customer. "
            "Try again when they are done or have failed for good."
        )
    if not is_settled:
        _refuse_unsettled(view, order)


def documents_of(view: View, order_id: str) -> Iterator[Document]:
    """Every document about an order that has its customer, the order with its whole history."""
    if order := view.get(ORDERS.name, order_id):
        yield HISTORY.read_all(view, order)
    for document in (get_invoice(view, order_id), get_shipment(view, order_id)):
        if document:
            yield document
    yield from outbox.timeline(view, order_id)
    yield from view.find(failures.FAILURES.name, {"order": order_id}).documents


def _refuse_unsettled(view: View, order: OrderKey) -> None:
    invoice = get_invoice(view, order.order_id)
    due = amount_due(invoice) if invoice else Decimal()
    if invoice and due:
        what = "are not paid" if due > 0 else "have not been paid back"
        raise Conflict(
            f"{abs(due)} {invoice['currency']} of order {order.number} {what}, as far as this shop "
            "knows. Say that it was settled elsewhere to erase the customer all the same."
        )


def _names(order: OrderKey) -> tuple[str, str]:
    """The texts by which stored responses name an order: its id, and the start of its link."""
    return order.order_id, f"/orders/{order.number}-"
