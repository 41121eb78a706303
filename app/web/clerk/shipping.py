"""Shipments: list, packing list, and handing a shipment over to the carrier. For clerks."""

from flask import Blueprint, Response, request

from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid
from app.orders.queries import present_address
from app.schema.validation import load
from app.shipping import service, states
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import find_shipment, recent_carriers
from app.shipping.schemas import HandoverSchema
from app.store import Document
from app.web.clerk.prints import packing_or_left_out, print_page, render_packing
from app.web.clerk.shipment_search import ShipmentSearch
from app.web.layout.context import PageContext, page
from app.web.layout.cursors import read_cursor, write_cursor
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.positions import Position
from app.web.layout.redirects import redirect_to

PACKING_LIST_SIZE = 200
"""The most orders in one packing list; it links to the list with the next ones."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the list by state, the packing list, and a shipment's page."""
    store = context.store
    rules = service.shipping_policy(context.config)
    handover = HandoverSchema()

    @blueprint.get("/shipping")
    def show_shipping() -> Response:
        search = ShipmentSearch.parse(request.args)
        result = search.run(store)
        return page("clerk/shipping.html", live=["shipments"], search=search, result=result)

    @blueprint.get("/shipping/list")
    def show_packing_list() -> Response:
        list_name, where = "packing list", {"state": states.READY}
        after = read_cursor(request.args.get("cursor", ""), list_name)

        def find(limit: int) -> tuple[list[Document], str | None]:
            with store.read() as view:
                found = view.find(SHIPMENTS.name, where, after=after, limit=limit)
            return found.documents, write_cursor(found.next, list_name)

        ready, next_ = find(PACKING_LIST_SIZE)
        with store.read() as view:
            chosen = [packing_or_left_out(view, each) for each in ready]
            count = view.count(SHIPMENTS.name, where)
        printed = print_page(chosen, render_packing)
        if printed.taken < len(ready):
            _, next_ = find(printed.taken)
        return page("clerk/packing_list.html", printed=printed, next=next_, count=count)

    @blueprint.get("/shipping/<order_id>")
    def show_shipment(order_id: str, form: SubmittedForm = NO_FORM) -> Response:
        with store.read() as view:
            shipment = find_shipment(view, order_id)
            carriers = recent_carriers(view)
            address = present_address(view, order_id)
        return page(
            "clerk/shipment.html",
            form,
            live=["shipments", "orders"],
            shipment=shipment,
            address=address,
            position=Position.of_list(shipment["lines"], request.args.get("lines", "")),
            carriers=carriers,
        )

    @blueprint.post("/shipping/<order_id>")
    def ship(order_id: str) -> Response:
        form = submitted_form()
        try:
            parcel = load(handover, form.filled("carrier", "tracking_number"))
            shipment = store.run_in_transaction(
                lambda tx: service.ship(tx, rules, order_id, **parcel, by=current().name)
            )
        except (Invalid, Conflict) as error:
            return show_shipment(order_id, form.refused(error))
        return redirect_to("web.clerk.show_shipping", shipped=shipment["order_number"])
