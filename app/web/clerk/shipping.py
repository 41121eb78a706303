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
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.redirects import redirect_to

PAGE_SIZE = 50


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the list by state, the packing list, and a shipment's page."""
    store = context.store
    rules = service.shipping_policy(context.config)
    handover = HandoverSchema()

    @blueprint.get("/shipping")
    def show_shipping() -> Response:
        state = request.args.get("state", "")
        state = state if state in states.STATES else states.READY
        name, is_sent = SHIPMENTS.name, state in SENT
        with store.read() as view:
            shipments = view.find(name, {"state": state}, limit=PAGE_SIZE, descending=is_sent)
            counts = {each: view.count(name, {"state": each}) for each in states.STATES}
        return page(
            "clerk/shipping.html",
            live=["shipments"],
            state=state,
            counts=counts,
            shipments=shipments.documents,
        )

    @blueprint.get("/shipping/list")
    def show_packing_list() -> Response:
        with store.read() as view:
            ready = view.find(SHIPMENTS.name, {"state": states.READY}, limit=PAGE_SIZE)
        return page("clerk/packing_list.html", shipments=ready.documents)

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
