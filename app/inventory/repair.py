"""Brings damaged books of stock back to what orders, reservations and the ledger say.

For `flask check --repair`. Whatever becomes available by it goes to who waits.
"""

from collections import Counter

from app.inventory.reservations import (
    RESERVATIONS,
    reconcile,
    serve_waiting,
    take_shipped,
)
from app.inventory.stock import LEDGER, NEW, PRODUCTS, keep, product_of, with_status
from app.kernel.order_states import SENT
from app.kernel.quantities import quantities
from app.store import Document, Transaction, View

LOST = "line lost, made anew"
"""The reason that the ledger gives where a line was missing."""


def renew(tx: Transaction, order_id: str) -> None:
    """Make the reservation anew, even if it seems right; what it holds of unknown products goes."""
    held = tx.get(RESERVATIONS.name, order_id)
    if held:
        known = [line for line in held["lines"] if tx.get(PRODUCTS.name, line["product"])]
        tx.put(RESERVATIONS.name, held | {"version": 0, "lines": known})
    shipment = tx.get("shipments", order_id)
    if shipment and shipment["state"] in SENT:
        take_shipped(tx, order_id, shipment)
    else:
        reconcile(tx, order_id)


def recount(tx: Transaction) -> None:
    """Set what is reserved of each product to the sum over the reservations, and what is on hand
    to what the ledger says, which is put in order before. Costs all of them.
    """
    reserved: Counter[str] = Counter()
    for order_id in list(tx.keys(RESERVATIONS.name)):
        reservation = tx.get(RESERVATIONS.name, order_id) or {"lines": []}
        reserved.update(quantities(reservation["lines"]))
    for sku in list(tx.keys(PRODUCTS.name)):
        before = product_of(tx, sku)
        lines = sound_lines(tx, before)
        for line in lines:
            tx.put(LEDGER.name, line)
        quantity = lines[-1]["after"] if lines else before["quantity"]
        after = with_status(before | {"reserved": reserved[sku], "quantity": quantity})
        if after != before:
            keep(tx, before, after)
            serve_waiting(tx, sku)


def sound_lines(view: View, product: Document) -> list[Document]:
    """The lines of the product's ledger, oldest first, as they should be.

    Numbered from 1, each beginning where the one before ended. Where a single number was damaged,
    its neighbours tell what it was; where a line is missing, one is made that fits.
    """
    lines = view.find(LEDGER.name, {"sku": product["sku"]}).documents
    if _are_sound(lines):
        return lines
    return _mended(sorted(lines, key=lambda line: (line["at"], line["line"])), product["quantity"])


def _are_sound(lines: list[Document]) -> bool:
    return all(
        line["line"] == number
        and line["after"] == line["before"] + line["change"]
        and (number == 1 or line["before"] == lines[number - 2]["after"])
        for number, line in enumerate(lines, 1)
    )


def _mended(lines: list[Document], quantity: int) -> list[Document]:
    ends = [*(line["before"] for line in lines[1:]), quantity]
    sound: list[Document] = []
    for line, end in zip(lines, ends, strict=True):
        on_hand = sound[-1]["after"] if sound else 0 if line["reason"] == NEW else line["before"]
        if line["line"] > len(sound) + 1 and line["before"] != on_hand:
            made = {"id": f"{line['id']}:lost", "who": "command", "reason": LOST, "order_id": None}
            sound.append(_line(line | made, len(sound) + 1, on_hand, line["before"]))
            on_hand = line["before"]
        is_between = (line["before"], line["after"]) == (on_hand, end)
        after = end if is_between else on_hand + line["change"]
        sound.append(_line(line, len(sound) + 1, on_hand, after))
    return sound


def _line(line: Document, number: int, before: int, after: int) -> Document:
    return line | {"line": number, "before": before, "change": after - before, "after": after}
