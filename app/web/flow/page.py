"""/flow: the events of the running shop as a live picture, and the same as tables.

The picture is drawn from the store at each request; an open page requests itself again when an
event changes, and while something in it moves. Without an open page nothing is computed. Pages that
are open at the same time share one reading of the store.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from time import monotonic

from flask import Blueprint, Response, render_template, request

from app.events import failures, faults, outbox, pace
from app.events.subscriptions import group_of, groups_of_subscribers
from app.http.security.identity import current
from app.kernel.errors import Malformed
from app.kernel.identity import OPERATOR
from app.orders.documents import ORDERS
from app.store import Document, Store, Transaction, View
from app.web.flow.figures import Rates
from app.web.flow.picture import WIDTH, draw, in_order
from app.web.flow.standing import (
    DONE,
    FAILURE,
    HELD,
    PAUSED,
    WAITING,
    Snapshot,
    Standing,
    read_records,
    snapshot_of,
)
from app.web.layout.context import PageContext, page
from app.web.layout.form import submitted_form
from app.web.layout.redirects import redirect_to

REFRESH_INTERVAL_MS = 350
"""Between two refreshes of an open page: half of what a delivery is shown at each place."""

RATES_INTERVAL_MS = 1000
"""Between two refreshes while only the rates change."""

CACHE_S = 0.25
"""How long pages share one reading of the store."""

DELAYS_S = (1, 3, 10)
"""The delays of each delivery that slow motion offers, in seconds."""

RENEW = "renew"
"""The value of the form by which an open page renews the lease of slow motion."""

MAX_LISTED = 30
"""Deliveries in the table; the picture merges what is more than it has room for."""


@dataclass(frozen=True)
class Row:
    """The figures of a handler, or of a group of subscribers, since the server's start."""

    handler: str
    done: int
    rate: float | None
    failed: int
    is_held: bool
    switch: Document | None


@dataclass(frozen=True)
class Reading:
    """The state of the flow at one moment; `transactions` is the store's position before it."""

    snapshot: Snapshot
    rows: list[Row]
    orders: int
    transactions: int
    open_events: int
    failures: int
    rates: Mapping[str, float]
    pace: Document | None
    parts: dict[bool, dict[str, str]] = field(default_factory=dict)
    """The picture and the table of deliveries as HTML, for operators and for others, once drawn."""

    @property
    def is_paused(self) -> bool:
        """Whether a person pauses all deliveries, and does not only slow them down."""
        return self.pace is not None and self.pace["mode"] == faults.PAUSE

    @property
    def paused(self) -> int:
        """How many deliveries a person pauses, of those that were read."""
        return sum(each.state == PAUSED for each in self.snapshot.standings)

    @property
    def listed(self) -> list[Standing]:
        """The deliveries of the table, newest event first: those that have not ended."""
        is_open = [each for each in self.snapshot.standings if each.place != DONE]
        return is_open[::-1][:MAX_LISTED]

    @property
    def done_rate(self) -> float | None:
        """How many deliveries are done in a second, by all handlers; None while unknown."""
        rates = [row.rate for row in self.rows if row.rate is not None]
        return sum(rates) if rates else None


