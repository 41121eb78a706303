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

from app import clock
from app.events.outbox import emit
from app.events.types import InventoryBackordered, InventoryReserved, StockFreed, snapshot
from app.inventory.stock import PRODUCTS, keep, product_of, quantities, with_status
from app.store import Collection, Document, IndexValue, Transaction, View

HOLDING = frozenset({"placed", "confirmed", "backordered"})
"""The order states in which an order wants its stock held."""

ENDED = frozenset({"cancelled", "failed"})
"""The order states in which an order wants nothing any more. One that left is in neither."""

SERVED_AT_ONCE = 50
"""So many waiting orders are looked at in one transaction; an event brings on the next ones."""


def waits_for(reservation: Document) -> Sequence[IndexValue]:
    """The skus whose arrival the order waits for: all that it wants, since it gets all or none."""
    short = reservation.get("short", [])
    if not short or not all(each["backorder"] for each in short):
        return []
    return [line["product"] for line in reservation["wanted"]]


RESERVATIONS = Collection(name="reservations", key="order_id", indexes={"waiting_for": waits_for})
"""Sorted by order id, which is by age."""


def reconcile(tx: Transaction, order_id: str) -> None:
    """Bring the reservation to what the order says now: all of its lines, or none.

    Tells orders what came of it: inventory.reserved or inventory.backordered.
    """
    order = tx.get("orders", order_id)
    held = tx.get(RESERVATIONS.name, order_id)
    if order is None or order["status"] in ENDED:
        _release(tx, order_id, held)
    elif order["status"] in HOLDING and (held is None or held["version"] != order["version"]):
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
        product = product_of(tx, sku)
        counted = with_status(product | {"reserved": reserved[sku]})
        if counted != product:
            keep(tx, product, counted)


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
