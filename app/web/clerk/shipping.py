"""Shipments: list, packing list, and handing a shipment over to the carrier. For clerks."""

from flask import Blueprint, Response, request

from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid
from app.kernel.order_states import SENT
from app.schema.validation import load
from app.shipping import service, states
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import find_shipment
from app.shipping.schemas import HandoverSchema
from app.store import Document, View
from app.web.layout.context import PageContext, page
from app.web.layout.cursors import find_page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.redirects import redirect_to

PAGE_SIZE = 50
PACKING_LIST_SIZE = 200
"""The number of orders in one packing list; it links to the list with the next ones."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the list by state, the packing list, and a shipment's page."""
    store = context.store
    rules = service.shipping_policy(context.config)
    handover = HandoverSchema()

    @blueprint.get("/shipping")
    def show_shipping() -> Response:
        state = request.args.get("state", "")
        state = state if state in states.STATES else states.READY
        with store.read() as view:
            shipments, next_ = _page_of(view, state, PAGE_SIZE)
            counts = {each: _count(view, each) for each in states.STATES}
        return page(
            "clerk/shipping.html",
            live=["shipments"],
            state=state,
            counts=counts,
            shipments=shipments,
            next=next_,
        )

    @blueprint.get("/shipping/list")
    def show_packing_list() -> Response:
        with store.read() as view:
            ready, next_ = _page_of(view, states.READY, PACKING_LIST_SIZE)
            count = _count(view, states.READY)
        return page("clerk/packing_list.html", shipments=ready, next=next_, count=count)

    @blueprint.get("/shipping/<order_id>")
    def show_shipment(order_id: str, form: SubmittedForm = NO_FORM) -> Response:
        with store.read() as view:
            shipment = find_shipment(view, order_id)
        return page("clerk/shipment.html", form, live=["shipments"], shipment=shipment)

    @blueprint.post("/shipping/<order_id>")
    def ship(order_id: str) -> Response:
        form = submitted_form()
        try:
            parcel = load(handover, form.filled("carrier", "tracking_number"))
            with store.transaction() as tx:
                shipment = service.ship(tx, rules, order_id, **parcel, by=current().name)
        except (Invalid, Conflict) as error:
            return show_shipment(order_id, form.refused(error))
        return redirect_to("web.clerk.show_shipping", shipped=shipment["order_number"])


def _page_of(view: View, state: str, size: int) -> tuple[list[Document], str | None]:
    """Return the shipments in `state` from the request's cursor on, and the next cursor.

    Those still to be packed come oldest first, those that have left newest first.
    """
    return find_page(
        view,
        SHIPMENTS.name,
        {"state": state},
        request.args.get("cursor", ""),
        f"shipments {state}",
        limit=size,
        descending=state in SENT,
    )


def _count(view: View, state: str) -> int:
    return view.count(SHIPMENTS.name, {"state": state})
