"""Compares products, reservations, waiting orders and the stock ledger with each other."""

from collections import Counter
from collections.abc import Set
from dataclasses import replace

from app.audit.comparison import Comparison
from app.audit.report import AuditReport, Repair, documents_of
from app.events.outbox import OUTBOX
from app.events.types import StockFreed
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS, backordered_skus
from app.inventory.pictures import Pictures
from app.inventory.queries import is_available, stocked_quantities
from app.inventory.repair import repaired_ledger
from app.inventory.stock import with_stock_status
from app.kernel.quantities import quantities
from app.store import Document, View


def check_reservation_of_deleted(comparison: Comparison, reservation: Document | None) -> None:
    """A deleted order has no reservation."""
    if reservation and comparison.handlers_are_done("inventory"):
        gone = replace(comparison, where=f"order {comparison.subject}, which is gone")
        held = format_quantities(quantities(reservation["lines"]))
        gone.add("reservation", "none", held, Repair.RESERVATION)


def check_backorder(
    view: View,
    comparison: Comparison,
    order: Document,
    reservation: Document,
    in_allocation: Set[str],
) -> None:
    """No order waits for stock that is available, unless it is being given out now."""
    skus = {str(each) for each in backordered_skus(reservation)}
    if not skus or skus & in_allocation or not comparison.handlers_are_done("inventory"):
        return
    if is_available(view, order):
        wanted = format_quantities(stocked_quantities(view, order))
        held = format_quantities(quantities(reservation["lines"]))
        comparison.add("reservation", wanted, held, Repair.RESERVATION)


def check_products(view: View, report: AuditReport) -> None:
    """The quantity on hand follows from the ledger, `reserved` from the reservations."""
    reserved: Counter[str] = Counter()
    for reservation in documents_of(view, RESERVATIONS.name):
        reserved.update(quantities(reservation["lines"]))
    for product in documents_of(view, PRODUCTS.name):
        report.products += 1
        quantity, sku = _check_ledger(view, report, product), product["sku"]
        expected = with_stock_status(product | {"reserved": reserved[sku], "quantity": quantity})
        comparison = Comparison(report, f"product {sku}", sku)
        names = ("quantity", "reserved", "available", "stock_status")
        comparison.compare_fields(names, expected, product, Repair.STOCK)


def check_pictures(view: View, report: AuditReport, pictures: Pictures) -> None:
    """The picture that a product names is there, with the content that it was stored with."""
    for product in documents_of(view, PRODUCTS.name):
        name = product.get("picture")
        if name and not pictures.is_whole(name):
            where = f"product {product['sku']}"
            report.add("picture", where, f"{name} in pictures/", "no file with that content")


def _check_ledger(view: View, report: AuditReport, product: Document) -> int:
    """The quantity on hand by the ledger; reports lines that do not follow from each other."""
    sku = product["sku"]
    lines = view.find(LEDGER.name, {"sku": sku}).documents
    sound = repaired_ledger(product, lines)
    comparison = Comparison(report, f"the stock ledger of {sku}", sku)
    if sound != lines:
        for number, line in enumerate(sound, 1):
            found = [each for each in lines if each["line"] == number]
            if found != [line]:
                expected, present = _format_line(line), _format_lines(found)
                comparison.add(f"line {number}", expected, present, Repair.STOCK)
    return int(sound[-1]["after"] if sound else product["quantity"])


def skus_in_allocation(view: View) -> set[str]:
    """The products whose freed stock is being given to waiting orders, some in each transaction."""
    return {
        record["event"]["subject"]
        for record in documents_of(view, OUTBOX.name)
        if record["event"]["type"] == StockFreed.type
    }


def format_quantities(quantities: Counter[str]) -> str:
    """Quantities by sku as text: "1 of mug, 2 of tea"."""
    return ", ".join(f"{n} of {sku}" for sku, n in sorted(quantities.items()) if n) or "nothing"


def _format_lines(lines: list[Document]) -> str:
    return " and ".join(_format_line(line) for line in lines) or "none"


def _format_line(line: Document) -> str:
    return f"{line['before']} {line['change']:+} = {line['after']}"
