"""The rules of reservations: what is held for each order, and which orders wait for stock.

An order gets all of its lines or none. A reservation is set to the order's present lines, or
removed, and the products' `reserved` follows, so a repeated, late or replayed event does no harm.

Waiting orders are served oldest first, in the transaction that frees the stock. An order for
more than is available does not block the ones behind it (docs/decisions/0030).
"""

from collections import Counter

from app.events.outbox import emit
from app.events.types import InventoryBackordered, InventoryReserved, StockFreed, order_data
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS
from app.inventory.queries import is_available, reserved_quantities, stocked_quantities
from app.inventory.stock import record_stock_change, require_product, save_product
from app.kernel import clock
from app.kernel.errors import Conflict
from app.kernel.order_states import BACKORDERED, CONFIRMED, OPEN, VOIDED
from app.kernel.quantities import lines_of, quantities
from app.orders import queries as orders
from app.shipping.queries import can_be_changed
from app.store import Document, Transaction

SHIPPED = "shipped"
"""The ledger's reason for goods that left with a shipment."""

BACKORDERS_PER_TRANSACTION = 50
"""The most waiting orders checked in one transaction; an event continues with the rest."""


def reconcile_reservation(tx: Transaction, order_id: str) -> None:
    """Bring the reservation to what the order says now: all of its lines, or none.

    Emits inventory.reserved or inventory.backordered when it checked a new version of the order.
    """
    order = orders.get_order(tx, order_id)
    reservation = tx.get(RESERVATIONS.name, order_id)
    if order is None or order["status"] in VOIDED:
        if reservation:
            freed = _set_reserved(tx, quantities(reservation["lines"]), Counter())
            tx.delete(RESERVATIONS.name, order_id)
            _allocate_all(tx, freed)
    elif not can_be_changed(tx, order):
        return
    elif reservation is None or reservation["version"] != order["version"]:
        _reserve(tx, order)


def allocate_to_backorders(tx: Transaction, sku: str, after: str | None = None) -> None:
    """Reserve what is available of a product for the orders that wait for it, oldest first.

    Checks at most BACKORDERS_PER_TRANSACTION orders, from the cursor `after`; then emits
    inventory.stock_freed, whose handler continues.
    """
    if require_product(tx, sku)["available"] <= 0:
        return
    page = tx.find(
        RESERVATIONS.name, {"waiting_for": sku}, after=after, limit=BACKORDERS_PER_TRANSACTION
    )
    for waiting in page.documents:
        order = orders.get_order(tx, waiting["order_id"])
        if order and order["status"] in OPEN and is_available(tx, order):
            _reserve(tx, order)
    if page.next and require_product(tx, sku)["available"] > 0:
        emit(tx, StockFreed(sku, {"after": page.next}))


def deduct_shipment(tx: Transaction, order_id: str, shipment: Document) -> None:
    """Take shipped goods off the quantities on hand, and remove the order's reservation.

    A product of the shipment that has its ledger line already is not deducted again. Raises
    Conflict when more has left than is on hand; the caller then undoes the transaction.
    """
    reserved = reserved_quantities(tx, order_id)
    deducted = Counter(
        {
            sku: n
            for sku, n in quantities(shipment["lines"]).items()
            if tx.get(PRODUCTS.name, sku) and not tx.get(LEDGER.name, ledger_line_id(shipment, sku))
        }
    )
    for sku in sorted(reserved.keys() | deducted.keys()):
        product = require_product(tx, sku)
        after = product | {"reserved": product["reserved"] - reserved[sku]}
        if deducted[sku]:
            after = _deduct(tx, after, deducted[sku], order_id, ledger_line_id(shipment, sku))
        save_product(tx, product, after)
    tx.delete(RESERVATIONS.name, order_id)
    _allocate_all(tx, sorted(reserved - deducted))


def ledger_line_id(shipment: Document, sku: str) -> str:
    """The key of the ledger line that records a shipment's pieces of a product."""
    return f"{shipment['shipment_id']}:{sku}"


def _reserve(tx: Transaction, order: Document) -> None:
    """Hold all lines of the order if they are available, or none; emit which it is."""
    order_id = order["order_id"]
    held, wanted = reserved_quantities(tx, order_id), stocked_quantities(tx, order)
    short = _shortages(tx, wanted, held)
    lines = Counter[str]() if short else wanted
    freed = _set_reserved(tx, held, lines)
    tx.put(RESERVATIONS.name, _reservation(order, lines, short))
    data = {name: order[name] for name in ("number", "version")} | {"was": order["status"]}
    if short:
        status = BACKORDERED if all(each["backorder"] for each in short) else order["status"]
        data |= {"order": order_data(order, status=status), "short": short}
        emit(tx, InventoryBackordered(order_id, data))
    else:
        data["order"] = order_data(order, status=CONFIRMED)
        emit(tx, InventoryReserved(order_id, data))
    _allocate_all(tx, freed)


def _allocate_all(tx: Transaction, skus: list[str]) -> None:
    for sku in skus:
        allocate_to_backorders(tx, sku)


def _deduct(
    tx: Transaction, product: Document, shipped: int, order_id: str, line_id: str
) -> Document:
    if shipped > product["quantity"]:
        raise Conflict(
            f"{shipped} of {product['sku']} were shipped, but only {product['quantity']} are on "
            "hand by the stock ledger; count the stock, then replay."
        )
    return record_stock_change(
        tx, product, -shipped, SHIPPED, "shipping", line_id=line_id, order_id=order_id
    )


def _reservation(order: Document, lines: Counter[str], short: list[Document]) -> Document:
    reservation = {
        "order_id": order["order_id"],
        "version": order["version"],
        "lines": lines_of(lines),
        "at": clock.now(),
    }
    if (wanted := quantities(order["items"])) != lines:
        reservation["wanted"] = lines_of(wanted)
    return reservation | ({"short": short} if short else {})


def _shortages(tx: Transaction, wanted: Counter[str], held: Counter[str]) -> list[Document]:
    """The products that are short: `wanted` is more than is available and `held` together.

    So is one that was archived while the order was placed, which no longer gets any stock.
    """
    short = []
    for sku in wanted:
        product = require_product(tx, sku)
        is_sold = not product["archived"]
        available = held[sku] + (product["available"] if is_sold else 0)
        if wanted[sku] > available:
            short.append(
                {
                    "product": sku,
                    "wanted": wanted[sku],
                    "available": available,
                    "backorder": is_sold and product["backorder"],
                }
            )
    return short


def _set_reserved(tx: Transaction, before: Counter[str], after: Counter[str]) -> list[str]:
    """Bring the products' `reserved` from one reservation to the next; returns the skus of which
    more is available now.
    """
    for sku in sorted(before.keys() | after.keys()):
        if after[sku] != before[sku]:
            product = require_product(tx, sku)
            reserved = product["reserved"] + after[sku] - before[sku]
            save_product(tx, product, product | {"reserved": reserved})
    return sorted(before - after)
