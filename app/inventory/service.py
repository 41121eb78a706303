"""The rules of the catalogue and the shelf: what clerks and commands do with products.

With stock.py and reservations.py, the only code that changes inventory's documents. Every function
works in the caller's transaction. Errors are those of app/kernel/errors.py; `who` goes into the
ledger, and into the product as `changed_by`.
"""

from collections.abc import Container

from app.events.outbox import emit
from app.events.types import ProductLowStockDigest
from app.inventory.repair import recount, renew, sound_lines
from app.inventory.reservations import (
    RESERVATIONS,
    fits,
    reconcile,
    serve_waiting,
    shipped_line_id,
    take_shipped,
    waits_for,
    wanted_stock,
)
from app.inventory.schemas import MAX_QUANTITY
from app.inventory.stock import (
    LEDGER,
    LOW_STOCK,
    NEW,
    OUT_OF_STOCK,
    PRODUCTS,
    book,
    find_product,
    keep,
    with_status,
)
from app.kernel.errors import Conflict
from app.kernel.identity import COMMAND
from app.kernel.order_states import PLACED
from app.kernel.versions import refuse_stale
from app.store import Document, Transaction, View

__all__ = [
    "LEDGER",
    "PRODUCTS",
    "RESERVATIONS",
    "add_product",
    "archive_product",
    "change_product",
    "change_stock",
    "create_product",
    "find_product",
    "fits",
    "reconcile",
    "recount",
    "renew",
    "serve_waiting",
    "shipped_line_id",
    "sound_lines",
    "take_shipped",
    "tell_what_is_low",
    "waits_for",
    "wanted_stock",
    "with_status",
]
"""Other packages know inventory by this module alone."""

MOST_TOLD = 1000
"""A longer list of what is low is cut: nobody reads it, and everybody waits for it."""

COUNTED = "stock-take"
"""The reason that the ledger gives for a count where nobody gave one."""


def add_product(tx: Transaction, request: Document, who: str = COMMAND) -> bool:
    """Add a product unless its sku is taken; returns whether it was added."""
    if tx.get(PRODUCTS.name, request["sku"]) is not None:
        return False
    create_product(tx, request, who)
    return True


def create_product(tx: Transaction, request: Document, who: str) -> Document:
    """Add a product; returns it. Raises Conflict when its sku is taken, if by an archived one."""
    sku = request["sku"]
    if present := tx.get(PRODUCTS.name, sku):
        raise Conflict(
            f"There is a product {sku} already"
            + (', archived; PATCH it with {"archived": false}.' if present["archived"] else "."),
            sku=sku,
            archived=present["archived"],
        )
    product = {
        "sku": sku,
        "name": request["name"],
        "category": request.get("category", ""),
        "price": request["price"],
        "quantity": 0,
        "reserved": 0,
        "available": 0,
        "low_stock_threshold": request.get("low_stock_threshold", 0),
        "backorder": request.get("backorder", False),
        "stock_status": OUT_OF_STOCK,
        "archived": False,
        "changed_by": who,
        "updated": "",
        "version": 0,
    }
    if quantity := request.get("quantity", 0):
        product = book(tx, product, quantity, NEW, who)
    return keep(tx, None, product)


def change_product(
    tx: Transaction,
    sku: str,
    patch: Document,
    expected: Container[str] | None = None,
    *,
    who: str = COMMAND,
) -> Document:
    """Apply a merge patch; returns the product as it then is. No change, no event.

    Raises NotFound, Stale, and Conflict for archiving a product that open orders want.
    """
    before = find_product(tx, sku)
    refuse_stale(f"Product {before['sku']}", before, expected)
    after = before | patch
    if after == before:
        return before
    if after["archived"] and not before["archived"]:
        _refuse_wanted(tx, before)
    return keep(tx, before, after | {"changed_by": who})


def archive_product(
    tx: Transaction, sku: str, expected: Container[str] | None = None, *, who: str = COMMAND
) -> Document:
    """Take a product out of the catalogue; what is told of it stays. Raises as change_product."""
    return change_product(tx, sku, {"archived": True}, expected, who=who)


def change_stock(
    tx: Transaction,
    sku: str,
    adjustment: Document,
    who: str,
    expected: Container[str] | None = None,
) -> Document:
    """Book a `change` of what is on hand, or what was counted (`count`); returns the product.

    What arrives goes to waiting orders at once. Raises NotFound, Stale, and Conflict when less than
    nothing would be left.
    """
    before = find_product(tx, sku)
    refuse_stale(f"Product {before['sku']}", before, expected)
    quantity = adjustment.get("count", before["quantity"] + adjustment.get("change", 0))
    if not 0 <= quantity <= MAX_QUANTITY:
        raise Conflict(
            f"There are {before['quantity']} of {before['sku']} on hand; "
            f"there cannot be {quantity}.",
            sku=before["sku"],
            quantity=before["quantity"],
        )
    change = quantity - before["quantity"]
    keep(tx, before, book(tx, before, change, adjustment.get("reason", COUNTED), who))
    if change > 0:
        serve_waiting(tx, before["sku"])
    return find_product(tx, before["sku"])


def tell_what_is_low(tx: Transaction, day: str) -> None:
    """Tell in one event of all products that are low, by product.low_stock_digest."""
    statuses = (OUT_OF_STOCK, LOW_STOCK)
    count = sum(tx.count(PRODUCTS.name, {"stock_status": status}) for status in statuses)
    products: list[Document] = []
    for status in statuses:
        most = MOST_TOLD - len(products)
        products += tx.find(PRODUCTS.name, {"stock_status": status}, limit=most).documents
    if count:
        emit(tx, ProductLowStockDigest(day, {"products": products, "count": count}))


def _refuse_wanted(view: View, product: Document) -> None:
    """Raise Conflict when an open order holds the product, waits for it, or was just placed."""
    sku = product["sku"]
    waits = view.find(RESERVATIONS.name, {"waiting_for": sku}, limit=1).documents
    placed = view.find("orders", {"status": PLACED, "product": sku}, limit=1).documents
    if product["reserved"] or waits or placed:
        raise Conflict(
            f"Open orders want {sku}; it can be archived when they are shipped or cancelled.",
            sku=sku,
            reserved=product["reserved"],
        )
