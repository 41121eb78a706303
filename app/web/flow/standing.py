"""Where each delivery stands on its way from the API to its handler, read from the store.

Most deliveries are done within milliseconds. So that a person can follow them, each is shown at
every place of its way for a moment (STOP_S); after that it is where the store says. Nothing is kept
between two reads, and each read is bounded, however busy the shop is.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from math import ceil
from typing import NamedTuple

from app.events import event_feed, failures, outbox
from app.kernel import clock
from app.store import Document, View

API, JOURNAL, OUTBOX = "api", "journal", "outbox"
QUEUE, HANDLER, DONE, FAILURE = "queue", "handler", "done", "failure"
"""The places. `queue` is in front of a handler, for what may not run now."""

PENDING, WAITING, HELD, RETRY = outbox.PENDING, outbox.WAITING, "held", "retry"
PAUSED = "paused"
"""The states of an open delivery that is not dead: under way or next, behind a failure of its own
order, kept back by the handler's circuit breaker, waiting for its next attempt, or paused by a
person (app/events/pace.py)."""

STOP_S = 0.7
DONE_S = 2.5
"""How long a delivery is shown at each place before its handler's, and after its end."""

MAX_OPEN = 100
MAX_FAILURES = 20
MAX_FINISHED = 200
"""Records that one read takes of each outbox, of failure.json and of the finished events."""

_LATE_S = (120, 900)
"""How far a read looks back for events that ended late, after a replay, while there are few: events
have no index but their id, so it reads all since then."""

_FEW = MAX_FINISHED // 4
_SLICES = 8
"""A read of a busy shop takes some events of each slice of the time that they are shown."""

_FROM_API = "/orders"
"""The source of the events that requests cause; the others come from handlers."""

_FIRST_STOPS, _REPLAY_STOPS = (JOURNAL, OUTBOX, HANDLER), (OUTBOX, HANDLER)
_SHOWN_S = STOP_S * (1 + len(_FIRST_STOPS)) + DONE_S
"""How long an event is shown at least."""

_PLACES = {
    WAITING: QUEUE,
    HELD: QUEUE,
    PAUSED: QUEUE,
    outbox.DEAD: FAILURE,
    outbox.DONE: DONE,
    outbox.DISCARDED: DONE,
}
"""The place of each state; for any other it is the handler's."""


class Standing(NamedTuple):
    """One delivery, or an event without handlers (`handler` is then ""), and the place it is at.

    `next_in_s`: seconds until the next attempt, in the state `retry` alone.
    """

    event: Document
    handler: str
    place: str
    state: str
    attempts: int = 0
    error: str = ""
    next_in_s: int | None = None


class Records(NamedTuple):
    """The events of one read with their deliveries, oldest first.

    `blocked` are the deliveries, by event id and handler, that wait behind a failure of their own
    order. `is_cut`: there is more than one read takes.
    """

    records: list[Document]
    blocked: frozenset[tuple[str, str]]
    is_cut: bool


class Snapshot(NamedTuple):
    """Everything that is on its way or has just ended, oldest event first.

    `is_cut`: there is more than one read takes.
    """

    standings: list[Standing]
    is_cut: bool


def read_records(view: View, now: datetime) -> Records:
    """Read what is on its way or has ended of late."""
    newest = [view.find(name, limit=MAX_OPEN, descending=True) for name in outbox.OUTBOXES]
    failed = view.find(failures.FAILURES.name, limit=MAX_FAILURES, descending=True).documents
    finished, is_busy = _finished(view, now)
    taken = chain(finished, *(page.documents for page in newest))
    found = {record["id"]: record for record in taken}
    for event_id in {failure["event"]["id"] for failure in failed} - found.keys():
        if record := outbox.find_event(view, event_id):
            found[event_id] = record
    records = [found[event_id] for event_id in sorted(found)]
    blocked = frozenset(_blocked(view, records)) if failed else frozenset()
    return Records(records, blocked, is_busy or any(page.next for page in newest))


def snapshot_of(records: Records, now: datetime, *, is_paused: bool = False) -> Snapshot:
    """Where the deliveries stand; `is_paused`: a person pauses those that have not begun."""
    standings = [
        standing
        for record in records.records
        for standing in _standings(record, now, records.blocked, is_paused=is_paused)
    ]
    return Snapshot(standings, records.is_cut)


