"""Webhook endpoints over HTTP."""

from datetime import tzinfo

from flask import Blueprint, Response

from app.events import event_feed
from app.http.operation import IDEMPOTENCY_KEY, IF_NONE_MATCH, KEYED_CHANGE, Change, Operation
from app.http.requests import idempotency, paging
from app.http.requests.body import MERGE_PATCH, PATCH_TYPES, json_object
from app.http.requests.conditions import expected_versions
from app.http.responses.json_response import etag_response, json_bytes, json_response
from app.http.security.identity import current
from app.kernel import clock
from app.schema.validation import load
from app.store import Store, Transaction
from app.webhooks import deliveries, schemas, service
from app.webhooks.documents import WEBHOOKS
from app.webhooks.handlers import WebhookHandlers
from app.webhooks.sample import send_sample
from app.webhooks.signature import new_secret

DEFAULT_SINCE_S = 24 * 3600.0
"""How far GET /webhook/{id}/deliveries goes back by default."""


def blueprint(store: Store, handlers: WebhookHandlers, zone: tzinfo) -> Blueprint:
    """The routes. Days are those of `zone`."""
    routes = Blueprint("webhooks", __name__)
    endpoint, with_secret = schemas.WebhookSchema, schemas.WebhookWithSecretSchema
    request_schema, change_schema = schemas.ENDPOINT_REQUEST, schemas.ENDPOINT_CHANGE
    deliveries_query = schemas.deliveries_query(zone)
    recovery = schemas.recover_schema(zone)

    @routes.post("/webhook")
    @Operation(
        with_secret,
        201,
        body=(request_schema,),
        headers=(IDEMPOTENCY_KEY,),
        errors=(409,),
        etag=True,
    )
    def post_webhook() -> Response:
        """Add an endpoint. The response has its secret, which is not shown again.

        Neither is it when the request is repeated with its key.
        """
        key = idempotency.request_key()
        wanted = load(request_schema, json_object())
        handlers.sender.check(wanted["url"])
        secret = new_secret()

        def add(tx: Transaction) -> Response:
            added = service.create_endpoint(tx, wanted, secret, current().name)
            location = f"/webhook/{added['webhook_id']}"
            return etag_response(service.shown(added), 201, Location=location)

        return _with_secret(idempotency.execute_once(store, key, add), secret)

    @routes.get("/webhook")
    @Operation(schemas.WebhookPageSchema, query=schemas.LIST_QUERY)
    def list_webhooks() -> Response:
        """A page of endpoints, oldest first."""
        wanted = paging.load_query(schemas.LIST_QUERY)
        limit, after = paging.page_request(wanted)
        with store.read() as view:
            page = view.find(WEBHOOKS.name, after=after, limit=limit)
            total = paging.total_of(wanted, lambda: view.count(WEBHOOKS.name))
        found = [service.shown(each) for each in page.documents]
        return paging.page_response("webhooks", page, found, total)

    @routes.get("/webhook/<webhook_id>")
    @Operation(endpoint, headers=(IF_NONE_MATCH,), etag=True)
    def get_webhook(webhook_id: str) -> Response:
        """One endpoint."""
        with store.read() as view:
            found = service.find_endpoint(view, webhook_id)
        return etag_response(service.shown(found))

    @routes.patch("/webhook/<webhook_id>")
    @Change(endpoint, body=(change_schema,), consumes=MERGE_PATCH)
    def patch_webhook(webhook_id: str) -> Response:
        """Change, enable or disable an endpoint by a merge patch (RFC 7396)."""
        patch, expected = load(change_schema, json_object(*PATCH_TYPES)), expected_versions()
        if "url" in patch:
            handlers.sender.check(patch["url"])
        changed = store.run_in_transaction(
            lambda tx: service.change_endpoint(tx, webhook_id, patch, expected, current().name)
        )
        return etag_response(service.shown(changed))

    @routes.delete("/webhook/<webhook_id>")
    @Operation(schemas.WebhookDeletedSchema, headers=("If-Match", IF_NONE_MATCH))
    def delete_webhook(webhook_id: str) -> Response:
        """Delete an endpoint. Nothing more is sent to it, and its failures are discarded."""
        expected = expected_versions()
        store.run_in_transaction(lambda tx: service.delete_endpoint(tx, webhook_id, expected))
        deliveries.discard_failures(store, webhook_id, current().name)
        return json_response({"webhook_id": webhook_id, "deleted": True})

    @routes.post("/webhook/<webhook_id>/secret")
    @Change(with_secret, headers=KEYED_CHANGE)
    def rotate_secret(webhook_id: str) -> Response:
        """Give an endpoint a new secret; the one before it signs beside it for a day.

        The response to a request that is repeated with its key lacks the secret.
        """
        key, expected, secret = idempotency.request_key(), expected_versions(), new_secret()

        def rotate(tx: Transaction) -> Response:
            by = current().name
            rotated = service.rotate_secret(tx, webhook_id, secret, expected, by)
            return etag_response(service.shown(rotated))

        return _with_secret(idempotency.execute_once(store, key, rotate), secret)

    @routes.post("/webhook/<webhook_id>/test")
    @Operation(schemas.SampleSchema)
    def send_sample_event(webhook_id: str) -> Response:
        """Send a sample event, and wait for the response for 15 seconds at most."""
        with store.read() as view:
            found = service.find_endpoint(view, webhook_id)
        return json_response(send_sample(handlers, found))

    @routes.get("/webhook/<webhook_id>/deliveries")
    @Operation(schemas.WebhookDeliveryPageSchema, query=deliveries_query)
    def list_deliveries(webhook_id: str) -> Response:
        """The deliveries to an endpoint, each attempt with its response; oldest event first."""
        wanted = paging.load_query(deliveries_query)
        list_name = f"deliveries {webhook_id}"
        position = event_feed.position_at(
            clock.parse_time(wanted.get("since", clock.ago(DEFAULT_SINCE_S)))
        )
        if "after" in wanted:
            position = paging.decode_cursor(wanted["after"], list_name)
        horizon = store.id_horizon()
        with store.read() as view:
            service.find_endpoint(view, webhook_id)
            page = deliveries.read_deliveries(view, webhook_id, position, wanted["limit"], horizon)
        cursor = paging.encode_cursor(page.position, list_name)
        return json_response({"deliveries": page.deliveries, "next": cursor, "more": page.has_more})

    @routes.post("/webhook/<webhook_id>/recover")
    @Operation(schemas.RecoveredSchema, 202, body=(recovery,), errors=(409,))
    def recover(webhook_id: str) -> Response:
        """Send every event since a time that the receiver has not accepted, 10,000 at most."""
        since = load(recovery, json_object())["since"]
        count, next_since = deliveries.recover(store, webhook_id, since, current().name)
        return json_response({"recovered": count, "next_since": next_since}, 202)

    return routes


def _with_secret(response: Response, secret: str) -> Response:
    """The response with the new secret; a repeated one lacks it, because it is stored without."""
    if not idempotency.is_repeated(response):
        response.set_data(json_bytes(response.get_json() | {"secret": secret}))
    return response
