"""Shipments over HTTP: for the warehouse, and for the carrier."""

from collections.abc import Callable

from flask import Blueprint, Response

from app.http.operation import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, Operation
from app.http.requests import idempotency
from app.http.requests.body import json_object
from app.http.requests.conditions import expected_versions
from app.http.requests.paging import load_query, page_request, page_response
from app.http.responses.json_response import etag_response
from app.http.security.identity import current
from app.schema.validation import load
from app.shipping import schemas, service
from app.shipping.carrier import WEBHOOK_HEADERS, refuse_unsigned
from app.store import IndexValue, Store, Transaction, View


def blueprint(
    store: Store,
    rules: service.Rules,
    order_id_of: Callable[[View, str], str],
    carrier_secret: str | None,
) -> Blueprint:
    """The routes, over `store`; `order_id_of` knows orders by number too."""
    routes = Blueprint("shipping", __name__)
    handover, arrival = schemas.HandoverSchema(), schemas.ArrivalSchema()

    @routes.get("/shipment")
    @Operation(schemas.ShipmentPageSchema, query=schemas.LIST_QUERY)
    def list_shipments() -> Response:
        """A page of shipments, oldest order first; state=ready is what is to be packed."""
        wanted = load_query(schemas.LIST_QUERY)
        limit, after = page_request(wanted)
        where: dict[str, IndexValue] = {"state": wanted["state"]} if "state" in wanted else {}
        with store.read() as view:
            page = view.find(service.SHIPMENTS.name, where, after=after, limit=limit)
        return page_response("shipments", page, page.documents)

    @routes.get("/shipment/<order_id>")
    @Operation(schemas.ShipmentSchema, headers=(IF_NONE_MATCH,), etag=True)
    def get_shipment(order_id: str) -> Response:
        """The shipment of an order."""
        with store.read() as view:
            found = service.find_shipment(view, order_id_of(view, order_id))
        return etag_response(found)

    @routes.post("/shipment/<order_id>/ship")
    @Operation(
        schemas.ShipmentSchema,
        body=(handover,),
        headers=(IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH),
        errors=(409,),
        etag=True,
    )
    def ship(order_id: str) -> Response:
        """Hand a ready shipment to the carrier: from then on its order stays as it is."""
        key, expected = idempotency.request_key(), expected_versions()
        wanted = load(handover, json_object())
        who = current().name

        def hand_over(tx: Transaction) -> Response:
            shipment_id = order_id_of(tx, order_id)
            shipped = service.ship(tx, rules, shipment_id, **wanted, expected=expected, by=who)
            return etag_response(shipped)

        return idempotency.execute_once(store, key, hand_over)

    @routes.post("/shipment/<order_id>/delivered")
    @Operation(
        schemas.ShipmentSchema,
        body=(arrival,),
        headers=WEBHOOK_HEADERS,
        errors=(409,),
        etag=True,
    )
    def delivered(order_id: str) -> Response:
        """The carrier's call-back, signed by the Standard Webhooks scheme; again does no harm."""
        refuse_unsigned(carrier_secret)
        wanted = load(arrival, json_object())
        with store.transaction() as tx:
            shipment_id = order_id_of(tx, order_id)
            return etag_response(service.deliver(tx, shipment_id, **wanted))

    return routes
