"""The documents and collections that the tests of the store use."""

from collections.abc import Iterable
from typing import Any

from app.kernel.errors import Invalid, Problem
from app.store import Collection, Document, IssuedNumber, Store, Transaction


def check_order(document: Document) -> None:
    """Raise Invalid unless the total is a text of digits, the one rule of these orders."""
    total = document.get("total")
    if not isinstance(total, str) or not total.isdigit():
        raise Invalid([Problem("/total", "must be a text of digits")])


ORDERS = Collection(
    name="orders",
    key="order_id",
    sort=lambda order: str(order.get("placed", "")),
    indexes={
        "status": lambda order: [order["status"]] if "status" in order else [],
        "number": lambda order: [order["number"]] if "number" in order else [],
        "sku": lambda order: order.get("skus", []),
    },
    listed=True,
    check=check_order,
    issued_numbers=lambda order: (
        [IssuedNumber("order", order["order_id"], order["number"])] if "number" in order else []
    ),
)
NOTES = Collection(
    name="notes",
    key="note_id",
    issued_numbers=lambda note: (
        [IssuedNumber("order", note["of"], note["number"])] if "of" in note else []
    ),
)
COLLECTIONS = (ORDERS, NOTES)


def order(order_id: str, **fields: Any) -> Document:
    """An order with a total, and the given fields."""
    return {"order_id": order_id, "total": "1", **fields}


def put_orders(store: Store, *documents: Document) -> None:
    """Put all of them in one transaction."""

    def put_all(tx: Transaction) -> None:
        for document in documents:
            tx.put("orders", document)

    store.run_in_transaction(put_all)


def get_order(store: Store, order_id: str) -> Document | None:
    """The order as a fresh view shows it."""
    with store.read() as view:
        return view.get("orders", order_id)


def all_orders(store: Store) -> dict[str, Document]:
    """Every order by its key, read by key and not from a list."""
    with store.read() as view:
        return {key: _present(view.get("orders", key)) for key in view.keys("orders")}


def ids(documents: Iterable[Document]) -> list[str]:
    """The keys of orders, in their order."""
    return [document["order_id"] for document in documents]


def note(tx: Transaction, note_id: str, text: str = "") -> None:
    """Put a note; notes are neither listed nor indexed."""
    tx.put("notes", {"note_id": note_id, "text": text})


def _present(document: Document | None) -> Document:
    assert document is not None
    return document
