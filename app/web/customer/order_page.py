"""The page on which a customer follows an order, under a link that nobody guesses."""

from flask import Blueprint, Response, url_for

from app.billing.receipt import receipt_pdf
from app.billing.routes import PDF
from app.billing.service import find_payment
from app.http.responses import problems
from app.http.responses.json_response import see_other
from app.http.security.identity import current
from app.kernel.errors import Conflict
from app.orders import service, states
from app.orders.schemas import CancellationSchema
from app.schema.validation import load
from app.web.layout.context import PageContext, page
from app.web.layout.form import submitted_form
from app.web.layout.live import ORDER

PATH = (states.PLACED, states.CONFIRMED, states.SHIPPED, states.DELIVERED)
"""The way of an order to which nothing happens."""

PAID = ("paid", "refunded")
"""The payment statuses of which there is a receipt."""


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The page, and cancelling on it."""
    cancellation = CancellationSchema()

    @pages.get("/orders/<link>")
    def show_order(link: str) -> Response:
        return _order_page(link)

    @pages.get("/orders/<link>/receipt.pdf")
    def show_receipt(link: str) -> Response:
        with site.store.read() as view:
            order = service.find_by_link(view, link)
            payment = find_payment(view, order["order_id"])
        response = Response(receipt_pdf(site.shop, payment), mimetype=PDF)
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.post("/orders/<link>/cancel")
    def cancel_own_order(link: str) -> Response:
        reason = load(cancellation, submitted_form().given("reason")).get("reason", "")
        try:
            with site.store.transaction() as tx:
                order = service.find_by_link(tx, link)
                service.cancel_order(
                    tx,
                    order["order_id"],
                    reason or "cancelled by the customer",
                    by=current().name,
                )
        except Conflict as error:
            return _order_page(link, str(error), problems.status_of(error))
        return see_other(url_for("web.customer.show_order", link=link))

    def _order_page(link: str, fault: str = "", status: int = 200) -> Response:
        with site.store.read() as view:
            order = service.find_by_link(view, link)
        return page(
            "customer/order.html",
            status,
            live=[ORDER + link],
            order=order,
            fault=fault,
            path=PATH,
            reached={step["event"]: step["at"] for step in order["history"]},
            has_receipt=order["payment_status"] in PAID,
            is_open=order["status"] in states.OPEN,
            is_moving=order["status"] in (states.PLACED, states.BACKORDERED),
        )
