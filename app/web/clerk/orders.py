"""The back office's order pages, under /desk: search, view, cancel, delete. For clerks.

Changing an order is order_edit.py.
"""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request
from markupsafe import escape
from marshmallow import ValidationError

from app.billing.documents import HISTORY as INVOICE_HISTORY
from app.billing.queries import get_invoice
from app.events.outbox import timeline
from app.http.responses.csv_response import csv_response
from app.http.security.identity import current
from app.kernel import order_states as states
from app.kernel.errors import Conflict, Invalid, Malformed
from app.kernel.personal_data import ERASED_NAME
from app.notification.queries import sent_mails
from app.orders import csv_export, service
from app.orders.documents import HISTORY
from app.orders.queries import find_end, find_order
from app.orders.schemas import CancellationSchema
from app.schema.validation import load
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import has_left as goods_have_left
from app.shipping.tracking import tracking_url
from app.web.clerk import order_edit
from app.web.clerk.order_history import Entry, caller, history_in_words
from app.web.clerk.order_search import OrderSearch
from app.web.customer.order_page import PAID
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.html_size import first_that_fit, shorten
from app.web.layout.positions import Position, parse_page
from app.web.layout.redirects import redirect_to

MAX_HISTORY_BYTES = 10_000
"""The size of the history on one page; it leads on to earlier entries."""

MAX_PAYMENTS = 20
MAX_EVENTS = 20
"""The newest of an order's payments, and of its events, that its page has."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""
    pages = OrderPages(context)
    blueprint.get("/desk")(pages.show_orders)
    blueprint.get("/desk.csv")(pages.export_orders)
    blueprint.get("/desk/<name>")(pages.show_order)
    order_edit.add_to(blueprint, context, pages.show_order)
    blueprint.post("/desk/<name>/cancel")(pages.cancel_order)
    blueprint.get("/desk/<name>/delete")(pages.confirm_delete)
    blueprint.post("/desk/<name>/delete")(pages.delete_order)


class OrderPages:
    """The views. `name` in an address is an order's number or id."""

    def __init__(self, context: PageContext) -> None:
        self._store = context.store
        self._zone = context.config.timezone
        self._keeps_mail = context.config.smtp_url is None
        self._payment_titles = context.payment_titles
        self._cancellation = CancellationSchema()

    def show_orders(self) -> Response:
        search = OrderSearch.parse(request.args)
        result = search.run(self._store, self._zone)
        return page("clerk/orders.html", live=["orders"], search=search, result=result)

    def export_orders(self) -> Response:
        """The orders of all pages of a search as CSV, a row for each line."""
        try:
            orders = OrderSearch.parse(request.args).export(self._store, self._zone)
        except ValidationError:
            raise Malformed("Write days as 2026-11-21.") from None
        return csv_response("orders.csv", csv_export.HEADINGS, csv_export.rows(orders))

    def show_order(self, name: str, form: SubmittedForm = NO_FORM) -> Response:
        """The order to read; `form` is a refused cancellation, or an edit that came too late."""
        with self._store.read() as view:
            order = HISTORY.read_all(view, find_order(view, name))
            events = list(timeline(view, order["order_id"]))
            shipment = view.get(SHIPMENTS.name, order["order_id"])
            has_left = goods_have_left(view, order["order_id"])
            invoice = get_invoice(view, order["order_id"])
            invoice = INVOICE_HISTORY.read_all(view, invoice) if invoice else None
        mails = sent_mails(events)
        history = history_in_words(order, events, invoice, mails, self._payment_titles)
        position = Position.of_list(order["items"], request.args.get("lines", ""))
        return page(
            "clerk/order.html",
            form,
            live=["orders", "events", "shipments"],
            order=order,
            lines=position.cut(order["items"]),
            position=position,
            events=events,
            shipment=shipment,
            tracking=tracking_url(shipment) if shipment else None,
            payments=invoice["payments"] if invoice else [],
            paid=invoice["paid"] if invoice else "",
            **_history_page(history, request.args.get("history", "")),
            max_payments=MAX_PAYMENTS,
            max_events=MAX_EVENTS,
            caller=caller,
            ended=find_end(order),
            keeps_mail=self._keeps_mail,
            reason=form.get("reason"),
            has_receipt=order["payment_status"] in PAID,
            is_open=order["status"] in states.OPEN and not has_left,
            is_forgotten=order["customer_name"] == ERASED_NAME and "link" not in order,
            has_left=has_left,
        )

    def cancel_order(self, name: str) -> Response:
        form = submitted_form()
        try:
            reason = load(self._cancellation, form.filled("reason")).get("reason", "")
            self._store.run_in_transaction(
                lambda tx: service.cancel_order(tx, name, reason, by=current().name)
            )
        except (Invalid, Conflict) as error:
            return self.show_order(name, form.refused(error))
        return redirect_to("web.clerk.show_order", name=name)

    def confirm_delete(self, name: str, form: SubmittedForm = NO_FORM) -> Response:
        with self._store.read() as view:
            order = find_order(view, name)
        return page("clerk/delete_order.html", form, order=order)

    def delete_order(self, name: str) -> Response:
        form = submitted_form()
        expected, who = form.expected_versions(), current().name
        try:
            self._store.run_in_transaction(
                lambda tx: service.delete_order(tx, name, expected, by=who)
            )
        except Conflict as error:
            return self.confirm_delete(name, form.refused(error))
        return redirect_to("web.clerk.show_orders", flash="deleted")


def _history_page(history: Sequence[Entry], typed: str) -> dict[str, Any]:
    """Return the history from its entry of that number on, and the number of the next page's."""
    newer = min(parse_page(typed) - 1, len(history))
    shown = first_that_fit(history[newer:], _size_of, MAX_HISTORY_BYTES)
    following = newer + len(shown) + 1
    return {"history": shown, "earlier": following if following <= len(history) else None}


def _size_of(entry: Entry) -> int:
    """Return about the size of an entry in the page, at least."""
    sizes = (len(escape(shorten(each, 300)).encode()) + 20 for each in entry.sentences)
    return 150 + (400 if entry.mail else 0) + sum(sizes)
