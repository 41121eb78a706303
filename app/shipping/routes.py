"""Shipments over HTTP: for the warehouse, and for the carrier."""

from datetime import tzinfo

from flask import Blueprint, Response, request

from app.http.operation import IF_NONE_MATCH, KEYED_CHANGE, Change, Operation
from app.http.requests import idempotency
from app.http.requests.body import body_bytes, json_object
from app.http.requests.conditions import expected_versions
from app.http.requests.paging import load_query, page_request, page_response, total_of
from app.http.responses.json_response import etag_response
from app.http.security.identity import current
from app.orders.queries import resolve_order_id
from app.schema.validation import load
from app.shipping import schemas, service
from app.shipping.carrier import WEBHOOK_HEADERS, verify_signature
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import find_shipment
from app.store import Document, IndexValue, Store, Transaction


def blueprint(
    store: Store, policy: service.ShippingPolicy, zone: tzinfo, carrier_secret: str | None
) -> Blueprint:
    """The routes; `order_id` in a path is an order's id or its number; days are those of `zone`."""
    routes = Blueprint("shipping", __name__)
    handover, arrival = schemas.HandoverSchema(), schemas.arrival_schema(zone)

    @routes.get("/shipment")
    @Operation(schemas.ShipmentPageSchema, query=schemas.LIST_QUERY)
    def list_shipments() -> Response:
        """A page of shipments, oldest order first; `state=ready` lists those to pack."""
        wanted = load_query(schemas.LIST_QUERY)
        limit, after = page_request(wanted)
        where: dict[str, IndexValue] = {"state": wanted["state"]} if "state" in wanted else {}
        with store.read() as view:
            page = view.find(SHIPMENTS.name, where, after=after, limit=limit)
            total = total_of(wanted, lambda: view.count(SHIPMENTS.name, where))
        return page_response("shipments", page, page.documents, total)

    @routes.get("/shipment/<order_id>")
    @Operation(schemas.ShipmentSchema, headers=(IF_NONE_MATCH,), etag=True)
    def get_shipment(order_id: str) -> Response:
        """The shipment of an order."""
        with store.read() as view:
            found = find_shipment(view, resolve_order_id(view, order_id))
        return etag_response(found)

    @routes.post("/shipment/<order_id>/ship")
    @Change(schemas.ShipmentSchema, body=(handover,), headers=KEYED_CHANGE)
    def ship(order_id: str) -> Response:
        """Hand a ready shipment to the carrier. Its order can no longer be changed after that."""
        key, expected = idempotency.request_key(), expected_versions()
        wanted = load(handover, json_object())
        who = current().name

        def hand_over(tx: Transaction) -> Response:
            found = resolve_order_id(tx, order_id)
            shipped = service.ship(tx, policy, found, **wanted, expected=expected, by=who)
            return etag_response(shipped)

        return idempotency.execute_once(store, key, hand_over)

    @routes.post("/shipment/<order_id>/delivered")
    @Operation(
        schemas.ShipmentSchema, body=(arrival,), headers=WEBHOOK_HEADERS, errors=(409,), etag=True
    )
    def delivered(order_id: str) -> Response:
        """The carrier's call-back that a shipment has arrived, signed as a Standard Webhook."""
        verify_signature(carrier_secret, dict(request.headers), body_bytes())
        wanted = load(arrival, json_object())

        def record_delivery(tx: Transaction) -> Document:
            found = resolve_order_id(tx, order_id)
            return service.record_delivery(tx, found, **wanted)

        return etag_response(store.run_in_transaction(record_delivery))

    return routes
