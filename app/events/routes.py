"""The event feed for other systems; failures and fault switches for operators."""

from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from typing import Any

from flask import Blueprint, Response, request

from app.events import event_feed, failures, schemas
from app.events.faults import FAULTS, find_switches
from app.events.replay import plan_replay
from app.events.types import EVENT_TYPES
from app.http.operation import Operation
from app.http.requests import paging
from app.http.requests.body import json_object
from app.http.responses import ndjson_response
from app.http.responses.json_response import json_response, prefers
from app.http.security.identity import current
from app.kernel import clock
from app.kernel.errors import Forbidden, Malformed, NotFound
from app.schema.fields import Choice, Text
from app.schema.paging import MAX_LIMIT, list_schema
from app.schema.validation import load
from app.store import Document, IndexValue, Store, Transaction, View

_FEED = "/event"


def blueprint(
    store: Store,
    handlers: frozenset[str],
    order_id_of: Callable[[View, str], str],
    zone: tzinfo,
    *,
    with_faults: bool,
) -> Blueprint:
    """The routes; `order_id_of` finds an order's id from its id or number.

    Days are those of `zone`. The fault switch routes respond 403 unless `with_faults`.
    """
    routes = Blueprint("events", __name__)
    selection = schemas.selection_schema(zone)
    feed_query = schemas.feed_query(zone)
    list_query = list_schema(
        {
            "handler": Choice(*sorted(handlers)),
            "type": Choice(*(event.type for event in EVENT_TYPES)),
            "order": Text(max_length=40, description="an order's id or number"),
        }
    )

    @routes.get("/event")
    @Operation(
        schemas.NewsSchema, query=feed_query, other_media_types=(ndjson_response.MEDIA_TYPE,)
    )
    def list_events() -> Response:
        """The events after a cursor or time, oldest first, each once; all of them as NDJSON."""
        wanted = paging.load_query(feed_query)
        position = _position(wanted)
        if prefers(ndjson_response.MEDIA_TYPE):
            if "limit" in request.args:
                raise Malformed("NDJSON has no pages: leave limit out, or ask for JSON.")
            return ndjson_response.ndjson_response(
                "events.ndjson", _read_all(store, position, wanted.get("type"))
            )
        found = event_feed.read_page(store, position, wanted["limit"], wanted.get("type"))
        if found.position != position:
            # a power cut must not undo an event that a client has seen
            store.make_durable()
        cursor = paging.encode_cursor(found.position, _FEED)
        return json_response({"events": found.events, "next": cursor, "more": found.has_more})

    @routes.get("/failure")
    @Operation(schemas.FailurePageSchema, query=list_query)
    def list_failures() -> Response:
        """A page of dead deliveries, oldest failure first."""
        wanted = paging.load_query(list_query)
        limit, after = paging.page_request(wanted)
        with store.read() as view:
            wanted = _with_order_id(view, wanted)
            where: dict[str, IndexValue] = {
                name: wanted[name] for name in ("handler", "type", "order") if name in wanted
            }
            page = view.find(failures.FAILURES.name, where, after=after, limit=limit)
            total = paging.total_of(wanted, lambda: view.count(failures.FAILURES.name, where))
        return paging.page_response("failures", page, page.documents, total)

    @routes.post("/failure/replay")
    @Operation(
        schemas.ReplayedSchema, 202, body=(selection,), other_response=(200, schemas.PlanSchema)
    )
    def replay() -> Response:
        """Replay failed deliveries (202); with dry_run, respond with the plan instead (200)."""
        wanted = load(selection, json_object())
        dry_run = wanted.pop("dry_run", False)
        wanted.pop("all", None)
        with store.read() as view:
            plan = plan_replay(view, failures.Selection(**_with_order_id(view, wanted)))
        if dry_run:
            return json_response({"plan": [entry._asdict() for entry in plan]})
        keys = [entry.id for entry in plan]
        return json_response({"replayed": failures.replay_all(store, keys, current().name)}, 202)

    @routes.post("/failure/<key>/discard")
    @Operation(schemas.DiscardedSchema, body=(schemas.DiscardSchema(),), errors=(409,))
    def discard(key: str) -> Response:
        """Discard a dead delivery: it is not tried again."""
        reason = load(schemas.DiscardSchema(), json_object())["reason"]
        store.run_in_transaction(lambda tx: failures.discard(tx, key, current().name, reason))
        return json_response({"id": key, "discarded": True})

    @routes.get("/fault")
    @Operation(schemas.FaultListSchema, errors=(403,))
    def list_faults() -> Response:
        """The fault switches that are set."""
        _require_faults()
        with store.read() as view:
            return json_response({"faults": find_switches(view)})

    @routes.put("/fault/<handler>")
    @Operation(schemas.SetFaultSchema, body=(schemas.FaultSchema(),), errors=(403,))
    def set_fault(handler: str) -> Response:
        """Make a handler fail, refuse, be down or be slow."""
        _require_faults()
        if handler not in handlers:
            known = ", ".join(sorted(handlers))
            raise NotFound(f"There is no handler {handler[:40]}; there are {known}.")
        wanted = load(schemas.FaultSchema(), json_object())

        def put_fault(tx: Transaction) -> Document:
            fault = {"handler": handler} | _with_order_id(tx, wanted)
            tx.put(FAULTS.name, fault)
            return fault

        return json_response(store.run_in_transaction(put_fault))

    @routes.delete("/fault/<handler>")
    @Operation(schemas.ClearedSchema, errors=(403,))
    def clear_fault(handler: str) -> Response:
        """Clear a fault switch."""
        _require_faults()

        def delete_fault(tx: Transaction) -> bool:
            was_set = tx.get(FAULTS.name, handler) is not None
            tx.delete(FAULTS.name, handler)
            return was_set

        if not store.run_in_transaction(delete_fault):
            raise NotFound(f"No fault switch is set for {handler[:40]}.")
        return json_response({"handler": handler, "cleared": True})

    def _require_faults() -> None:
        if not with_faults:
            raise Forbidden("Fault switches are off; start the service with DAYBOOK_FAULTS=on.")

    def _with_order_id(view: View, wanted: dict[str, Any]) -> dict[str, Any]:
        name = wanted.get("order")
        return wanted | {"order": order_id_of(view, name)} if name else wanted

    return routes


def _read_all(store: Store, position: str, event_type: str | None) -> Iterator[Document]:
    """All events after a position, up to the one that is the last when it is read."""
    while True:
        found = event_feed.read_page(store, position, MAX_LIMIT, event_type)
        store.make_durable()
        yield from found.events
        if not found.has_more:
            return
        position = found.position


def _position(wanted: Mapping[str, Any]) -> str:
    """The position where the page begins. Raises Malformed for an invalid cursor."""
    if "after" in wanted and "since" in wanted:
        raise Malformed("Give `after` or `since`, not both: either says where the page begins.")
    if "since" in wanted:
        return event_feed.position_at(clock.parse_time(wanted["since"]))
    return (
        paging.decode_cursor(wanted["after"], _FEED) if "after" in wanted else event_feed.BEGINNING
    )
