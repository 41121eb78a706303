"""Orders over HTTP."""

import re
from collections.abc import Callable
from datetime import tzinfo
from functools import partial
from time import monotonic, sleep

from flask import Blueprint, Response

from app.events.outbox import timeline
from app.events.schemas import TimelineSchema
from app.http.operation import IDEMPOTENCY_KEY, IF_NONE_MATCH, PREFER, Change, Operation
from app.http.requests import idempotency
from app.http.requests.body import MERGE_PATCH, PATCH_TYPES, json_object, json_object_if_any
from app.http.requests.conditions import expected_versions
from app.http.requests.long_poll import LongPollSlots, requested_wait_s
from app.http.requests.paging import load_query, page_request, page_response, total_of
from app.http.responses import csv_response
from app.http.responses.json_response import etag_response, json_response, prefers
from app.http.security.identity import current
from app.kernel.errors import NotFound
from app.kernel.order_states import OPEN, PLACED
from app.kernel.payment_methods import INVOICE
from app.kernel.text_search import fold, has_words, words_of
from app.orders import csv_export, schemas, service
from app.orders.documents import HISTORY, ORDERS
from app.orders.queries import find_order, get_order
from app.schema.validation import load
from app.store import Document, IndexValue, Page, Store, Transaction, View
from app.store.long_list import EARLIER_PAGES, without_pages
from app.store.matching import find_matching, read_all

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_POLL_INTERVAL_S = 0.005


def blueprint(
    store: Store, policy: service.OrderPolicy, zone: tzinfo, long_poll_slots: LongPollSlots
) -> Blueprint:
    """The routes. `order_id` in a path is an order's id or its number; days are those of `zone`.

    `long_poll_slots` bounds the requests that wait until a new order has been handled.
    """
    routes = Blueprint("orders", __name__)
    order_request = schemas.request_schema(policy.currency)
    order_change = schemas.change_schema(policy.currency)
    cancel_patch, cancellation = schemas.CancelPatchSchema(), schemas.CancellationSchema()
    list_query, order = schemas.list_query(zone), schemas.OrderSchema

    @routes.post("/order")
    @Operation(
        order,
        201,
        body=(order_request,),
        headers=(IDEMPOTENCY_KEY, PREFER),
        errors=(409,),
        etag=True,
    )
    def post_order() -> Response:
        """Place an order. The order and its events are on disk before the response is sent."""
        key = idempotency.request_key()
        wanted = load(order_request, json_object())
        wait_s = requested_wait_s()
        who = current().name

        with store.read() as view:
            products = service.products_of(view, wanted)

        def place(tx: Transaction) -> Response:
            placed = service.place_order(tx, policy, wanted, products, by=who)
            return etag_response(placed, 201, Location=f"/order/{placed['order_id']}")

        response = idempotency.execute_once(store, key, place, wait_s)
        if not wait_s or idempotency.is_repeated(response):
            return response
        wait = partial(_wait_until_handled, store, response.headers["Location"])
        response = long_poll_slots.wait_for_update(response, wait_s, wait)
        if key:
            store.run_in_transaction(lambda tx: idempotency.store_response(tx, key, response))
        return response

    @routes.get("/order")
    @Operation(
        schemas.OrderPageSchema,
        query=list_query,
        other_media_types=(csv_response.MEDIA_TYPE,),
    )
    def list_orders() -> Response:
        """A page of orders without history, newest first unless sorted; all as CSV.

        With `q` it may be short.
        """
        wanted = load_query(list_query)
        limit, cursor = page_request(wanted)
        words = words_of(wanted.get("q", ""))

        where, is_descending = _filters(wanted), wanted["sort"] == "-date"
        days = {"low": wanted.get("from", ""), "high": wanted.get("to")}

        def find(view: View, after: str | None, limit: int) -> Page:
            return view.find(
                ORDERS.name, where, **days, after=after, limit=limit, descending=is_descending
            )

        def is_wanted(order: Document) -> bool:
            return has_words(words, order["customer_name"], order["customer_email"])

        if prefers(csv_response.MEDIA_TYPE):
            found = filter(is_wanted, read_all(store, find))
            rows = csv_export.rows(found)
            return csv_response.csv_response("orders.csv", csv_export.HEADINGS, rows)
        if words:
            total = total_of(wanted, None)
            page = find_matching(store, find, is_wanted, after=cursor, limit=limit)
        else:
            with store.read() as view:
                page = find(view, cursor, limit)
                total = total_of(wanted, lambda: view.count(ORDERS.name, where, **days))
        return page_response("orders", page, [_summary(each) for each in page.documents], total)

    @routes.get("/order/<order_id>")
    @Operation(order, headers=(IF_NONE_MATCH,), etag=True)
    def get_order(order_id: str) -> Response:
        """One order, with all of its history."""
        with store.read() as view:
            found = HISTORY.read_all(view, find_order(view, order_id))
        return etag_response(found)

    def change(work: Callable[[Transaction], Document]) -> Response:
        """Change an order; the response has it with the newest entries of its history."""
        return etag_response(without_pages(store.run_in_transaction(work)))

    @routes.patch("/order/<order_id>")
    @Change(order, body=(order_change, cancel_patch), consumes=MERGE_PATCH)
    def patch_order(order_id: str) -> Response:
        """Change customer or lines by a merge patch (RFC 7396), or cancel with the status alone."""
        body, expected = json_object(*PATCH_TYPES), expected_versions()
        who = current().name
        if "status" in body or "reason" in body:
            reason = load(cancel_patch, body).get("reason", "")
            return change(lambda tx: service.cancel_order(tx, order_id, reason, expected, by=who))
        patch = load(order_change, body)
        return change(
            lambda tx: service.change_order(tx, policy, order_id, patch, expected, by=who)
        )

    @routes.delete("/order/<order_id>")
    @Change(schemas.DeletedSchema, etag=False)
    def delete_order(order_id: str) -> Response:
        """Delete an order, unless the carrier has its goods."""
        expected, who = expected_versions(), current().name
        try:
            deleted = store.run_in_transaction(
                lambda tx: service.delete_order(tx, order_id, expected, by=who)
            )
        except NotFound as error:
            raise NotFound(str(error), order_id=order_id[:40], deleted=False) from None
        return json_response({"order_id": deleted, "deleted": True})

    @routes.post("/order/<order_id>/cancel")
    @Change(order, body=(cancellation,), body_required=False)
    def cancel_order(order_id: str) -> Response:
        """Cancel an order and keep it. Cancelling it again changes nothing."""
        who = current().name
        reason = load(cancellation, json_object_if_any()).get("reason", "")
        expected = expected_versions()
        return change(lambda tx: service.cancel_order(tx, order_id, reason, expected, by=who))

    @routes.get("/order/<order_id>/events")
    @Operation(TimelineSchema)
    def get_events(order_id: str) -> Response:
        """The order's events with each handler's state; a deleted order is found by its id."""
        with store.read() as view:
            return json_response({"events": _timeline(view, order_id)})

    return routes


