"""Failures and fault switches over HTTP, for operators."""

from flask import Blueprint, Response

from app import clock
from app.errors import Forbidden, Invalid, NotFound, Problem
from app.events import failures
from app.events.faults import FAULTS
from app.events.replay import plan
from app.events.schemas import DiscardSchema, FaultSchema, SelectionSchema
from app.http.answers import answer
from app.http.body import json_object
from app.http.paging import page_answer, paging, query_parameters
from app.http.validation import load
from app.store import Store

OPERATOR = "http"


def blueprint(store: Store, handlers: frozenset[str], *, with_faults: bool) -> Blueprint:
    """The routes, over `store`; fault switches answer 403 unless `with_faults`."""
    routes = Blueprint("events", __name__)

    @routes.get("/failure")
    def list_failures() -> Response:
        parameters = query_parameters(("handler", "type", "order", "limit", "cursor"))
        limit, after = paging(parameters)
        where = {n: parameters[n] for n in ("handler", "type", "order") if n in parameters}
        with store.read() as view:
            page = view.find(failures.FAILURES.name, where, after=after, limit=limit)
        return page_answer("failures", page, page.documents)

    @routes.post("/failure/replay")
    def replay() -> Response:
        wanted = load(SelectionSchema(), json_object())
        everything, dry_run = wanted.pop("all", False), wanted.pop("dry_run", False)
        if not wanted and not everything:
            raise Invalid([Problem("", 'say which failures, or "all": true')])
        selection = failures.Selection(**wanted | _written_since(wanted))
        with store.read() as view:
            steps = plan(view, selection)
        if dry_run:
            return answer({"plan": [step._asdict() for step in steps]})
        keys = [step.id for step in steps]
        return answer({"replayed": failures.replay_all(store, keys, OPERATOR)}, 202)

    @routes.post("/failure/<key>/discard")
    def discard(key: str) -> Response:
        reason = load(DiscardSchema(), json_object())["reason"]
        with store.transaction() as tx:
            failures.discard(tx, key, OPERATOR, reason)
        return answer({"id": key, "discarded": True})

    @routes.get("/fault")
    def list_faults() -> Response:
        _only_where_allowed()
        with store.read() as view:
            return answer({"faults": view.find(FAULTS.name).documents})

    @routes.put("/fault/<handler>")
    def set_fault(handler: str) -> Response:
        _only_where_allowed()
        if handler not in handlers:
            raise NotFound(
                f"There is no handler {handler[:40]}; there are {', '.join(sorted(handlers))}."
            )
        fault = {"handler": handler} | load(FaultSchema(), json_object())
        with store.transaction() as tx:
            tx.put(FAULTS.name, fault)
        return answer(fault)

    @routes.delete("/fault/<handler>")
    def clear_fault(handler: str) -> Response:
        _only_where_allowed()
        with store.transaction() as tx:
            was_set = tx.get(FAULTS.name, handler) is not None
            tx.delete(FAULTS.name, handler)
        if not was_set:
            raise NotFound(f"No fault switch is set for {handler[:40]}.")
        return answer({"handler": handler, "cleared": True})

    def _only_where_allowed() -> None:
        if not with_faults:
            raise Forbidden("Fault switches are off; start the service with DAYBOOK_FAULTS=on.")

    return routes


def _written_since(wanted: dict[str, str]) -> dict[str, str]:
    if "since" not in wanted:
        return {}
    try:
        return {"since": clock.written(clock.parsed(wanted["since"]))}
    except (ValueError, OverflowError):
        raise Invalid(
            [Problem("/since", "must be a moment such as 2026-11-21T08:00:00Z")]
        ) from None
