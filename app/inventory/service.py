"""The rules of stock; the only code that changes products and reservations.

A reservation is a document for each order. It is set to what the order now wants, or removed, and
the products' `reserved` follows; so doing it twice, late or again does no harm.
"""

from collections import Counter

from app import clock
from app.events.outbox import emit
from app.events.types import InventoryBackordered, InventoryReserved, snapshot
from app.inventory.schemas import check_product
from app.store import Collection, Document, Transaction, View

IN_STOCK, LOW_STOCK, OUT_OF_STOCK = "in_stock", "low_stock", "out_of_stock"

HOLDING = frozenset({"placed", "confirmed", "backordered"})
"""The order states in which an order wants its stock held."""

PRODUCTS = Collection(
    name="products",
    key="sku",
    indexes={
        "category": lambda product: [product["category"]] if product["category"] else [],
        "stock_status": lambda product: [product["stock_status"]],
    },
    listed=True,
    check=check_product,
)
RESERVATIONS = Collection(name="reservations", key="order_id")


def add_product(tx: Transaction, request: Document) -> bool:
    """Add a product unless its sku is taken; returns whether it was added."""
    if tx.get(PRODUCTS.name, request["sku"]) is not None:
        return False
    product = {
        "sku": request["sku"],
        "name": request["name"],
        "category": request.get("category", ""),
        "price": request["price"],
        "quantity": request.get("quantity", 0),
        "reserved": 0,
        "available": 0,
        "low_stock_threshold": request.get("low_stock_threshold", 0),
        "backorder": request.get("backorder", False),
        "stock_status": OUT_OF_STOCK,
        "updated": clock.now(),
        "version": 1,
    }
    tx.put(PRODUCTS.name, _with_status(product))
    return True


def reconcile(tx: Transaction, order_id: str) -> None:
    """Bring the reservation to what the order says now: all of its lines, or none.

    Tells orders what came of it: inventory.reserved or inventory.backordered.
    """
    order = tx.get("orders", order_id)
    held = tx.get(RESERVATIONS.name, order_id) or {"version": 0, "lines": []}
    if order is None or order["status"] not in HOLDING:
        _hold(tx, order_id, held, Counter(), version=0)
        return
    if held["version"] == order["version"]:
        return
    wanted = wanted_stock(tx, order)
    short = _short(tx, wanted, quantities(held["lines"]))
    _hold(tx, order_id, held, Counter() if short else wanted, order["version"])
    seen = {
        "order": snapshot(order),
        "number": order["number"],
        "version": order["version"],
    }
    if short:
        emit(tx, InventoryBackordered(order_id, seen | {"short": short}))
    else:
        emit(tx, InventoryReserved(order_id, seen))


def renew(tx: Transaction, order_id: str) -> None:
    """Make the reservation anew, even if it seems right; what it holds of unknown products goes."""
    held = tx.get(RESERVATIONS.name, order_id)
    if held:
        known = [line for line in held["lines"] if tx.get(PRODUCTS.name, line["product"])]
        tx.put(RESERVATIONS.name, held | {"version": 0, "lines": known})
    reconcile(tx, order_id)


def recount(tx: Transaction) -> None:
    """Set what is reserved of each product to the sum over the reservations. Costs all of them."""
    reserved: Counter[str] = Counter()
    for order_id in list(tx.keys(RESERVATIONS.name)):
        reservation = tx.get(RESERVATIONS.name, order_id) or {"lines": []}
        reserved.update(quantities(reservation["lines"]))
    for sku in list(tx.keys(PRODUCTS.name)):
        product = _product(tx, sku)
        counted = with_reserved(product, reserved[sku])
        if counted != product:
            tx.put(PRODUCTS.name, counted)


def wanted_stock(view: View, order: Document) -> Counter[str]:
    """What the order wants of each product that this shop keeps stock of."""
    wanted = quantities(order["items"])
    return Counter({sku: n for sku, n in wanted.items() if view.get(PRODUCTS.name, sku)})


def quantities(lines: list[Document]) -> Counter[str]:
    """How many of each product the lines of an order or a reservation name."""
    total: Counter[str] = Counter()
    for line in lines:
        total[line["product"]] += line["quantity"]
    return total


def with_reserved(product: Document, reserved: int) -> Document:
    """The product with so many reserved, and what follows from that."""
    return _with_status(product | {"reserved": reserved})


def _short(tx: Transaction, wanted: Counter[str], held: Counter[str]) -> list[Document]:
    short = []
    for sku, quantity in wanted.items():
        product = _product(tx, sku)
        available = product["available"] + held[sku]
        if quantity > available:
            short.append(
                {
                    "product": sku,
                    "wanted": quantity,
                    "available": available,
                    "backorder": product["backorder"],
                }
            )
    return short


def _hold(
    tx: Transaction, order_id: str, held: Document, wanted: Counter[str], version: int
) -> None:
    """Hold exactly `wanted` for the order; a version of 0 ends the reservation."""
    before = quantities(held["lines"])
    for sku in before.keys() | wanted.keys():
        if wanted[sku] != before[sku]:
            product = _product(tx, sku)
            product["reserved"] += wanted[sku] - before[sku]
            tx.put(PRODUCTS.name, _with_status(product))
    if version:
        lines = [{"product": sku, "quantity": n} for sku, n in wanted.items()]
        tx.put(
            RESERVATIONS.name,
            {"order_id": order_id, "version": version, "lines": lines, "at": clock.now()},
        )
    else:
        tx.delete(RESERVATIONS.name, order_id)


def _product(tx: Transaction, sku: str) -> Document:
    product = tx.get(PRODUCTS.name, sku)
    if product is None:
        raise LookupError(f"product {sku} is reserved, but not in the catalogue; run `flask check`")
    return product


def _with_status(product: Document) -> Document:
    """The product with what follows from its quantities."""
    available = product["quantity"] - product["reserved"]
    if available <= 0:
        status = OUT_OF_STOCK
    elif available <= product["low_stock_threshold"]:
        status = LOW_STOCK
    else:
        status = IN_STOCK
    return product | {"available": available, "stock_status": status}
