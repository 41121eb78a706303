"""Several orders of the list at once: receipts and packing lists to print, and cancelling.

For clerks. Handing several over to a carrier is several_shipments.py.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request

from app.billing.queries import find_payment_event
from app.billing.tax import included_taxes
from app.http.security.identity import current
from app.kernel import order_states as states
from app.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from app.orders import service
from app.orders.queries import find_order
from app.orders.schemas import CancellationSchema
from app.schema.validation import load
from app.shipping.queries import can_be_changed
from app.shipping.service import shipping_policy
from app.store import Document, View
from app.web.clerk.prints import (
    LeftOut,
    Print,
    packing_or_left_out,
    print_page,
    receipt_or_left_out,
    render_packing,
)
from app.web.clerk.several_shipments import chosen_names, find_chosen
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.positions import parse_page


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages to which the form below the list of orders leads."""
    pages = SeveralOrdersPages(context)
    blueprint.get("/desk/chosen/receipts")(pages.show_receipts)
    blueprint.get("/desk/chosen/packing-lists")(pages.show_packing_lists)
    blueprint.get("/desk/chosen/cancel")(pages.confirm_cancellations)
    blueprint.post("/desk/chosen/cancel")(pages.cancel_chosen)


class Outcome(NamedTuple):
    """The end of one cancellation: the order's number or name, and why it was refused, or ""."""

    name: str
    error: str = ""


class SeveralOrdersPages:
    """The views. Each raises Invalid when no order was chosen, or more than MAX_CHOSEN."""

    def __init__(self, context: PageContext) -> None:
        self._store, self._shop = context.store, context.shop
        self._shipping = shipping_policy(context.config)
        self._cancellation = CancellationSchema()

    def show_receipts(self) -> Response:
        """The receipts of the chosen orders that are paid, each on a sheet of its own."""
        names, first = _chosen_from()
        with self._store.read() as view:
            chosen = [_receipt(view, name) for name in names[first:]]
        printed = print_page(
            chosen, lambda each: render_template("clerk/receipt.html", each=each, shop=self._shop)
        )
        return page("clerk/receipts.html", printed=printed, **_position(names, first, printed))

    def show_packing_lists(self) -> Response:
        """The packing lists of the chosen orders that can leave now."""
        names, first = _chosen_from()
        with self._store.read() as view:
            found = [find_chosen(view, self._shipping, name) for name in names[first:]]
            chosen = [
                packing_or_left_out(view, each.shipment)
                if each.shipment and not each.obstacle
                else LeftOut(each.obstacle)
                for each in found
            ]
        printed = print_page(chosen, render_packing)
        return page("clerk/packing_list.html", printed=printed, **_position(names, first, printed))

    def confirm_cancellations(self) -> Response:
        return self._confirm(request.args.getlist("order"))

    def cancel_chosen(self) -> Response:
        """Cancel each order in a transaction of its own, and list the outcomes."""
        form = submitted_form("order")
        names = chosen_names(form.lists["order"])
        try:
            reason = load(self._cancellation, form.filled("reason")).get("reason", "")
        except Invalid as error:
            return self._confirm(names, form.refused(error))
        outcomes: list[Outcome] = []
        unavailable = ""
        for name in names:
            try:
                outcomes.append(
                    Outcome(name, unavailable) if unavailable else self._cancel(name, reason)
                )
            except (NotFound, Conflict) as error:
                outcomes.append(Outcome(name, str(error)))
            except Unavailable as error:  # the next ones would wait in vain
                unavailable = str(error)
                outcomes.append(Outcome(name, unavailable))
        return page("clerk/cancelled_orders.html", outcomes=outcomes)

    def _cancel(self, name: str, reason: str) -> Outcome:
        """Cancel one order. Raises NotFound, Conflict and Unavailable."""
        order = self._store.run_in_transaction(
            lambda tx: service.cancel_order(tx, name, reason, by=current().name)
        )
        return Outcome(str(order["number"]))

    def _confirm(self, names: Sequence[str], form: SubmittedForm = NO_FORM) -> Response:
        """Show the chosen orders that can be cancelled, with one field for the reason."""
        orders: list[Document] = []
        others: list[LeftOut] = []
        with self._store.read() as view:
            for name in chosen_names(names):
                try:
                    orders.append(_find_open(view, name))
                except (NotFound, Conflict) as error:
                    others.append(LeftOut(str(error)))
        return page("clerk/cancel_orders.html", form, orders=orders, others=others)


def _chosen_from() -> tuple[list[str], int]:
    """Return the orders that the address names, and how many of them earlier pages had.

    Raises Invalid.
    """
    names = chosen_names(request.args.getlist("order"))
    return names, min(parse_page(request.args.get("from", "")) - 1, len(names))


def _position(names: Sequence[str], first: int, printed: Print) -> dict[str, Any]:
    """Return which of the chosen orders a page has, and the address of the next page, if any."""
    last = first + printed.taken
    following = urlencode([("order", name) for name in names] + [("from", str(last + 1))])
    return {
        "first": first + 1,
        "last": last,
        "count": len(names),
        "next": following if last < len(names) else "",
    }


def _receipt(view: View, name: str) -> Document | LeftOut:
    """Return what the last receipt has, if it can be printed with others."""
    try:
        order = find_order(view, name)
    except NotFound as error:
        return LeftOut(str(error))
    try:
        data = find_payment_event(view, order["order_id"]).data
    except Conflict:
        return LeftOut(f"Order {order['number']} has no receipt: nothing has been paid for it yet.")
    due = Decimal(data["order"]["total_amount"]) - Decimal(data["paid"])
    is_due = due > 0 and Decimal(data["paid"])
    taxes = included_taxes(data["order"])
    return receipt_or_left_out({**data, "due": str(due) if is_due else "", "taxes": taxes})


def _find_open(view: View, name: str) -> Document:
    """Return an order that can be cancelled. Raises NotFound and Conflict."""
    order = find_order(view, name)
    if can_be_changed(view, order):
        return order
    status = order["status"] if order["status"] not in states.OPEN else states.SHIPPED
    raise Conflict(f"Order {order['number']} is {status}; it stays as it is.")
