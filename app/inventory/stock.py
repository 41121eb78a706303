"""Products and the stock ledger: the two functions through which inventory changes them.

`save_product` emits the events about a product. A change of the quantity on hand goes through
`record_stock_change` first, which writes a line of the ledger.
"""

from app.events.outbox import emit
from app.events.types import ProductLowStock, ProductUpdated
from app.inventory.documents import LEDGER, PRODUCTS
from app.inventory.schemas import IN_STOCK, LOW_STOCK, OUT_OF_STOCK
from app.kernel import clock
from app.kernel.versions import details_version
from app.store import Document, Transaction, View

NEW = "new product"
"""The ledger's reason for the first quantity of a product; the quantity before it is 0."""

PUBLISHED_FIELDS = ("name", "price", "stock_status", "archived")
"""A change of one of these fields emits product.updated."""


def require_product(view: View, sku: str) -> Document:
    """A product of which something is reserved. Raises LookupError when it is missing."""
    product = view.get(PRODUCTS.name, sku)
    if product is None:
        raise LookupError(f"product {sku} is reserved, but not in the catalogue; run `flask check`")
    return product


def save_product(tx: Transaction, before: Document | None, after: Document) -> Document:
    """Store the next version of a product with its derived fields; returns it.

    Emits product.updated for a new product or a change of PUBLISHED_FIELDS, and product.low_stock
    when the available quantity has just fallen to the threshold; a new product emits no
    product.low_stock.
    """
    version = before["version"] + 1 if before else 1
    saved = with_stock_status(after) | {"updated": clock.now(), "version": version}
    if before:
        saved["details_version"] = details_version(after)
    tx.put(PRODUCTS.name, saved)
    if before is None or any(saved[name] != before[name] for name in PUBLISHED_FIELDS):
        emit(tx, ProductUpdated(saved["sku"], {"product": saved}))
    if before and before["stock_status"] == IN_STOCK != saved["stock_status"]:
        emit(tx, ProductLowStock(saved["sku"], {"product": saved}))
    return saved


def record_stock_change(
    tx: Transaction,
    product: Document,
    change: int,
    reason: str,
    by: str,
    *,
    line_id: str | None = None,
    order_id: str | None = None,
) -> Document:
    """Write a ledger line for `change` pieces on hand (negative: fewer).

    Returns the product with its new quantity, for the caller to save. `line_id` is given for a
    change that must not be recorded twice.
    """
    before = product["quantity"]
    newest = tx.find(LEDGER.name, {"sku": product["sku"]}, limit=1, descending=True).documents
    line = {
        "id": line_id or tx.new_id(),
        "sku": product["sku"],
        "line": newest[0]["line"] + 1 if newest else 1,
        "at": clock.now(),
        "who": by,
        "reason": reason,
        "order_id": order_id,
        "change": change,
        "before": before,
        "after": before + change,
    }
    tx.put(LEDGER.name, line)
    return product | {"quantity": line["after"]}


def with_stock_status(product: Document) -> Document:
    """The product with `available` and `stock_status` derived from its other fields."""
    available = product["quantity"] - product["reserved"]
    if available <= 0:
        status = OUT_OF_STOCK
    elif available <= product["low_stock_threshold"]:
        status = LOW_STOCK
    else:
        status = IN_STOCK
    return product | {"available": available, "stock_status": status}
