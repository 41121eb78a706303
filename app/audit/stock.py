"""Compares products, reservations, waiting orders and the stock ledger with each other."""

from collections import Counter

from app.audit.progress import deliveries_of, handlers_are_done
from app.audit.report import AuditReport, Repair, documents_of
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


def check_reservations(view: View, report: AuditReport) -> None:
    """No deleted order has a reservation, and no order waits for stock that is available."""
    in_allocation = _skus_in_allocation(view)
    for reservation in documents_of(view, RESERVATIONS.name):
        order_id = reservation["order_id"]
        held = format_quantities(quantities(reservation["lines"]))
        order = view.get(ORDERS.name, order_id)
        if not handlers_are_done(report, order_id, deliveries_of(view, order_id), "inventory"):
            continue
        if order is None:
            where = f"order {order_id}, which is gone"
            report.add("reservation", where, "none", held, Repair.RESERVATION, order_id)
        elif (
            (skus := backordered_skus(reservation))
            and is_available(view, order)
            and not in_allocation & {*skus}
        ):
            where, wanted = (
                f"order {order['number']}",
                format_quantities(stocked_quantities(view, order)),
            )
            report.add("reservation", where, wanted, held, Repair.RESERVATION, order_id)


def check_products(view: View, report: AuditReport) -> None:
    """The quantity on hand follows from the ledger, `reserved` from the reservations."""
    reserved: Counter[str] = Counter()
    for reservation in documents_of(view, RESERVATIONS.name):
        reserved.update(quantities(reservation["lines"]))
    for product in documents_of(view, PRODUCTS.name):
        report.products += 1
        sku = product["sku"]
        quantity = _check_ledger(view, report, product)
        expected = with_stock_status(product | {"reserved": reserved[sku], "quantity": quantity})
        for name in ("quantity", "reserved", "available", "stock_status"):
            if product[name] != expected[name]:
                where = f"product {sku}"
                report.add(name, where, expected[name], product[name], Repair.STOCK)


def check_shipped_goods(view: View, report: AuditReport) -> None:
    """Goods that were shipped are booked out in the ledger."""
    for shipment in documents_of(view, SHIPMENTS.name):
        order_id = shipment["shipment_id"]
        if shipment["state"] not in SENT or not handlers_are_done(
            report, order_id, deliveries_of(view, order_id), "inventory"
        ):
            continue
        for sku, quantity in quantities(shipment["lines"]).items():
            line = view.get(LEDGER.name, ledger_line_id(shipment, sku))
            found = -line["change"] if line else 0
            if found != quantity and view.get(PRODUCTS.name, sku):
                repair = None if line else Repair.SHIPPED
                where = f"shipment of order {shipment['order_number']}"
                report.add(f"{sku} booked out", where, quantity, found, repair, order_id)


def _check_ledger(view: View, report: AuditReport, product: Document) -> int:
    """The quantity on hand by the ledger; reports lines that do not follow from each other."""
    lines = view.find(LEDGER.name, {"sku": product["sku"]}).documents
    sound = repaired_ledger(view, product)
    if sound != lines:
        for number, line in enumerate(sound, 1):
            _check_line(report, line, [each for each in lines if each["line"] == number])
    return int(sound[-1]["after"] if sound else product["quantity"])


def _check_line(report: AuditReport, line: Document, found: list[Document]) -> None:
    if found != [line]:
        what, where = f"line {line['line']}", f"the stock ledger of {line['sku']}"
        report.add(what, where, _format_line(line), _format_lines(found), Repair.STOCK)


def _skus_in_allocation(view: View) -> set[str]:
    """The products whose freed stock is being given to waiting orders, some in each transaction."""
    return {
        record["event"]["subject"]
        for record in documents_of(view, OUTBOX.name)
        if record["event"]["type"] == StockFreed.type
    }


def format_quantities(quantities: Counter[str]) -> str:
    """Quantities by sku as text: "1 of mug, 2 of tea"."""
    return ", ".join(f"{n} of {sku}" for sku, n in sorted(quantities.items())) or "nothing"


def _format_lines(lines: list[Document]) -> str:
    return " and ".join(_format_line(line) for line in lines) or "none"


def _format_line(line: Document) -> str:
    return f"{line['before']} {line['change']:+} = {line['after']}"
