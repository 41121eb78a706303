"""Products, reservations, waiting orders and the stock ledger, compared with each other."""

from collections import Counter

from app.audit.findings import Findings, Mend, document_of
from app.audit.progress import are_through, deliveries_of
from app.events.outbox import OUTBOX
from app.events.types import StockFreed
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS, backordered_skus
from app.inventory.queries import is_available, stocked_quantities
from app.inventory.repair import repaired_ledger
from app.inventory.reservations import ledger_line_id
from app.inventory.stock import with_stock_status
from app.kernel.order_states import SENT
from app.kernel.quantities import quantities
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.store import Document, View


def of_reservations(view: View, findings: Findings) -> None:
    """No reservation is left of an order that is gone, and nobody waits for what is there."""
    served = _being_served(view)
    for order_id in view.keys(RESERVATIONS.name):
        reservation = document_of(view, RESERVATIONS.name, order_id)
        held, order = goods(quantities(reservation["lines"])), view.get(ORDERS.name, order_id)
        if not are_through(findings, order_id, deliveries_of(view, order_id), "inventory"):
            continue
        if order is None:
            where = f"order {order_id}, which is gone"
            findings.differ("reservation", where, "none", held, Mend.RESERVATION, order_id)
        elif (
            (skus := backordered_skus(reservation))
            and is_available(view, order)
            and not served & {*skus}
        ):
            where, wanted = f"order {order['number']}", goods(stocked_quantities(view, order))
            findings.differ("reservation", where, wanted, held, Mend.RESERVATION, order_id)


def of_products(view: View, findings: Findings) -> None:
    """On hand is what the ledger says, and reserved the sum over the reservations."""
    reserved: Counter[str] = Counter()
    for order_id in view.keys(RESERVATIONS.name):
        reserved.update(quantities(document_of(view, RESERVATIONS.name, order_id)["lines"]))
    for sku in view.keys(PRODUCTS.name):
        findings.products += 1
        product = document_of(view, PRODUCTS.name, sku)
        quantity = _of_ledger(view, findings, sku)
        expected = with_stock_status(product | {"reserved": reserved[sku], "quantity": quantity})
        for name in ("quantity", "reserved", "available", "stock_status"):
            if product[name] != expected[name]:
                where = f"product {sku}"
                findings.differ(name, where, expected[name], product[name], Mend.STOCK)


def of_shipped_goods(view: View, findings: Findings) -> None:
    """What has left was taken off the shelf, and stands in the ledger."""
    for order_id in view.keys(SHIPMENTS.name):
        shipment = document_of(view, SHIPMENTS.name, order_id)
        if shipment["state"] not in SENT or not are_through(
            findings, order_id, deliveries_of(view, order_id), "inventory"
        ):
            continue
        for sku, quantity in quantities(shipment["lines"]).items():
            line = view.get(LEDGER.name, ledger_line_id(shipment, sku))
            found = -line["change"] if line else 0
            if found != quantity and view.get(PRODUCTS.name, sku):
                mend = None if line else Mend.SHIPPED
                where = f"shipment of order {shipment['order_number']}"
                findings.differ(f"{sku} booked out", where, quantity, found, mend, order_id)


def _of_ledger(view: View, findings: Findings, sku: str) -> int:
    """What is on hand by the ledger; notes lines that do not follow from each other."""
    product = document_of(view, PRODUCTS.name, sku)
    lines = view.find(LEDGER.name, {"sku": sku}).documents
    sound = repaired_ledger(view, product)
    if sound != lines:
        for number, line in enumerate(sound, 1):
            _of_line(findings, line, [each for each in lines if each["line"] == number])
    return int(sound[-1]["after"] if sound else product["quantity"])


def _of_line(findings: Findings, line: Document, found: list[Document]) -> None:
    if found != [line]:
        what, where = f"line {line['line']}", f"the stock ledger of {line['sku']}"
        findings.differ(what, where, _change(line), _changes(found), Mend.STOCK)


def _being_served(view: View) -> set[str]:
    """The products whose queue is being gone through, one transaction after the other."""
    return {
        record["event"]["subject"]
        for event_id in view.keys(OUTBOX.name)
        for record in [document_of(view, OUTBOX.name, event_id)]
        if record["event"]["type"] == StockFreed.type
    }


def goods(quantities: Counter[str]) -> str:
    """Goods in words."""
    return ", ".join(f"{n} of {sku}" for sku, n in sorted(quantities.items())) or "nothing"


def _changes(lines: list[Document]) -> str:
    return " and ".join(_change(line) for line in lines) or "none"


def _change(line: Document) -> str:
    return f"{line['before']} {line['change']:+} = {line['after']}"
