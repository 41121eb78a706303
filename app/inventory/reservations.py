"""The rules of reservations: what is held for which order, and who waits for what.

A reservation is a document for each order, and holds all lines of it or none. It is set to what the
order now wants, or removed, and the products' `reserved` follows; so doing it twice, late or again
does no harm. Where it holds nothing because the shelf is short, `short` says of what, and `wanted`
what the order wants; if all of that may be back-ordered, the order waits for it.

Whoever waits is served oldest order first, in the transaction that frees the stock. An order that
wants more than there is does not hold up those behind it: goods that lie on the shelf help nobody.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from marshmallow import fields

from app.events.outbox import emit
from app.events.types import InventoryBackordered, InventoryReserved, StockFreed, snapshot
from app.inventory.stock import LEDGER, PRODUCTS, book, keep, product_of
from app.kernel import clock
from app.kernel.errors import Conflict
from app.kernel.quantities import quantities
from app.schema.fields import Integer
from app.schema.validation import StrictSchema, stored_document_check
from app.store import Collection, Document, IndexValue, Transaction, View

HOLDING = frozenset({"placed", "confirmed", "backordered"})
"""The order states in which an order wants its stock held."""

ENDED = frozenset({"cancelled", "failed"})
"""The order states in which an order wants nothing any more. One that left is in neither."""

LEFT = frozenset({"shipped", "delivered"})
"""The states of a shipment, and of its order, when the goods are no longer in the house."""

SHIPPED = "shipped"
"""The reason that the ledger gives for what has left."""

SERVED_AT_ONCE = 50
"""So many waiting orders are looked at in one transaction; an event brings on the next ones."""


def waits_for(reservation: Document) -> Sequence[IndexValue]:
    """The skus whose arrival the order waits for: all that it wants, since it gets all or none."""
    short = reservation.get("short", [])
    if not short or not all(each["backorder"] for each in short):
        return []
    return [line["product"] for line in reservation["wanted"]]


_LINE: dict[str, fields.Field[Any]] = {
    "product": fields.String(required=True),
    "quantity": Integer(minimum=1, maximum=10**12, required=True),
}

RESERVATIONS = Collection(
    name="reservations",
    key="order_id",
    indexes={"waiting_for": waits_for},
    check=stored_document_check(
        version=Integer(minimum=0, maximum=10**12, required=True),
        lines=fields.List(fields.Nested(StrictSchema.from_dict(_LINE)), required=True),
    ),
)
"""Sorted by order id, which is by age."""


def reconcile(tx: Transaction, order_id: str) -> None:
    """Bring the reservation to what the order says now: all of its lines, or none.

    Tells orders what came of it: inventory.reserved or inventory.backordered.
    """
    order = tx.get("orders", order_id)
    held = tx.get(RESERVATIONS.name, order_id)
    if order is None or order["status"] in ENDED:
        _release(tx, order_id, held)
    elif order["status"] not in HOLDING or _has_left(tx, order_id):
        return
    elif held is None or held["version"] != order["version"]:
        _look(tx, order, held)


def serve_waiting(tx: Transaction, sku: str, after: str | None = None) -> None:
    """Give what is available of a product to the orders that wait for it, oldest first.

    Looks at SERVED_AT_ONCE orders; inventory.stock_freed has the others looked at. `after` is where
    that goes on.
    """
    if product_of(tx, sku)["available"] <= 0:
        return
    page = tx.find(RESERVATIONS.name, {"waiting_for": sku}, after=after, limit=SERVED_AT_ONCE)
    for waiting in page.documents:
        order = tx.get("orders", waiting["order_id"])
        if order and order["status"] in HOLDING and fits(tx, order):
            _look(tx, order, waiting)
    if page.next and product_of(tx, sku)["available"] > 0:
        emit(tx, StockFreed(sku, {"after": page.next}))


def take_shipped(tx: Transaction, order_id: str, shipment: Document) -> None:
    """The goods have left: they come off what is on hand, and the order holds nothing any more.

    Once for each shipment: what the ledger has a line of is booked already. Raises Conflict when
    more has left than is on hand by the books; the caller undoes the transaction then.
    """
    held = tx.get(RESERVATIONS.name, order_id)
    before = quantities(held["lines"]) if held else Counter[str]()
    gone = Counter(
        {
            sku: n
            for sku, n in quantities(shipment["lines"]).items()
            if tx.get(PRODUCTS.name, sku)
            and not tx.get(LEDGER.name, shipped_line_id(shipment, sku))
        }
    )
    for sku in sorted(before.keys() | gone.keys()):
        product = product_of(tx, sku)
        after = product | {"reserved": product["reserved"] - before[sku]}
        if gone[sku]:
            after = _booked_out(tx, after, gone[sku], order_id, shipped_line_id(shipment, sku))
        keep(tx, product, after)
    tx.delete(RESERVATIONS.name, order_id)
    for sku in sorted(before - gone):
        serve_waiting(tx, sku)


def shipped_line_id(shipment: Document, sku: str) -> str:
    """The key of the ledger's line for so much of a shipment."""
    return f"{shipment['shipment_id']}:{sku}"


