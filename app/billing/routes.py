"""Receipts over HTTP."""

from collections.abc import Callable

from flask import Blueprint, Response

from app.billing import service
from app.billing.receipt import Shop, receipt_pdf
from app.http.operation import Operation
from app.store import Store, View

PDF = "application/pdf"


def blueprint(store: Store, order_id_of: Callable[[View, str], str], shop: Shop) -> Blueprint:
    """The routes, over `store`; `order_id_of` knows orders by number too."""
    routes = Blueprint("billing", __name__)

    @routes.get("/order/<order_id>/receipt.pdf")
    @Operation(None, other_media_types=(PDF,), errors=(409,))
    def get_receipt(order_id: str) -> Response:
        """The receipt of the last payment; of a deleted order by its id. 409 when none was made."""
        with store.read() as view:
            event = service.find_payment(view, order_id_of(view, order_id))
        response = Response(receipt_pdf(shop, event), mimetype=PDF)
        number = event.data["invoice_number"]
        response.headers["Content-Disposition"] = f'inline; filename="receipt-{number}.pdf"'
        return response

    return routes
