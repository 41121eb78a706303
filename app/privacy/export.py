"""The export of all data about a person, for `flask export-person` (GDPR, articles 15 and 20)."""

from collections.abc import Sequence
from dataclasses import asdict

from app.billing.queries import get_invoice
from app.events.outbox import timeline
from app.kernel import clock
from app.notification.mailbox import Mailbox
from app.orders.documents import HISTORY, ORDERS
from app.privacy.customers import OrderKey, find_orders
from app.shipping.queries import get_shipment
from app.store import Document, Store


def export_person(store: Store, mailbox: Mailbox, email: str) -> Document:
    """All data about the customer with this e-mail address, by order. Raises NotFound."""
    orders = [_export_order(store, mailbox, each) for each in find_orders(store, email)]
    return {"email": email, "exported_at": clock.now(), "orders": orders}


def _export_order(store: Store, mailbox: Mailbox, key: OrderKey) -> Document:
    """The documents about one order; `order` is null for a deleted one, which its events have."""
    with store.read() as view:
        order = view.get(ORDERS.name, key.order_id)
        exported: Document = {
            "number": key.number,
            "order": HISTORY.read_all(view, order) if order else None,
            "invoice": get_invoice(view, key.order_id),
            "shipment": get_shipment(view, key.order_id),
            "events": [record["event"] for record in timeline(view, key.order_id)],
        }
    return exported | {"mails": _mails(mailbox, exported["events"])}


def _mails(mailbox: Mailbox, events: Sequence[Document]) -> list[Document]:
    mails = mailbox.about({event["id"] for event in events})
    return [asdict(mail) for mail in mails]
