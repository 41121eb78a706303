"""Repairs damaged reservations, products and ledger lines, for `flask check --repair`.

Stock that becomes available by a repair goes to waiting orders.
"""

from functools import partial

from app.inventory import reservations
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS
from app.inventory.stock import NEW, require_product, save_product, with_stock_status
from app.kernel.identity import COMMAND
from app.kernel.quantities import quantities
from app.shipping.queries import get_shipment, is_sent
from app.store import Document, Store, Transaction

LINES_PER_TRANSACTION = 100

LOST = "line lost, made anew"
"""The ledger's reason for a line that replaces a missing one."""


def rebuild_reservation(tx: Transaction, order_id: str) -> None:
    """Make the order's reservation again, even when it seems right; lines of products outside the
    catalogue are dropped.
    """
    if reservation := tx.get(RESERVATIONS.name, order_id):
        known = [line for line in reservation["lines"] if tx.get(PRODUCTS.name, line["product"])]
        tx.put(RESERVATIONS.name, reservation | {"version": 0, "lines": known})
    shipment = get_shipment(tx, order_id)
    if is_sent(shipment):
        reservations.deduct_shipment(tx, order_id, shipment)
    else:
        reservations.reconcile_reservation(tx, order_id)


def rebuild_product(store: Store, sku: str) -> None:
    """Repair the product's ledger, set its quantity to the ledger's last line and `reserved` to
    the sum over the reservations; durable on return.

    The whole ledger is read outside of a transaction, because its lines only grow in number. A
    transaction writes at most LINES_PER_TRANSACTION wrong lines, each of which is still as it was
    read; the last one sets the product.
    """
    with store.read() as view:
        product = require_product(view, sku)
        ledger = view.find(LEDGER.name, {"sku": sku}).documents
    lines = {line["id"]: line for line in ledger}
    repaired = repaired_ledger(product, ledger)
    wrong = [line for line in repaired if line != lines.get(line["id"])]

    def put_lines(start: int, tx: Transaction) -> None:
        for line in wrong[start : start + LINES_PER_TRANSACTION]:
            if tx.get(LEDGER.name, line["id"]) == lines.get(line["id"]):
                tx.put(LEDGER.name, line)

    for start in range(0, len(wrong), LINES_PER_TRANSACTION):
        store.run_in_transaction(partial(put_lines, start))
    store.run_in_transaction(lambda tx: _count_product(tx, sku))


def _count_product(tx: Transaction, sku: str) -> None:
    before = require_product(tx, sku)
    newest = tx.find(LEDGER.name, {"sku": sku}, descending=True, limit=1).documents
    quantity = newest[0]["after"] if newest else before["quantity"]
    holders = tx.find(RESERVATIONS.name, {"product": sku}).documents
    reserved = sum(quantities(each["lines"])[sku] for each in holders)
    after = with_stock_status(before | {"reserved": reserved, "quantity": quantity})
    if after != before:
        save_product(tx, before, after)
        reservations.allocate_to_backorders(tx, sku)


def repaired_ledger(product: Document, lines: list[Document]) -> list[Document]:
    """The product's ledger `lines` as they should be, oldest first; the same ones when sound.

    Lines are numbered from 1, and each starts with the quantity at which the one before ended. A
    single damaged number is derived from the neighbouring lines; a missing line is replaced by one
    that closes the gap.
    """
    if _are_sound(lines):
        return lines
    return _repaired(
        sorted(lines, key=lambda line: (line["at"], line["line"])), product["quantity"]
    )


def _are_sound(lines: list[Document]) -> bool:
    return all(
        line["line"] == number
        and line["after"] == line["before"] + line["change"]
        and (number == 1 or line["before"] == lines[number - 2]["after"])
        for number, line in enumerate(lines, 1)
    )


def _repaired(lines: list[Document], quantity: int) -> list[Document]:
    ends = [*(line["before"] for line in lines[1:]), quantity]
    sound: list[Document] = []
    for line, end in zip(lines, ends, strict=True):
        on_hand = sound[-1]["after"] if sound else 0 if line["reason"] == NEW else line["before"]
        if line["line"] > len(sound) + 1 and line["before"] != on_hand:
            lost = {"id": f"{line['id']}:lost", "who": COMMAND, "reason": LOST, "order_id": None}
            sound.append(_line(line | lost, len(sound) + 1, on_hand, line["before"]))
            on_hand = line["before"]
        is_between = (line["before"], line["after"]) == (on_hand, end)
        after = end if is_between else on_hand + line["change"]
        sound.append(_line(line, len(sound) + 1, on_hand, after))
    return sound


def _line(line: Document, number: int, before: int, after: int) -> Document:
    return line | {"line": number, "before": before, "change": after - before, "after": after}
