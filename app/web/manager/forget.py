"""Erases a customer on a page, order by order: what `flask forget` does, for managers.

Mails follow by an event, and the readable files at the next checkpoint.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from flask import Blueprint, Response

from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid, Problem
from app.kernel.text_search import fold
from app.orders.documents import ORDERS
from app.orders.queries import find_order
from app.privacy.customers import OrderKey
from app.privacy.erasure import find_erasure, find_traces, forget_customer
from app.store import Document, View
from app.web.clerk.prints import LeftOut
from app.web.clerk.several_shipments import MAX_CHOSEN
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""
    pages = ForgetPages(context)
    blueprint.get("/desk/<name>/forget")(pages.confirm_forget)
    blueprint.post("/desk/<name>/forget")(pages.forget)


class Choice(NamedTuple):
    """An order of the customer, and why the customer cannot be erased from it, or ""."""

    order: Document
    obstacle: str = ""


class ForgetPages:
    """The views. `name` in an address is an order's number or id."""

    def __init__(self, context: PageContext) -> None:
        self._store = context.store

    def confirm_forget(self, name: str, form: SubmittedForm = NO_FORM) -> Response:
        """The orders of the same e-mail address, to choose from."""
        with self._store.read() as view:
            order = find_order(view, name)
            orders = _orders_of_customer(view, order)
            choices = [_choice(view, each) for each in orders[:MAX_CHOSEN]]
        return page(
            "manager/forget.html",
            form,
            order=order,
            choices=[each.order for each in choices if not each.obstacle],
            others=[LeftOut(each.obstacle) for each in choices if each.obstacle],
            is_cut=len(orders) > MAX_CHOSEN,
            chosen=form.lists.get("order", [str(order["number"])]),
        )

    def forget(self, name: str) -> Response:
        """Erase the customer from the chosen orders, and list the outcomes."""
        form = submitted_form("order")
        names = list(dict.fromkeys(form.lists["order"]))
        if not names or len(names) > MAX_CHOSEN:
            refusal = Problem("", f"Choose 1 to {MAX_CHOSEN} orders")
            return self.confirm_forget(name, form.refused(Invalid([refusal])))
        outcomes = list(self._forget(names, is_settled=bool(form.get("settled"))))
        return page("manager/forgotten.html", name=name, outcomes=outcomes)

    def _forget(self, names: list[str], *, is_settled: bool) -> Iterator[Choice]:
        with self._store.read() as view:
            orders = [find_order(view, name) for name in names]
        keys = [OrderKey(order["order_id"], order["number"]) for order in orders]
        traces = find_traces(self._store, keys)
        forget = partial(forget_customer, traces=traces, by=current().name, is_settled=is_settled)
        for order, key in zip(orders, keys, strict=True):
            try:
                self._store.run_in_transaction(partial(forget, order=key))
                yield Choice(order)
            except Conflict as error:
                yield Choice(order, str(error))


def _orders_of_customer(view: View, order: Document) -> list[Document]:
    """The order, then the others of its e-mail address, newest first."""
    if not order["customer_email"]:
        return [order]
    address = fold(order["customer_email"])
    found = view.find(
        ORDERS.name, {"customer": address}, limit=MAX_CHOSEN + 1, descending=True
    ).documents
    others = (each for each in found if each["order_id"] != order["order_id"])
    return [order, *(each for each in others if fold(each["customer_email"] or "") == address)]


def _choice(view: View, order: Document) -> Choice:
    key = OrderKey(order["order_id"], order["number"])
    try:
        if find_erasure(view, key, is_settled=True):
            return Choice(order)
    except Conflict as error:
        return Choice(order, str(error))
    return Choice(order, f"Order {order['number']} has no customer any more.")
