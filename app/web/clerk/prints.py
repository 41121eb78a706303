"""Prints of several orders: as many as one page has room for; it leads on to the others."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flask import render_template, url_for

from app.orders.queries import present_address
from app.store import Document, View

MAX_PRINT_BYTES = 80_000
"""The size of all orders of one page in HTML."""

MAX_PRINTED_LINES = 100
"""Lines, payments and tax rates of one order; together they take less than MAX_PRINT_BYTES."""


class LeftOut(NamedTuple):
    """Why a chosen order is not on the page; `address` has it, when it is only too long."""

    sentence: str
    address: str = ""


class Print(NamedTuple):
    """The orders of one page, each as HTML, and those left out; `taken` counts both."""

    sections: list[str]
    others: list[LeftOut]
    taken: int


def print_page(chosen: Sequence[Document | LeftOut], render: Callable[[Document], str]) -> Print:
    """Render the first of the chosen orders, until there is no room for the next one."""
    sections: list[str] = []
    others: list[LeftOut] = []
    room = MAX_PRINT_BYTES
    for place, each in enumerate(chosen):
        if isinstance(each, LeftOut):
            others.append(each)
            continue
        section = render(each)
        room -= len(section.encode())
        if room < 0:
            return Print(sections, others, place)
        sections.append(section)
    return Print(sections, others, len(chosen))


def packing_or_left_out(view: View, shipment: Document) -> Document | LeftOut:
    """Return a shipment to print, with its order's address; a long one has pages of its own."""
    lines, number = len(shipment["lines"]), shipment["order_number"]
    if lines <= MAX_PRINTED_LINES:
        return shipment | present_address(view, shipment["shipment_id"])
    address = url_for("web.clerk.show_shipment", order_id=shipment["shipment_id"])
    return LeftOut(f"Order {number} has {lines:,} lines; print it from its own page.", address)


def render_packing(shipment: Document) -> str:
    """Return the packing list of one order."""
    return render_template("clerk/packing_section.html", each=shipment)


def receipt_or_left_out(receipt: Document) -> Document | LeftOut:
    """Return a receipt to print; a long one is a PDF of its own."""
    order = receipt["order"]
    lines, number = len(order["items"]), order["number"]
    if lines + len(receipt["payments"]) + len(receipt["taxes"]) <= MAX_PRINTED_LINES:
        return receipt
    address = url_for("billing.get_receipt", order_id=number)
    return LeftOut(f"Order {number} has a long receipt; print it by itself.", address)
