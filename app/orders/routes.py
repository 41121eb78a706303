"""The order resource over HTTP."""

from datetime import date, datetime, time, timedelta
from time import monotonic, sleep
from typing import Any

from flask import Blueprint, Response, request

from app import clock
from app.errors import Invalid, Malformed, NotFound, Problem
from app.events.outbox import timeline
from app.http import idempotency, preferences
from app.http.answers import answer, expected_versions, versioned
from app.http.body import JSON, MERGE_PATCH, json_object
from app.http.paging import page_answer, paging, query_parameters
from app.http.validation import load
from app.orders import service, states
from app.orders.schemas import cancel_schema, patch_schema, request_schema
from app.store import Document, IndexValue, Store

FILTERS = ("status", "customer", "product", "from", "to", "sort", "limit", "cursor")


def blueprint(store: Store, rules: service.Rules) -> Blueprint:
    """The routes, over `store`."""
    routes = Blueprint("orders", __name__)
    order_request, order_patch = request_schema(rules.currency), patch_schema(rules.currency)

    @routes.post("/order")
    def post_order() -> Response:
        key = idempotency.requested_key()
        wanted = load(order_request, json_object())
        with store.transaction() as tx:
            response = idempotency.first_answer(tx, key) if key else None
            if response is None:
                order = service.place_order(tx, rules, wanted)
                response = versioned(order, 201, Location=f"/order/{order['order_id']}")
                if key:
                    idempotency.remember(tx, key, response)
        if "Idempotency-Replayed" in response.headers:
            store.make_durable()
            return response
        return preferences.waited(response, lambda wait_s: _handled(store, order, wait_s))

    @routes.get("/order")
    def list_orders() -> Response:
        parameters = query_parameters(FILTERS)
        limit, after = paging(parameters)
        low, high = _bounds(parameters)
        with store.read() as view:
            page = view.find(
                service.ORDERS.name,
                _filters(parameters),
                low=low,
                high=high,
                after=after,
                limit=limit,
                descending=_descending(parameters),
            )
        return page_answer("orders", page, page.documents)

    @routes.get("/order/<name>")
    def get_order(name: str) -> Response:
        query_parameters(())
        with store.read() as view:
            order = service.find_order(view, name)
        return versioned(order)

    @routes.patch("/order/<name>")
    def patch_order(name: str) -> Response:
        patch = load(order_patch, json_object(MERGE_PATCH, JSON), partial=True)
        expected = expected_versions()
        with store.transaction() as tx:
            if "status" in patch:
                order = service.cancel_order(tx, name, _only_cancelling(patch), expected)
            else:
                order = service.change_order(tx, rules, name, patch, expected)
        return versioned(order)

    @routes.delete("/order/<name>")
    def delete_order(name: str) -> Response:
        expected = expected_versions()
        try:
            with store.transaction() as tx:
                order_id = service.delete_order(tx, name, expected)
        except NotFound as error:
            raise NotFound(str(error), order_id=name[:40], deleted=False) from None
        return answer({"order_id": order_id, "deleted": True})

    @routes.post("/order/<name>/cancel")
    def cancel_order(name: str) -> Response:
        body = load(cancel_schema(), json_object()) if request.get_data() else {}
        expected = expected_versions()
        with store.transaction() as tx:
            order = service.cancel_order(tx, name, body.get("reason", ""), expected)
        return versioned(order)

    @routes.get("/order/<name>/events")
    def get_events(name: str) -> Response:
        query_parameters(())
        with store.read() as view:
            events = list(timeline(view, name))
            if not events:
                events = list(timeline(view, service.find_order(view, name)["order_id"]))
        return answer({"events": events})

    return routes


def _only_cancelling(patch: Document) -> str:
    """The reason given. Raises Invalid when the patch wants anything besides."""
    others = patch.keys() - {"status", "reason"}
    if others:
        raise Invalid(
            [Problem(f"/{name}", "cannot be changed while cancelling") for name in sorted(others)]
        )
    return str(patch.get("reason", ""))


def _handled(store: Store, order: Document, wait_s: float) -> Document:
    """The order once inventory has had its say, or as it is after `wait_s` seconds."""
    deadline = monotonic() + wait_s
    while True:
        with store.read() as view:
            latest = view.get(service.ORDERS.name, order["order_id"]) or order
        if latest["status"] != states.PLACED or monotonic() > deadline:
            return latest
        sleep(0.005)


def _filters(parameters: dict[str, str]) -> dict[str, IndexValue]:
    where: dict[str, IndexValue] = {}
    if "status" in parameters:
        if parameters["status"] not in states.STATUSES:
            raise Malformed(f"status must be one of {', '.join(states.STATUSES)}.")
        where["status"] = parameters["status"]
    if "customer" in parameters:
        where["customer"] = parameters["customer"].casefold()
    if "product" in parameters:
        where["product"] = parameters["product"]
    return where


def _descending(parameters: dict[str, str]) -> bool:
    order = parameters.get("sort", "-date")
    if order not in ("date", "-date"):
        raise Malformed("sort must be date (oldest first) or -date (newest first).")
    return order == "-date"


def _bounds(parameters: dict[str, str]) -> tuple[str, str | None]:
    """`from` and `to`, both inclusive: a day, or a moment with its zone (RFC 3339)."""
    low = _moment("from", parameters.get("from"), end_of_day=False)
    return low or "", _moment("to", parameters.get("to"), end_of_day=True)


def _moment(name: str, text: str | None, *, end_of_day: bool) -> str | None:
    if text is None:
        return None
    try:
        if len(text) == 10:
            day = datetime.combine(date.fromisoformat(text), time(), clock.UTC)
            return clock.written(day + timedelta(days=1, milliseconds=-1) if end_of_day else day)
        moment: Any = clock.parsed(text)
        if moment.tzinfo is not None:
            return clock.written(moment)
    except (ValueError, OverflowError):
        pass
    raise Malformed(f"{name} must be a day (2026-11-21) or a moment (2026-11-21T08:00:00Z).")
