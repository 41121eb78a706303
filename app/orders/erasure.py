"""Erases the customer from orders, in the caller's transaction; app/privacy calls it."""

from app.events.outbox import emit
from app.events.types import CustomerForgotten
from app.kernel.order_states import CANCELLED
from app.kernel.personal_data import FORGOTTEN, Erase
from app.orders.documents import HISTORY, ORDERS
from app.orders.states import with_history
from app.store import Document, Transaction


def forget_customer(tx: Transaction, order_id: str, number: int, erase: Erase, by: str) -> None:
    """Erase the customer from an order and its history, and emit customer.forgotten.

    An order that was deleted has its event all the same.
    """
    if order := tx.get(ORDERS.name, order_id):

        def erase_entry(entry: Document) -> Document:
            is_typed = entry["event"] == CANCELLED and entry.get("by")
            return entry | {"detail": ""} if is_typed else erase(entry)

        forgotten = erase(HISTORY.change_entries(tx, order, erase_entry))
        forgotten["details_version"] = order["version"] + 1
        tx.put(ORDERS.name, with_history(tx, forgotten, FORGOTTEN, "", by))
    emit(tx, CustomerForgotten(order_id, {"order_id": order_id, "number": number}))
