"""The outbox, live: events with their handlers, failures with replay and discard. For operators."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from flask import Blueprint, Response, request, url_for

from app.events import event_feed, failures, faults, outbox
from app.events.schemas import DiscardSchema, FaultSchema
from app.http.responses import problems
from app.http.responses.json_response import see_other
from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid, NotFound, Problem
from app.orders import service
from app.schema.validation import load
from app.store import Document, IndexValue, View
from app.web.layout.context import PageContext, page
from app.web.layout.form import SubmittedForm, faults_of, submitted_form

SHOWN = 50
LATEST = 12
_LOOKED_BACK = (timedelta(seconds=2), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
_FILTERS = ("handler", "type", "order", "error")


def add_to(pages: Blueprint, site: PageContext) -> None:
    """What is on its way, what failed, and the fault switches where they are on."""
    store = site.store
    discarding, switching = DiscardSchema(), FaultSchema()

    @pages.get("/events")
    def show_events() -> Response:
        return _events_page()

    @pages.get("/events/<event_id>")
    def show_event(event_id: str) -> Response:
        return _event_page(event_id)

    @pages.post("/events/replay")
    def replay() -> Response:
        sent = submitted_form("id")
        keys = sent.repeated["id"]
        if sent.get("all"):
            with store.read() as view:
                keys = failures.find(view, _selection(view, _asked(sent.fields)))
        begun = failures.replay_all(store, sorted(keys), current().name)
        return _to_events(told=f"replayed-{begun}", **_asked(sent.fields))

    @pages.post("/events/<event_id>/<handler>/replay")
    def replay_one(event_id: str, handler: str) -> Response:
        submitted_form()
        with store.transaction() as tx:
            failures.replay(tx, failures.failure_id(event_id, handler), current().name)
        return _to_event(event_id)

    @pages.post("/events/<event_id>/<handler>/discard")
    def discard(event_id: str, handler: str) -> Response:
        sent = submitted_form()
        key = failures.failure_id(event_id, handler)
        try:
            reason = load(discarding, sent.given("reason"))["reason"]
            with store.transaction() as tx:
                failures.discard(tx, key, current().name, reason)
        except (Invalid, Conflict) as error:
            found = faults_of(error, {"/reason": f"reason-{handler}"})
            return _event_page(event_id, found, problems.status_of(error))
        return _to_event(event_id)

    if site.with_faults:

        @pages.post("/events/faults")
        def set_fault() -> Response:
            sent = submitted_form()
            try:
                fault = _switch(sent)
            except Invalid as error:
                fields = {f"/{name}": name for name in ("mode", "times", "delay_s", "order")}
                return _events_page(faults_of(error, fields), problems.status_of(error), sent)
            with store.transaction() as tx:
                if fault["order"]:
                    fault["order"] = _order_id(tx, fault["order"])
                tx.put(faults.FAULTS.name, fault)
            return _to_events()

        @pages.post("/events/faults/<handler>/clear")
        def clear_fault(handler: str) -> Response:
            submitted_form()
            with store.transaction() as tx:
                tx.delete(faults.FAULTS.name, handler)
            return _to_events()

    def _events_page(
        found: dict[str, str] | None = None, status: int = 200, sent: SubmittedForm | None = None
    ) -> Response:
        asked = _asked(request.args.to_dict())
        with store.read() as view:
            where = _where(view, asked)
            failed = view.find(failures.FAILURES.name, where, limit=SHOWN, descending=True)
            on_their_way = view.find(outbox.OUTBOX.name, limit=SHOWN, descending=True).documents
            open_ = view.count(outbox.OUTBOX.name)
            dead = view.count(failures.FAILURES.name)
            switches = {each["handler"]: each for each in view.find(faults.FAULTS.name).documents}
            blocked = {
                (record["id"], handler)
                for record in on_their_way
                for handler in record["deliveries"]
                if _waits(view, record, handler)
            }
            latest = _latest(view)
        part = asked["error"].lower()
        shown = [each for each in failed.documents if part in each["error"].lower()]
        return page(
            "operator/events.html",
            status,
            live=["events", "failures"],
            section="Events",
            asked=asked,
            failures=shown,
            has_more=failed.next is not None,
            open=open_,
            dead=dead,
            on_their_way=[_shown(record, blocked) for record in on_their_way],
            latest=latest,
            switches=switches,
            modes=faults.MODES | {faults.SLOW: "starts late, by the seconds given"},
            handlers=sorted(site.handlers),
            faults=found or {},
            typed=sent.fields if sent else {},
            replayed=request.args.get("told", "").partition("replayed-")[2],
        )

    def _event_page(
        event_id: str, found: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        with store.read() as view:
            record = outbox.find_event(view, event_id)
            if record is None:
                raise NotFound("There is no event with this id.")
            subject = record["event"]["subject"]
            handlers = record["deliveries"]
            blocked = {(event_id, each) for each in handlers if _waits(view, record, each)}
            order = view.get(service.ORDERS.name, subject)
            entries = {
                handler: view.get(failures.FAILURES.name, failures.failure_id(event_id, handler))
                for handler in handlers
            }
        return page(
            "operator/event.html",
            status,
            live=["events", "failures"],
            section="Events",
            record=_shown(record, blocked),
            payload=json.dumps(record["event"]["data"], indent=2, ensure_ascii=False),
            order=order,
            entries={handler: entry for handler, entry in entries.items() if entry},
            faults=found or {},
        )

    def _switch(sent: SubmittedForm) -> Document:
        """The switch that the form sets. Raises Invalid."""
        handler = sent.get("handler")
        if handler not in site.handlers:
            raise Invalid([Problem("/handler", "is not a handler")])
        wanted: dict[str, Any] = sent.given("mode", "order")
        wanted |= {name: sent.number(name) for name in sent.given("times", "delay_s")}
        return {"handler": handler} | load(switching, wanted)


def _latest(view: View) -> list[Document]:
    """The newest events that every handler is through with, newest first.

    Events are kept by id and have no other index, so this looks back for a little while, and
    further when there was little.
    """
    found: list[Document] = []
    for back in _LOOKED_BACK:
        news = event_feed.news(
            view, event_feed.position_at(datetime.now(UTC) - back), event_feed.LOOKED_AT
        )
        records = (view.get(outbox.EVENTS.name, each["id"]) for each in news.events[::-1])
        found = list(islice((record for record in records if record), LATEST))
        if len(found) == LATEST or news.has_more:
            break
    return found


def _asked(fields: dict[str, str]) -> dict[str, str]:
    return {name: fields.get(name, "").strip()[:200] for name in _FILTERS}


def _where(view: View, asked: dict[str, str]) -> dict[str, IndexValue]:
    where: dict[str, IndexValue] = {
        name: asked[name] for name in ("handler", "type") if asked[name]
    }
    return where | ({"order": _order_id(view, asked["order"])} if asked["order"] else {})


def _selection(view: View, asked: dict[str, str]) -> failures.Selection:
    return failures.Selection(**_where(view, asked), error=asked["error"] or None)  # type: ignore[arg-type]  # texts


def _order_id(view: View, name: str) -> str:
    try:
        return str(service.find_order(view, name)["order_id"])
    except NotFound:
        return name


def _waits(view: View, record: Document, handler: str) -> bool:
    """Whether a delivery stands behind an earlier one of its order that failed for good."""
    if record["deliveries"][handler]["state"] != outbox.PENDING:
        return False
    for earlier in outbox.timeline(view, record["event"]["subject"]):
        if earlier["id"] == record["id"]:
            return bool(earlier["deliveries"][handler]["state"] != outbox.PENDING)
    return False


def _shown(record: Document, blocked: set[tuple[str, str]]) -> Document:
    """The record, with what waits behind a failure shown as waiting."""
    for handler, delivery in record["deliveries"].items():
        if (record["id"], handler) in blocked:
            delivery["state"] = "waiting"
    return record


def _to_events(**query: str) -> Response:
    given = {name: value for name, value in query.items() if value}
    return see_other(url_for("web.operator.show_events", **given))  # type: ignore[arg-type]  # texts


def _to_event(event_id: str) -> Response:
    location = url_for("web.operator.show_event", event_id=event_id)
    return see_other(location)
