"""Events: deliveries, failures with replay and discard, fault injection. For operators."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from flask import Blueprint, Response, request

from app.events import event_feed, failures, faults, outbox
from app.events.schemas import DiscardSchema, FaultSchema
from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid, NotFound, Problem
from app.orders.documents import ORDERS
from app.orders.queries import resolve_order_id
from app.schema.validation import load
from app.store import Document, Page, View
from app.store.matching import find_matching
from app.web.layout.context import PageContext, page
from app.web.layout.cursors import find_page, read_cursor, write_cursor
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.redirects import redirect_to

PAGE_SIZE = 50
MAX_FINISHED = 12
_LOOKBACKS = (timedelta(seconds=2), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
_FILTERS = ("handler", "type", "order", "error")


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages; those for fault injection only where it is enabled."""
    pages = EventPages(context)
    blueprint.get("/events")(pages.show_events)
    blueprint.get("/events/<event_id>")(pages.show_event)
    blueprint.post("/events/replay")(pages.replay)
    blueprint.post("/events/<event_id>/<handler>/replay")(pages.replay_one)
    blueprint.post("/events/<event_id>/<handler>/discard")(pages.discard)
    if context.config.faults:
        blueprint.post("/events/faults")(pages.set_fault)
        blueprint.post("/events/faults/<handler>/clear")(pages.clear_fault)


class EventPages:
    """The views: deliveries and failures, one event, and the forms on both."""

    def __init__(self, context: PageContext) -> None:
        self._context, self._store = context, context.store
        self._discard_schema, self._fault_schema = DiscardSchema(), FaultSchema()

    def show_events(
        self, form: SubmittedForm = NO_FORM, filters: dict[str, str] | None = None
    ) -> Response:
        filters = filters or _filters(request.args.to_dict())
        with self._store.read() as view:
            where = _where(view, filters)
            pending, older_pending = _pending(view, request.args.get("pending", ""))
            pending_count = view.count(outbox.OUTBOX.name)
            failure_count = view.count(failures.FAILURES.name)
            switches = {each["handler"]: each for each in view.find(faults.FAULTS.name).documents}
            _mark_blocked(view, pending)
            finished = _finished(view)
        failed, next_ = self._failed(where, filters)
        return page(
            "operator/events.html",
            form,
            live=["events", "failures"],
            filters=filters,
            failures=failed,
            next=next_,
            pending=pending,
            older_pending=older_pending,
            pending_count=pending_count,
            failure_count=failure_count,
            finished=finished,
            with_faults=self._context.config.faults,
            switches=switches,
            modes=faults.MODES | {faults.SLOW: "starts late, by the seconds given"},
            handlers=sorted(self._context.handlers),
        )

    def _failed(
        self, where: dict[str, Any], filters: dict[str, str]
    ) -> tuple[list[Document], str | None]:
        """Return the failures from the request's cursor on, newest first, and the next cursor."""
        part, list_name = filters["error"].lower(), f"failures {filters}"

        def find(view: View, after: str | None, limit: int) -> Page:
            name = failures.FAILURES.name
            return view.find(name, where, after=after, limit=limit, descending=True)

        found = find_matching(
            self._store,
            find,
            lambda each: part in each["error"].lower(),
            after=read_cursor(request.args.get("cursor", ""), list_name),
            limit=PAGE_SIZE,
        )
        return found.documents, write_cursor(found.next, list_name)

    def show_event(
        self, event_id: str, form: SubmittedForm = NO_FORM, refused_handler: str = ""
    ) -> Response:
        with self._store.read() as view:
            record = outbox.find_event(view, event_id)
            if record is None:
                raise NotFound("There is no event with this id.")
            order = view.get(ORDERS.name, record["event"]["subject"])
            failed = {
                handler: view.get(failures.FAILURES.name, failures.failure_id(event_id, handler))
                for handler in record["deliveries"]
            }
            _mark_blocked(view, [record])
        return page(
            "operator/event.html",
            form,
            live=["events", "failures"],
            record=record,
            payload=json.dumps(record["event"]["data"], indent=2, ensure_ascii=False),
            order=order,
            failures={handler: each for handler, each in failed.items() if each},
            refused_handler=refused_handler,
        )

    def replay(self) -> Response:
        form = submitted_form("id")
        filters = _filters(form.fields)
        try:
            begun = self._replay(form, filters)
        except (Invalid, Conflict) as error:
            return self.show_events(NO_FORM.refused(error), filters)
        given = {name: value for name, value in filters.items() if value}
        return redirect_to("web.operator.show_events", replayed=begun, **given)

    def _replay(self, form: SubmittedForm, filters: dict[str, str]) -> int:
        """Replay the chosen failures, or all that pass the filters; returns their number.

        Raises Invalid when none is chosen, and Conflict when none waits any more.
        """
        keys = form.lists["id"]
        if form.get("all"):
            with self._store.read() as view:
                where, part = _where(view, filters), filters["error"] or None
                selection = failures.Selection(**where, error=part)
                keys = [each["id"] for each in failures.find_entries(view, selection)]
        elif not keys:
            raise Invalid([Problem("", "Choose at least one failure, or replay all")])
        begun = failures.replay_all(self._store, sorted(keys), current().name)
        if not begun:
            raise Conflict(
                "None of these failures is left: each was replayed or discarded meanwhile."
            )
        return begun

    def replay_one(self, event_id: str, handler: str) -> Response:
        submitted_form()
        with self._store.transaction() as tx:
            failures.replay(tx, failures.failure_id(event_id, handler), current().name)
        return redirect_to("web.operator.show_event", event_id=event_id)

    def discard(self, event_id: str, handler: str) -> Response:
        form = submitted_form()
        key = failures.failure_id(event_id, handler)
        try:
            reason = load(self._discard_schema, form.filled("reason"))["reason"]
            with self._store.transaction() as tx:
                failures.discard(tx, key, current().name, reason)
        except (Invalid, Conflict) as error:
            return self.show_event(event_id, form.refused(error), handler)
        return redirect_to("web.operator.show_event", event_id=event_id)

    def set_fault(self) -> Response:
        form = submitted_form()
        try:
            handler = form.get("handler")
            if handler not in self._context.handlers:
                raise Invalid([Problem("", "handler is not a handler")])
            values = form.filled("mode", "order") | form.filled_integers("times", "delay_s")
            fault = {"handler": handler} | load(self._fault_schema, values)
        except Invalid as error:
            return self.show_events(form.refused(error))
        with self._store.transaction() as tx:
            if fault["order"]:
                fault["order"] = resolve_order_id(tx, fault["order"])
            tx.put(faults.FAULTS.name, fault)
        return redirect_to("web.operator.show_events")

    def clear_fault(self, handler: str) -> Response:
        submitted_form()
        with self._store.transaction() as tx:
            tx.delete(faults.FAULTS.name, handler)
        return redirect_to("web.operator.show_events")


