"""Shipping: what to pack, handing over to the carrier, and the packing list. For clerks."""

from flask import Blueprint, Response, request, url_for

from app.http.responses import problems
from app.http.responses.json_response import see_other
from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid
from app.schema.validation import load
from app.shipping import service, states
from app.shipping.schemas import HandoverSchema
from app.store import View
from app.web.layout.context import PageContext, page
from app.web.layout.form import SubmittedForm, faults_of, submitted_form

PAGE = 50
GOODS_SHOWN = 6
"""So many lines of an order stand in the list; all of them on its own page and the packing list."""
_FIELDS = {"/carrier": "carrier", "/tracking_number": "tracking_number"}


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The list by state, a shipment, and the packing list."""
    store = site.store
    rules = service.rules_of(store.config)
    shipping = HandoverSchema()

    @pages.get("/shipping")
    def show_shipping() -> Response:
        state = request.args.get("state", "")
        state = state if state in states.STATES else states.READY
        with store.read() as view:
            found = view.find(
                service.SHIPMENTS.name,
                {"state": state},
                limit=PAGE,
                descending=state in states.SENT,
            )
            counts = _counts(view)
        return page(
            "clerk/shipping.html",
            live=["shipments"],
            section="Shipping",
            state=state,
            states=states.STATES,
            counts=counts,
            shipments=found.documents,
            shown=GOODS_SHOWN,
            shipped=request.args.get("shipped", ""),
        )

    @pages.get("/shipping/list")
    def show_packing_list() -> Response:
        with store.read() as view:
            found = view.find(service.SHIPMENTS.name, {"state": states.READY}, limit=PAGE)
        return page("clerk/packing_list.html", section="Shipping", shipments=found.documents)

    @pages.get("/shipping/<shipment_id>")
    def show_shipment(shipment_id: str) -> Response:
        return _shipment_page(shipment_id)

    @pages.post("/shipping/<shipment_id>")
    def ship(shipment_id: str) -> Response:
        sent = submitted_form()
        try:
            wanted = load(shipping, sent.given("carrier", "tracking_number"))
            with store.transaction() as tx:
                shipment = service.ship(tx, rules, shipment_id, **wanted, by=current().name)
        except Invalid as error:
            return _shipment_page(shipment_id, faults_of(error, _FIELDS), 422, sent)
        except Conflict as error:
            return _shipment_page(shipment_id, {"": str(error)}, problems.status_of(error), sent)
        location = url_for("web.clerk.show_shipping", shipped=shipment["order_number"])
        return see_other(location)

    def _shipment_page(
        shipment_id: str,
        faults: dict[str, str] | None = None,
        status: int = 200,
        sent: SubmittedForm | None = None,
    ) -> Response:
        with store.read() as view:
            shipment = service.find_shipment(view, shipment_id)
        return page(
            "clerk/shipment.html",
            status,
            live=["shipments"],
            section="Shipping",
            shipment=shipment,
            is_ready=shipment["state"] == states.READY,
            faults=faults or {},
            typed=sent.fields if sent else {},
        )


def _counts(view: View) -> dict[str, int]:
    return {each: view.count(service.SHIPMENTS.name, {"state": each}) for each in states.STATES}