def wanted_stock(view: View, order: Document) -> Counter[str]:
    """What the order wants of each product that this shop keeps stock of."""
    wanted = quantities(order["items"])
    return Counter({sku: n for sku, n in wanted.items() if view.get(PRODUCTS.name, sku)})


def fits(view: View, order: Document) -> bool:
    """Whether all that the order wants is available, for an order that holds nothing."""
    return all(
        product is None or product["available"] >= n
        for sku, n in quantities(order["items"]).items()
        for product in [view.get(PRODUCTS.name, sku)]
    )


def _look(tx: Transaction, order: Document, held: Document | None) -> None:
    """Hold what the order wants if all of it is there, else nothing; and say which it is."""
    order_id = order["order_id"]
    before = quantities(held["lines"]) if held else Counter[str]()
    wanted = wanted_stock(tx, order)
    short = _short(tx, wanted, before)
    lines = Counter[str]() if short else wanted
    freed = _set_reserved(tx, before, lines)
    tx.put(RESERVATIONS.name, _reservation(order, lines, short))
    seen = {"order": snapshot(order), "number": order["number"], "version": order["version"]}
    if short:
        emit(tx, InventoryBackordered(order_id, seen | {"short": short}))
    else:
        emit(tx, InventoryReserved(order_id, seen))
    for sku in freed:
        serve_waiting(tx, sku)


def _release(tx: Transaction, order_id: str, held: Document | None) -> None:
    """Hold nothing any more."""
    if held is None:
        return
    freed = _set_reserved(tx, quantities(held["lines"]), Counter())
    tx.delete(RESERVATIONS.name, order_id)
    for sku in freed:
        serve_waiting(tx, sku)


def _booked_out(
    tx: Transaction, product: Document, shipped: int, order_id: str, line_id: str
) -> Document:
    if shipped > product["quantity"]:
        raise Conflict(
            f"{shipped} of {product['sku']} were shipped, but the books have only "
            f"{product['quantity']} on hand; count the shelf, then replay."
        )
    return book(tx, product, -shipped, SHIPPED, "shipping", line_id=line_id, order_id=order_id)


def _has_left(view: View, order_id: str) -> bool:
    """Whether the goods are with the carrier; the order hears of it a moment later."""
    shipment = view.get("shipments", order_id)
    return shipment is not None and shipment["state"] in LEFT


def _reservation(order: Document, lines: Counter[str], short: list[Document]) -> Document:
    """The document; `wanted` stands there where it is not what is held."""
    reservation = {
        "order_id": order["order_id"],
        "version": order["version"],
        "lines": _as_lines(lines),
        "at": clock.now(),
    }
    if (wanted := quantities(order["items"])) != lines:
        reservation["wanted"] = _as_lines(wanted)
    return reservation | ({"short": short} if short else {})


def _as_lines(quantities: Counter[str]) -> list[Document]:
    return [{"product": sku, "quantity": n} for sku, n in quantities.items()]


def _short(tx: Transaction, wanted: Counter[str], held: Counter[str]) -> list[Document]:
    short = []
    for sku, quantity in wanted.items():
        product = product_of(tx, sku)
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


def _set_reserved(tx: Transaction, before: Counter[str], now: Counter[str]) -> Iterable[str]:
    """Have the products say what is held now; returns those of which there is more again."""
    freed = []
    for sku in sorted(before.keys() | now.keys()):
        if now[sku] == before[sku]:
            continue
        product = product_of(tx, sku)
        reserved = product["reserved"] + now[sku] - before[sku]
        keep(tx, product, product | {"reserved": reserved})
        if now[sku] < before[sku]:
            freed.append(sku)
    return freed