def _pending(view: View, cursor: str) -> tuple[list[Document], str | None]:
    """Return the pending events from the cursor on, newest first, and the next cursor."""
    name = outbox.OUTBOX.name
    return find_page(view, name, None, cursor, "outbox", limit=PAGE_SIZE, descending=True)


def _finished(view: View) -> list[Document]:
    """Return the newest events that all handlers have completed, newest first.

    Events have no index but their id, so this reads a short period first, and longer ones while it
    finds too few.
    """
    found: list[Document] = []
    for back in _LOOKBACKS:
        feed_page = event_feed.read_page(
            view, event_feed.position_at(datetime.now(UTC) - back), event_feed.MAX_SCANNED
        )
        records = (view.get(outbox.EVENTS.name, each["id"]) for each in feed_page.events[::-1])
        found = list(islice((record for record in records if record), MAX_FINISHED))
        if len(found) == MAX_FINISHED or feed_page.has_more:
            break
    return found


def _filters(fields: dict[str, str]) -> dict[str, str]:
    return {name: fields.get(name, "").strip()[:200] for name in _FILTERS}


def _where(view: View, filters: dict[str, str]) -> dict[str, Any]:
    """Return the filters that an index of the failures serves, with the order's id."""
    where = {name: filters[name] for name in ("handler", "type", "order") if filters[name]}
    if "order" in where:
        where["order"] = resolve_order_id(view, where["order"])
    return where


def _mark_blocked(view: View, records: list[Document]) -> None:
    """Take each record's deliveries from the timeline, which marks those behind a failure."""
    for record in records:
        for each in outbox.timeline(view, record["event"]["subject"]):
            if each["id"] == record["id"]:
                record["deliveries"] = each["deliveries"]