def _finished(view: View, now: datetime) -> tuple[list[Document], bool]:
    """The events of late that all handlers have completed, and whether there are more."""
    found = _finished_since(view, now, _SHOWN_S)
    if len(found) == MAX_FINISHED:
        slices = (_SHOWN_S * number / _SLICES for number in range(1, _SLICES + 1))
        limit = MAX_FINISHED // _SLICES
        return [each for s in slices for each in _finished_since(view, now, s, limit)], True
    for lookback_s in _LATE_S:
        longer = _finished_since(view, now, lookback_s) if len(found) < _FEW else []
        found = longer if len(found) < len(longer) < MAX_FINISHED else found
    return found, False


def _finished_since(
    view: View, now: datetime, lookback_s: float, limit: int = MAX_FINISHED
) -> list[Document]:
    position = event_feed.position_at(now - timedelta(seconds=lookback_s))
    return view.scan(outbox.EVENTS.name, position, limit)


def _blocked(view: View, records: list[Document]) -> Iterator[tuple[str, str]]:
    """The pending deliveries behind a failure of their own order."""

    @cache
    def failed_events(subject: str, handler: str) -> list[str]:
        where = {"order": subject, "handler": handler, "state": failures.FAILED}
        entries = view.find(failures.FAILURES.name, where, limit=MAX_FAILURES).documents
        return [entry["event"]["id"] for entry in entries]

    for record in records:
        for handler, entry in outbox.deliveries_of(record).items():
            earlier = entry["state"] == PENDING and any(
                event_id < record["id"]
                for event_id in failed_events(record["event"]["subject"], handler)
            )
            if earlier:
                yield record["id"], handler


def _standings(
    record: Document, now: datetime, blocked: frozenset[tuple[str, str]], *, is_paused: bool
) -> Iterator[Standing]:
    event, deliveries = record["event"], outbox.deliveries_of(record)
    first = (API, *_FIRST_STOPS) if event["source"] == _FROM_API else _FIRST_STOPS
    event_age_s = _seconds_between(event["time"], now)
    if not deliveries and (place := _stop(first[: first.index(OUTBOX)], event_age_s)):
        yield Standing(event, "", place, PENDING)
    for handler, entry in deliveries.items():
        replayed_at = _last_replay(entry)
        stops: tuple[str, ...] = _REPLAY_STOPS if replayed_at else first
        age_s = _seconds_between(replayed_at, now) if replayed_at else event_age_s
        if is_paused and entry["state"] == PENDING:
            stops = stops[:-1]  # it has not been at its handler
        if place := _stop(stops, age_s):
            yield Standing(event, handler, place, PENDING, entry["attempts"])
            continue
        state = _state(entry, is_blocked=(record["id"], handler) in blocked)
        next_in_s = _next_in_s(state, entry, now)
        if is_paused and (state == PENDING or next_in_s == 0):
            state, next_in_s = PAUSED, None
        if _has_left(state, age_s - len(stops) * STOP_S, record, entry, now):
            continue
        place, error = _PLACES.get(state, HANDLER), entry.get("error", "")
        yield Standing(event, handler, place, state, entry["attempts"], error, next_in_s)


def _has_left(state: str, shown_s: float, record: Document, entry: Document, now: datetime) -> bool:
    """Whether a delivery has ended so long ago that it is not shown any more."""
    if state not in (outbox.DONE, outbox.DISCARDED) or shown_s <= DONE_S:
        return False
    return _seconds_between(_changed_at(record, entry), now) > DONE_S


def _stop(stops: tuple[str, ...], age_s: float) -> str | None:
    """The place at which a delivery that began so long ago is shown; None when it has passed all.

    Also None for a time in the future: the clock was set back.
    """
    number = age_s // STOP_S
    return stops[int(number)] if 0 <= number < len(stops) else None


def _state(entry: Document, *, is_blocked: bool) -> str:
    """The state of a delivery, with the reason for which a pending one does not run."""
    if entry["state"] != PENDING:
        return str(entry["state"])
    if is_blocked:
        return WAITING
    if "retry_at" in entry:
        return RETRY
    is_replayed = entry.get("log", [{}])[-1].get("action") == "replayed"
    return HELD if "error" in entry and not is_replayed else PENDING


def _next_in_s(state: str, entry: Document, now: datetime) -> int | None:
    if state != RETRY:
        return None
    left_s = -_seconds_between(entry["retry_at"], now)
    return max(ceil(left_s), 0)


def _last_replay(entry: Document) -> str | None:
    replays = [line["at"] for line in entry.get("log", ()) if line["action"] == "replayed"]
    return str(replays[-1]) if replays else None


def _changed_at(record: Document, entry: Document) -> str:
    """The time of the delivery's last attempt, or of its discard."""
    times = (line["at"] for line in entry.get("log", ()))
    return str(max(entry.get("at", record["event"]["time"]), *times, ""))


def _seconds_between(text: str, now: datetime) -> float:
    return (now - clock.parse_time(text)).total_seconds()