class FlowReader:
    """Reads the store for the page, once for all pages that are open at a time."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._own_handlers = context.handlers - context.registry.groups().keys()
        self._rates = Rates()
        self._lock = Lock()
        self._expires = 0.0
        self._reading: Reading | None = None

    def read(self, *, is_new: bool) -> Reading:
        """Return a reading that `is_new`, or at most CACHE_S old."""
        with self._lock:
            if is_new or self._reading is None or monotonic() >= self._expires:
                self._reading = self._read()
                self._expires = monotonic() + CACHE_S
            return self._reading

    def _read(self) -> Reading:
        store = self._context.store
        done, now = self._context.count_done(), datetime.now(UTC)
        transactions = store.position()
        with store.read() as view:
            present_pace = pace.current_pace(view) if self._context.config.faults else None
            is_paused = present_pace is not None and present_pace["mode"] == faults.PAUSE
            records = read_records(view, now)
            orders = view.count(ORDERS.name)
            switches = {each["handler"]: each for each in faults.find_switches(view)}
            open_events = view.count(outbox.OUTBOX.name)
            handlers = in_order(self._own_handlers.union(groups_of_subscribers(view)))
            failed = _failures(view, handlers)
        # outside the view, which blocks writers
        snapshot = snapshot_of(records, now, is_paused=is_paused)
        rates = self._rates.of({**done, "api": orders, "journal": transactions})
        held = {group_of(each.handler) for each in snapshot.standings if each.state == HELD}
        rows = [
            Row(
                name,
                done=int(done.get(name, 0)),
                rate=rates.get(name),
                failed=failed[name],
                is_held=name in held,
                switch=switches.get(name),
            )
            for name in handlers
        ]
        return Reading(
            snapshot,
            rows,
            orders,
            transactions,
            open_events,
            sum(failed.values()),
            rates,
            present_pace,
        )


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the page."""
    reader = FlowReader(context)

    if context.config.faults:
        blueprint.post("/flow/pace")(_pace_form(context.store))

    @blueprint.get("/flow")
    def show_flow() -> Response:
        # a person who has just pressed a button sees what it did; a refresh may be a moment late
        is_refresh = request.headers.get("Sec-Fetch-Dest") == "empty"
        reading = reader.read(is_new=not is_refresh)
        return page(
            "flow/flow.html",
            live=["flow"],
            refresh_interval_ms=REFRESH_INTERVAL_MS,
            refresh_after_ms=_refresh_after_ms(reading, context.store.position()),
            reading=reading,
            **_parts(reading),
            with_faults=context.config.faults,
            modes=faults.MODES,
            delays_s=DELAYS_S,
            lease_s=round(pace.LEASE_S),
        )


def _parts(reading: Reading) -> dict[str, str]:
    """The picture and the table of deliveries, drawn once for all pages with this reading."""
    is_operator = current().may(OPERATOR)
    if is_operator not in reading.parts:
        drawn = draw([row.handler for row in reading.rows], reading.snapshot)
        values = {"reading": reading, "picture": drawn, "width": WIDTH}
        reading.parts[is_operator] = {
            name: render_template(f"flow/{name}.html", **values) for name in ("picture", "way")
        }
    return reading.parts[is_operator]


def _pace_form(store: Store) -> Callable[[], Response]:
    """The view of the forms of slow motion. Raises Malformed for a button that is none of them."""
    actions: dict[str, Callable[[Transaction], object]] = {
        "pause": pace.pause,
        "release": pace.release_next,
        "end": pace.end_pace,
        RENEW: pace.renew,
        **{f"slow-{delay_s}": partial(pace.slow_down, delay_s=delay_s) for delay_s in DELAYS_S},
    }

    def set_pace() -> Response:
        name = submitted_form().get("do")
        if name not in actions:
            raise Malformed("There is no such button on the flow; please load the page again.")
        store.run_in_transaction(actions[name])
        # the script that renews the lease needs no page
        return Response(status=204) if name == RENEW else redirect_to("web.flow.show_flow")

    return set_pace


def _refresh_after_ms(reading: Reading, position: int) -> int | None:
    """When the page will show something else, although nothing is written: see live.js.

    A token moves on, a countdown, a rate, the end of slow motion; or the store has changed since
    the reading.
    """
    is_moving = any(
        each.place != FAILURE and each.state not in (WAITING, HELD, PAUSED)
        for each in reading.snapshot.standings
    )
    if is_moving or position != reading.transactions:
        return REFRESH_INTERVAL_MS
    is_changing = not reading.rates or any(reading.rates.values()) or reading.pace
    return RATES_INTERVAL_MS if is_changing else None


def _failures(view: View, handlers: list[str]) -> dict[str, int]:
    return {name: view.count(failures.FAILURES.name, {"handler": name}) for name in handlers}
