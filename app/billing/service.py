"""The rules of invoices; the only code that changes them.

One invoice for each order: made when the order is placed, adjusted when it changes, voided when it
is cancelled, fails or is deleted. It is set to what the order says now, so doing it again does no
harm.
"""

from app import clock
from app.store import Collection, Document, Given, Transaction

OPEN, VOID = "open", "void"

INVOICES = Collection(
    name="invoices",
    key="order_id",
    given=lambda invoice: [
        Given("invoice", invoice["order_id"], invoice["invoice_number"]),
        Given("order", invoice["order_id"], invoice["order_number"]),
    ],
)

VOIDED = frozenset({"cancelled", "failed"})
COPIED = ("customer_name", "customer_email", "items", "currency", "total_amount")


def reconcile(tx: Transaction, order_id: str) -> None:
    """Bring the invoice to what the order says now."""
    order = tx.get("orders", order_id)
    invoice = tx.get(INVOICES.name, order_id)
    if order is None or order["status"] in VOIDED:
        if invoice and invoice["status"] != VOID:
            _keep(tx, invoice | {"status": VOID}, "voided")
    elif invoice is None:
        _make(tx, order)
    elif invoice["status"] == VOID or any(invoice[name] != order[name] for name in COPIED):
        _keep(tx, invoice | _copied(order) | {"status": OPEN}, "adjusted")


def _make(tx: Transaction, order: Document) -> None:
    invoice = {
        "order_id": order["order_id"],
        "invoice_number": tx.next_number("invoice"),
        "order_number": order["number"],
        "status": OPEN,
        **_copied(order),
        "history": [],
    }
    _keep(tx, invoice, "made")


def _copied(order: Document) -> Document:
    return {name: order[name] for name in COPIED}


def _keep(tx: Transaction, invoice: Document, event: str) -> None:
    step = {"at": clock.now(), "event": event, "total_amount": invoice["total_amount"]}
    tx.put(INVOICES.name, invoice | {"history": [*invoice["history"], step]})
