"""Products and the stock ledger, as they are kept.

Every change of a product goes through `keep`, which tells what others may want to know; every
change of what is on hand through `book` as well, which writes it into the ledger. Only the other
rooms of inventory call these.
"""

from app.events.outbox import emit
from app.events.types import ProductLowStock, ProductUpdated
from app.inventory.schemas import check_line, check_product
from app.kernel import clock
from app.kernel.errors import NotFound
from app.store import Collection, Document, Transaction, View

IN_STOCK, LOW_STOCK, OUT_OF_STOCK = "in_stock", "low_stock", "out_of_stock"

NEW = "new product"
"""The reason that the ledger gives for what a product begins with; it begins with nothing."""

TOLD = ("name", "price", "stock_status", "archived")
"""A change of one of these is told by product.updated."""

PRODUCTS = Collection(
    name="products",
    key="sku",
    indexes={
        # an archived product is found by its sku, and among the archived ones, but by nothing else
        "archived": lambda product: [int(product["archived"])],
        "category": lambda product: _if_sold(product, product["category"]),
        "stock_status": lambda product: _if_sold(product, product["stock_status"]),
    },
    listed=True,
    check=check_product,
)
LEDGER = Collection(
    name="stock_ledger",
    key="id",
    sort=lambda line: f"{line['line']:012d}",
    indexes={"sku": lambda line: [line["sku"]]},
    check=check_line,
)
"""A line for each change of what is on hand, numbered for each sku from 1; none is ever removed."""


def find_product(view: View, sku: str) -> Document:
    """The product, archived or not. Raises NotFound."""
    product = view.get(PRODUCTS.name, sku) or view.get(PRODUCTS.name, sku.rstrip("/"))
    if product is None:
        raise NotFound(f"There is no product {sku[:64]}.")
    return product


def product_of(view: View, sku: str) -> Document:
    """A product that has to be there, because something of it is held."""
    product = view.get(PRODUCTS.name, sku)
    if product is None:
        raise LookupError(f"product {sku} is reserved, but not in the catalogue; run `flask check`")
    return product


def keep(tx: Transaction, before: Document | None, after: Document) -> Document:
    """Store a product in its next version, with what follows from its quantities.

    Tells by product.updated what a website shows, and by product.low_stock that what is available
    has just fallen to the threshold. A new product has fallen from nowhere.
    """
    version = before["version"] + 1 if before else 1
    kept = with_status(after) | {"updated": clock.now(), "version": version}
    tx.put(PRODUCTS.name, kept)
    if before is None or any(kept[name] != before[name] for name in TOLD):
        emit(tx, ProductUpdated(kept["sku"], {"product": kept}))
    if before and before["stock_status"] == IN_STOCK != kept["stock_status"]:
        emit(tx, ProductLowStock(kept["sku"], {"product": kept}))
    return kept


def book(
    tx: Transaction,
    product: Document,
    change: int,
    reason: str,
    who: str,
    *,
    line_id: str | None = None,
    order_id: str | None = None,
) -> Document:
    """Write into the ledger that so many pieces came or went (negative); the product as it then is.

    The caller keeps that. `line_id` is given where the same change must not be booked twice.
    """
    before = product["quantity"]
    line = {
        "id": line_id or tx.new_id(),
        "sku": product["sku"],
        "line": tx.count(LEDGER.name, {"sku": product["sku"]}) + 1,
        "at": clock.now(),
        "who": who,
        "reason": reason,
        "order_id": order_id,
        "change": change,
        "before": before,
        "after": before + change,
    }
    tx.put(LEDGER.name, line)
    return product | {"quantity": line["after"]}


def with_status(product: Document) -> Document:
    """The product with what follows from quantity, reserved and threshold."""
    available = product["quantity"] - product["reserved"]
    if available <= 0:
        status = OUT_OF_STOCK
    elif available <= product["low_stock_threshold"]:
        status = LOW_STOCK
    else:
        status = IN_STOCK
    return product | {"available": available, "stock_status": status}


def _if_sold(product: Document, value: str) -> list[str]:
    return [value] if value and not product["archived"] else []
