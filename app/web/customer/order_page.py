"""The page of one order, for its customer, who needs the order's secret link and no sign-in."""

from flask import Blueprint, Response

from app.billing.queries import find_payment_event
from app.billing.receipt import receipt_pdf
from app.billing.routes import PDF
from app.http.security.identity import current
from app.kernel import order_states as states
from app.kernel.errors import Conflict, Invalid
from app.orders import service
from app.orders.documents import HISTORY
from app.orders.queries import find_order_by_link
from app.orders.schemas import CancellationSchema
from app.schema.validation import load
from app.web.customer.public_text import refuse_addresses
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.live import ORDER_TOPIC
from app.web.layout.redirects import redirect_to

PAID = ("paid", "refunded")
"""The payment statuses for which there is a receipt."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the page, its receipt, and cancelling."""
    cancellation = CancellationSchema()

    @blueprint.get("/orders/<link>")
    def show_order(link: str, form: SubmittedForm = NO_FORM) -> Response:
        with context.store.read() as view:
            order = HISTORY.read_all(view, find_order_by_link(view, link))
        return page(
            "customer/order.html",
            form,
            live=[ORDER_TOPIC + link],
            order=order,
            reached={entry["event"]: entry["at"] for entry in order["history"]},
            has_receipt=order["payment_status"] in PAID,
            is_open=order["status"] in states.OPEN,
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
        try:
            sent = load(cancellation, form.filled("reason"))
            refuse_addresses(sent, "reason")
            reason = sent.get("reason")
            with context.store.transaction() as tx:
                order = find_order_by_link(tx, link)
                reason = reason or "cancelled by the customer"
                service.cancel_order(tx, order["order_id"], reason, by=current().name)
        except (Invalid, Conflict) as error:
            return show_order(link, form.refused(error))
        return redirect_to("web.customer.show_order", link=link)