def _summary(order: Document) -> Document:
    """The order as in lists."""
    return {name: order[name] for name in order if name not in ("history", EARLIER_PAGES)}


def _filters(wanted: Document) -> dict[str, IndexValue | frozenset[IndexValue]]:
    where = {"product": wanted["product"]} if "product" in wanted else {}
    where |= {"customer": fold(wanted["customer"])} if "customer" in wanted else {}
    return where | ({"status": frozenset(wanted["status"])} if "status" in wanted else {})


def _wait_until_handled(store: Store, location: str, wait_s: float) -> Document | None:
    """The order once inventory and billing have handled it, or after `wait_s`; None when it is
    deleted.
    """
    order_id = location.rpartition("/")[2]
    deadline = monotonic() + wait_s
    while True:
        with store.read() as view:
            order = get_order(view, order_id)
        if order is None or _is_handled(order) or monotonic() > deadline:
            return order and without_pages(order)
        sleep(_POLL_INTERVAL_S)


def _is_handled(order: Document) -> bool:
    if order["status"] not in OPEN:
        return True
    is_unpaid = order["payment_status"] == "pending" and order["payment_method"] != INVOICE
    return order["status"] != PLACED and not is_unpaid


def _timeline(view: View, order_id: str) -> list[Document]:
    """The events of an order, deleted or not. Raises NotFound when it never existed."""
    events = list(timeline(view, order_id)) if _ID.fullmatch(order_id) else []
    return events or list(timeline(view, find_order(view, order_id)["order_id"]))
