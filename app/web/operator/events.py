"""Events: deliveries, failures with replay and discard, fault injection. For operators."""

import json
from datetime import UTC, datetime

from flask import Blueprint, Response, request

from app.events import event_feed, failures, faults, outbox
from app.events.schemas import DiscardSchema, FaultSchema
from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid, NotFound, Problem
from app.orders.documents import ORDERS
from app.orders.queries import resolve_order_id
from app.schema.validation import load
from app.store import Document, Transaction, View
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.html_size import shorten
from app.web.layout.positions import PAGE_SIZE, Position, parse_page
from app.web.layout.redirects import redirect_to
from app.web.operator.failure_search import FailureSearch

MAX_FINISHED = 12
MAX_PAYLOAD_BYTES = 40_000
"""The size in HTML up to which a page has the payload of an event."""


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
        self, form: SubmittedForm = NO_FORM, search: FailureSearch | None = None
    ) -> Response:
        search = search or FailureSearch.parse(request.args)
        found = search.run(self._store)
        number = parse_page(request.args.get("pending", ""))
        with self._store.read() as view:
            pending_position = Position.of_page(number, view.count(outbox.OUTBOX.name))
            pending = _pending(view, pending_position)
            failure_count = view.count(failures.FAILURES.name)
            switches = {each["handler"]: each for each in faults.find_switches(view)}
            finished = _finished(view)
        return page(
            "operator/events.html",
            form,
            live=["events", "failures"],
            search=search,
            found=found,
            pending=pending,
            pending_position=pending_position,
            failure_count=failure_count,
            finished=finished,
            with_faults=self._context.config.faults,
            switches=switches,
            modes=faults.MODES | {faults.SLOW: "starts late, by the seconds given"},
            handlers=sorted(self._context.handlers),
        )

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
        data = json.dumps(record["event"]["data"], indent=2, ensure_ascii=False)
        payload = shorten(data, MAX_PAYLOAD_BYTES)
        return page(
            "operator/event.html",
            form,
            live=["events", "failures"],
            record=record,
            payload=payload,
            is_cut=payload != data,
            order=order,
            failures={handler: each for handler, each in failed.items() if each},
            refused_handler=refused_handler,
        )

    def replay(self) -> Response:
        form = submitted_form("id")
        search = FailureSearch.parse(form.fields)
        try:
            begun = self._replay(form, search)
        except (Invalid, Conflict) as error:
            return self.show_events(NO_FORM.refused(error), search)
        return redirect_to("web.operator.show_events", replayed=begun, **search.filters)

    def _replay(self, form: SubmittedForm, search: FailureSearch) -> int:
        """Replay the chosen failures, or all that pass the filters; returns their number.

        Raises Invalid when none is chosen, and Conflict when none waits any more.
        """
        keys = form.lists["id"]
        if form.get("all"):
            with self._store.read() as view:
                selection = failures.Selection(**search.where(view), error=search.error or None)
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
        key = failures.failure_id(event_id, handler)
        self._store.run_in_transaction(lambda tx: failures.replay(tx, key, current().name))
        return redirect_to("web.operator.show_event", event_id=event_id)

    def discard(self, event_id: str, handler: str) -> Response:
        form = submitted_form()
        key = failures.failure_id(event_id, handler)
        try:
            reason = load(self._discard_schema, form.filled("reason"))["reason"]
            self._store.run_in_transaction(
                lambda tx: failures.discard(tx, key, current().name, reason)
            )
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

        def put_fault(tx: Transaction) -> None:
            order_id = fault["order"] and resolve_order_id(tx, fault["order"])
            tx.put(faults.FAULTS.name, fault | {"order": order_id})

        self._store.run_in_transaction(put_fault)
        return _page_of_switches(form)

    def clear_fault(self, handler: str) -> Response:
        form = submitted_form()
        self._store.run_in_transaction(lambda tx: tx.delete(faults.FAULTS.name, handler))
        return _page_of_switches(form)


def _page_of_switches(form: SubmittedForm) -> Response:
    """Redirect to the page that the form of a fault switch is on."""
    is_flow = form.get("page") == "flow"
    return redirect_to("web.flow.show_flow" if is_flow else "web.operator.show_events")


def _pending(view: View, position: Position) -> list[Document]:
    """Return a page of the pending events, newest first."""
    name, skip = outbox.OUTBOX.name, position.first - 1
    pending = view.find(name, skip=skip, limit=PAGE_SIZE, descending=True).documents
    _mark_blocked(view, pending)
    return pending


def _finished(view: View) -> list[Document]:
    """Return the newest events that all handlers have completed, newest first."""

    def is_finished(record: Document) -> bool:
        return outbox.collection_of(record) == outbox.EVENTS.name

    return event_feed.newest_records(view, datetime.now(UTC), is_finished, MAX_FINISHED)


def _mark_blocked(view: View, records: list[Document]) -> None:
    """Take each record's deliveries from the timeline, which marks those behind a failure."""
    for record in records:
        record["deliveries"] = outbox.deliveries_of(record)
        for each in outbox.timeline(view, record["event"]["subject"]):
            if each["id"] == record["id"]:
                record["deliveries"] = each["deliveries"]
