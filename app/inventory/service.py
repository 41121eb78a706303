"""The rules of the catalogue and the stock: what clerks and commands do with products.

With stock.py, reservations.py and repair.py, this is the only code that changes inventory's
documents. Every function works in the caller's transaction. Errors are those of
app/kernel/errors.py; `by` is the name recorded in the ledger, and as the product's `changed_by`.
"""

from app.events.outbox import emit
from app.events.types import ProductLowStockDigest
from app.inventory.documents import PRODUCTS, RESERVATIONS
from app.inventory.pictures import Pictures
from app.inventory.queries import find_product
from app.inventory.reservations import allocate_to_backorders
from app.inventory.schemas import LOW_STOCK, MAX_QUANTITY, OUT_OF_STOCK
from app.inventory.stock import NEW, record_stock_change, save_product
from app.kernel.errors import Conflict
from app.kernel.identity import COMMAND
from app.kernel.versions import Versions, details_version, refuse_stale
from app.orders.queries import is_in_placed_order
from app.store import Document, Transaction, View

MAX_DIGEST_PRODUCTS = 1000
"""A digest lists at most so many products, so that its event and its mail stay small."""

STOCK_TAKE = "stock-take"
"""The ledger's reason for a count that has no other."""


def add_product(tx: Transaction, request: Document, by: str = COMMAND) -> bool:
    """Add a product unless its sku is taken; returns whether it was added."""
    if tx.get(PRODUCTS.name, request["sku"]) is not None:
        return False
    create_product(tx, request, by)
    return True


def create_product(tx: Transaction, request: Document, by: str) -> Document:
    """Add a product; returns it. Raises Conflict when a product, archived or not, has the sku."""
    sku = request["sku"]
    if existing := tx.get(PRODUCTS.name, sku):
        raise Conflict(
            f"There is a product {sku} already"
            + (', archived; PATCH it with {"archived": false}.' if existing["archived"] else "."),
            sku=sku,
            archived=existing["archived"],
        )
    product = {
        "sku": sku,
        "name": request["name"],
        "category": request.get("category", ""),
        "price": request["price"],
        **({"tax_rate": request["tax_rate"]} if request.get("tax_rate") else {}),
        "quantity": 0,
        "reserved": 0,
        "available": 0,
        "low_stock_threshold": request.get("low_stock_threshold", 0),
        "backorder": request.get("backorder", False),
        "stock_status": OUT_OF_STOCK,
        "archived": False,
        "changed_by": by,
        "updated": "",
        "version": 0,
    }
    if quantity := request.get("quantity", 0):
        product = record_stock_change(tx, product, quantity, NEW, by)
    return save_product(tx, None, product)


def change_product(
    tx: Transaction, sku: str, patch: Document, expected: Versions = None, *, by: str = COMMAND
) -> Document:
    """Apply a merge patch; returns the product after it. Null removes the tax rate.

    No change emits no event.

    A version before a change of the stock alone is not stale. Raises NotFound, Stale, and Conflict
    for archiving a product that open orders want.
    """
    before = find_product(tx, sku)
    oldest = details_version(before)
    refuse_stale(f"Product {before['sku']}", before, expected, oldest=oldest)
    return _change_details(tx, before, patch, by)


def archive_product(tx: Transaction, sku: str, expected: Versions = None, *, by: str) -> Document:
    """Archive a product; returns it.

    Raises NotFound, Stale, and Conflict for a product that open orders want.
    """
    return _change_details(tx, _find_current(tx, sku, expected), {"archived": True}, by)


def set_picture(
    tx: Transaction, pictures: Pictures, sku: str, picture: bytes | None, *, by: str = COMMAND
) -> None:
    """Give the product this picture, as `pictures.draw` returns it; None takes it away.

    Raises NotFound, and StorageFull or Unavailable when the file cannot be written.
    """
    before = find_product(tx, sku)
    old, name = before.get("picture", ""), pictures.keep(picture) if picture else ""
    if name != old:
        save_product(tx, before, before | {"picture": name, "changed_by": by})
        if old:
            pictures.retire(old)
    pictures.remove_unused(lambda each: tx.count(PRODUCTS.name, {"picture": each}) > 0)


def change_stock(
    tx: Transaction, sku: str, adjustment: Document, by: str, expected: Versions = None
) -> Document:
    """Record a `change` of the quantity on hand, or its `count`; returns the product.

    New stock is reserved for waiting orders at once. Raises NotFound, Stale, and Conflict when the
    quantity would be below 0 or above MAX_QUANTITY.
    """
    before = _find_current(tx, sku, expected)
    quantity = adjustment.get("count", before["quantity"] + adjustment.get("change", 0))
    if not 0 <= quantity <= MAX_QUANTITY:
        raise Conflict(
            f"There are {before['quantity']} of {before['sku']} on hand; "
            f"there cannot be {quantity}.",
            sku=before["sku"],
            quantity=before["quantity"],
        )
    change = quantity - before["quantity"]
    reason = adjustment.get("reason", STOCK_TAKE)
    save_product(tx, before, record_stock_change(tx, before, change, reason, by))
    if change > 0:
        allocate_to_backorders(tx, before["sku"])
    return find_product(tx, before["sku"])


def emit_low_stock_digest(tx: Transaction, day: str) -> None:
    """Emit product.low_stock_digest with the products that are low or out of stock, if any."""
    statuses = (OUT_OF_STOCK, LOW_STOCK)
    count = sum(tx.count(PRODUCTS.name, {"stock_status": status}) for status in statuses)
    products: list[Document] = []
    for status in statuses:
        room = MAX_DIGEST_PRODUCTS - len(products)
        products += tx.find(PRODUCTS.name, {"stock_status": status}, limit=room).documents
    if count:
        emit(tx, ProductLowStockDigest(day, {"products": products, "count": count}))


def _find_current(view: View, sku: str, expected: Versions) -> Document:
    """The product. Raises NotFound, and Stale at another version than those expected."""
    product = find_product(view, sku)
    refuse_stale(f"Product {product['sku']}", product, expected)
    return product


def _change_details(tx: Transaction, before: Document, patch: Document, by: str) -> Document:
    after = {name: value for name, value in (before | patch).items() if value is not None}
    if after == before:
        return before
    if after["archived"] and not before["archived"]:
        _refuse_wanted(tx, before)
    details = {"changed_by": by, "details_version": before["version"] + 1}
    return save_product(tx, before, after | details)


def _refuse_wanted(view: View, product: Document) -> None:
    """Raise Conflict when an open order holds the product, waits for it or is unprocessed."""
    sku = product["sku"]
    waiting = view.find(RESERVATIONS.name, {"waiting_for": sku}, limit=1).documents
    if product["reserved"] or waiting or is_in_placed_order(view, sku):
        raise Conflict(
            f"Open orders want {sku}; it can be archived when they are shipped or cancelled.",
            sku=sku,
            reserved=product["reserved"],
        )
