"""Receipts over HTTP."""

from flask import Blueprint, Response

from app.billing.queries import find_payment_event
from app.billing.receipt import receipt_pdf
from app.billing.receipt_issuer import ReceiptIssuer
from app.http.operation import Operation
from app.orders.queries import resolve_order_id
from app.store import Store

PDF = "application/pdf"


def blueprint(store: Store, issuer: ReceiptIssuer) -> Blueprint:
    """The routes; `order_id` in a path is an order's id or its number."""
    routes = Blueprint("billing", __name__)

    @routes.get("/order/<order_id>/receipt.pdf")
    @Operation(None, other_media_types=(PDF,), errors=(409,))
    def get_receipt(order_id: str) -> Response:
        """The receipt of the last payment or refund; 409 when nothing has been paid."""
        with store.read() as view:
            event = find_payment_event(view, resolve_order_id(view, order_id))
        response = Response(receipt_pdf(issuer, event), mimetype=PDF)
        number = event.data["invoice_number"]
        response.headers["Content-Disposition"] = f'inline; filename="receipt-{number}.pdf"'
        return response

    return routes
