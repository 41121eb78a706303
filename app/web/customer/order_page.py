"""The page of one order, for its customer, who needs the order's secret link and no sign-in."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, request

from app.billing.payments import DONE, FAILED, REFUND
from app.billing.queries import find_payment_event, get_invoice
from app.billing.receipt import receipt_pdf
from app.billing.routes import PDF
from app.events.dispatch.outcome import mask_addresses
from app.events.outbox import timeline
from app.http.security.cookies import get_cookie, set_cookie
from app.http.security.identity import current
from app.kernel import order_states as states
from app.kernel.errors import Conflict, Invalid
from app.kernel.identity import LOCAL, PUBLIC
from app.notification.queries import sent_mails
from app.orders import service
from app.orders.documents import HISTORY
from app.orders.queries import find_end, find_order_by_link
from app.orders.schemas import CancellationSchema, change_schema
from app.schema.validation import load
from app.shipping.queries import can_be_changed, get_shipment
from app.shipping.tracking import tracking_url
from app.store import Document, Transaction, View
from app.web.customer.order_form import OrderForm
from app.web.customer.public_text import refuse_addresses
from app.web.customer.shop import BASKET_COOKIE, BASKET_MAX_CHARS
from app.web.layout.address_form import address_fields
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.live import ORDER_TOPIC
from app.web.layout.positions import Position
from app.web.layout.redirects import redirect_to

MAX_ENTRIES = 50
"""The newest changes, and mails, of an order that its page has."""

MAX_REFUNDS = 10
PAID = ("paid", "refunded")
"""The payment statuses for which there is a receipt."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the page, its receipt, cancelling, paying again and ordering again."""
    cancellation = CancellationSchema()
    change = change_schema(context.rules.currency)

    @blueprint.get("/orders/<link>")
    def show_order(link: str, form: SubmittedForm = NO_FORM) -> Response:
        with context.store.read() as view:
            order = HISTORY.read_all(view, find_order_by_link(view, link))
            about = _payment(view, order, context.payment_titles) | _shipment(view, order)
            mails = sent_mails(list(timeline(view, order["order_id"])))
        return page(
            "customer/order.html",
            form,
            live=[ORDER_TOPIC + link],
            order=order,
            position=Position.of_list(order["items"], request.args.get("lines", "")),
            max_entries=MAX_ENTRIES,
            max_refunds=MAX_REFUNDS,
            reached=_reached(order),
            ended=find_end(order),
            customer=PUBLIC.name,
            mails=[mail._replace(recipient=mask_addresses(mail.recipient)) for mail in mails],
            has_receipt=order["payment_status"] in PAID,
            is_open=order["status"] in states.OPEN,
            may_order_again=order["status"] in states.VOIDED and _basket_with(order) is not None,
            **about,
        )

    @blueprint.get("/orders/<link>/receipt.pdf")
    def show_receipt(link: str) -> Response:
        with context.store.read() as view:
            order = find_order_by_link(view, link)
            payment = find_payment_event(view, order["order_id"])
        receipt, headers = receipt_pdf(context.shop, payment), {"Cache-Control": "no-store"}
        return Response(receipt, mimetype=PDF, headers=headers)

    @blueprint.post("/orders/<link>/cancel")
    def cancel_own_order(link: str) -> Response:
        form = submitted_form()

        def cancel(tx: Transaction) -> None:
            order_id = find_order_by_link(tx, link)["order_id"]
            service.cancel_order(tx, order_id, reason, by=_caller())

        try:
            sent = load(cancellation, form.filled("reason"))
            refuse_addresses(sent, "reason")
            reason = sent.get("reason") or "cancelled by the customer"
            context.store.run_in_transaction(cancel)
        except (Invalid, Conflict) as error:
            return show_order(link, form.refused(error))
        return redirect_to("web.customer.show_order", link=link)

    @blueprint.post("/orders/<link>/pay")
    def pay_own_order(link: str) -> Response:
        """Request what is due by another method, as a change of the order's method does."""
        form = submitted_form()

        def pay(tx: Transaction) -> None:
            order = find_order_by_link(tx, link)
            if order["payment_status"] != FAILED:
                raise Conflict(f"No payment of order {order['number']} is declined now.")
            service.change_order(tx, context.rules, order["order_id"], patch, by=_caller())

        try:
            patch = load(change, form.filled("payment_method"))
            context.store.run_in_transaction(pay)
        except (Invalid, Conflict) as error:
            return show_order(link, form.refused(error))
        return redirect_to("web.customer.show_order", link=link)

    @blueprint.post("/orders/<link>/again")
    def order_again(link: str) -> Response:
        """Put the order's lines into this browser's basket, besides what is there."""
        submitted_form()
        with context.store.read() as view:
            order = find_order_by_link(view, link)
        response = redirect_to("web.customer.show_shop")
        if basket := _basket_with(order):
            set_cookie(response, BASKET_COOKIE, basket)
        return response


def _caller() -> str:
    """Return the name of the staff member who is signed in, else the customer's.

    In a shop without sign-in everybody is LOCAL; with the order's link it is the customer.
    """
    return PUBLIC.name if current() is LOCAL else current().name


def _reached(order: Document) -> dict[str, str]:
    """Return the time of each status that the order has reached, oldest first."""
    return {
        entry["event"]: entry["at"]
        for entry in order["history"]
        if entry["event"] in states.STATUSES
    }


def _payment(view: View, order: Document, titles: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page says of payments: the last decline, what was paid back, and methods."""
    invoice = get_invoice(view, order["order_id"])
    payments = invoice["payments"] if invoice else []
    refunds = [each for each in payments if each["kind"] == REFUND]
    is_declined = order["payment_status"] == FAILED and bool(payments)
    methods = {word: title for word, title in titles.items() if word != order["payment_method"]}
    return {
        "declined": payments[-1] if is_declined else None,
        "methods": methods if is_declined and can_be_changed(view, order) else {},
        "refunds": [each for each in refunds if each["state"] == DONE],
        "is_owed": bool(invoice and order["status"] in states.VOIDED and Decimal(invoice["paid"])),
        "may_be_charged": order.get("is_past", False)
        or any(each["state"] == DONE and Decimal(each["amount"]) for each in payments),
    }


def _shipment(view: View, order: Document) -> dict[str, Any]:
    """Return the order's shipment, and the address that follows it, if it has left."""
    shipment = get_shipment(view, order["order_id"])
    if shipment is None or not shipment["carrier"]:
        return {"shipment": None, "tracking": None}
    return {"shipment": shipment, "tracking": tracking_url(shipment)}


def _basket_with(order: Document) -> str | None:
    """Return the cookie of this browser's basket with the order's lines; None if too long."""
    form = OrderForm.from_cookie(get_cookie(BASKET_COOKIE))
    lines = {line["product"]: str(line["quantity"]) for line in order["items"]}
    name, email = order["customer_name"], order["customer_email"] or ""
    customer = {"name": name, "email": email} | address_fields(order)
    again = replace(form, quantities=form.quantities | lines, **customer)
    return basket if len(basket := again.as_cookie()) <= BASKET_MAX_CHARS else None
