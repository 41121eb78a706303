"""Slow motion: pauses all deliveries, or slows them down, while somebody watches.

The pace is one document among the fault switches, so every process sees it at once; like them it
works only where DAYBOOK_FAULTS=on. It is a lease: it ends LEASE_S after its last renewal, which the
open page of an operator sends. While deliveries are paused, `release_next` lets one of them run.
"""

from collections.abc import Iterator
from itertools import chain

from app.events import outbox
from app.events.faults import EVERY_HANDLER, FAULTS, PAUSE, SLOW
from app.kernel import clock
from app.store import Document, Transaction, View

LEASE_S = 10.0
POLL_S = 0.2
"""How often the delivery loop asks whether a paused delivery may run."""

MAX_READ = 100
"""The oldest events of each outbox, among which `release_next` looks for a delivery."""


def current_pace(view: View) -> Document | None:
    """The pace in force; None without one, and when its lease has ended."""
    pace = view.get(FAULTS.name, EVERY_HANDLER)
    # an end further ahead was written while the clock was wrong
    is_in_force = pace is not None and clock.now() < pace["until"] <= _lease_end()
    return pace if is_in_force else None


def pause(tx: Transaction) -> None:
    """Pause every delivery that has not begun, until it is released or the lease ends."""
    _put(tx, mode=PAUSE)


def slow_down(tx: Transaction, delay_s: int) -> None:
    """Have each delivery begin `delay_s` seconds late, until the lease ends."""
    _put(tx, mode=SLOW, delay_s=delay_s)


def renew(tx: Transaction) -> bool:
    """Begin the lease anew; false when it has ended, which a renewal does not undo."""
    pace = current_pace(tx)
    if pace:
        tx.put(FAULTS.name, pace | {"until": _lease_end()})
    return pace is not None


def end_pace(tx: Transaction) -> None:
    """Let everything run at its own speed."""
    tx.delete(FAULTS.name, EVERY_HANDLER)


def release_next(tx: Transaction) -> bool:
    """Let the oldest paused delivery run, and renew the lease; false when none is paused."""
    pace = current_pace(tx)
    if pace is None or pace["mode"] != PAUSE:
        return False
    key = next((key for key in _deliverable(tx) if key not in pace["released"]), None)
    released = [*pace["released"], *([key] if key else [])]
    tx.put(FAULTS.name, pace | {"until": _lease_end(), "released": released})
    return key is not None


def may_run(tx: Transaction, event_id: str, handler: str) -> bool:
    """Whether a delivery is not paused. Uses its release up, and deletes a pace that has ended."""
    pace = current_pace(tx)
    if pace is None:
        end_pace(tx)
        return True
    key = _key(event_id, handler)
    if pace["mode"] != PAUSE:
        return True
    if key not in pace["released"]:
        return False
    tx.put(FAULTS.name, pace | {"released": [each for each in pace["released"] if each != key]})
    return True


def delay_s(view: View) -> float:
    """Seconds by which the pace delays each delivery; 0 without one."""
    pace = current_pace(view)
    return float(pace["delay_s"]) if pace and pace["mode"] == SLOW else 0.0


def _put(tx: Transaction, *, mode: str, delay_s: int = 1) -> None:
    switch = {"handler": EVERY_HANDLER, "mode": mode, "times": None, "delay_s": delay_s}
    lease: Document = {"order": None, "until": _lease_end(), "released": []}
    tx.put(FAULTS.name, switch | lease)


def _lease_end() -> str:
    return clock.ago(-LEASE_S)


def _deliverable(view: View) -> Iterator[str]:
    """The deliveries that would run now if nothing was paused, oldest event first."""
    seen: set[tuple[str, str]] = set()
    pages = (view.find(name, limit=MAX_READ).documents for name in outbox.OUTBOXES)
    for record in chain.from_iterable(pages):
        for handler, delivery in record["deliveries"].items():
            partition = record["event"]["subject"], handler
            if delivery["state"] not in outbox.OPEN or partition in seen:
                continue
            seen.add(partition)
            if delivery["state"] == outbox.PENDING and delivery.get("retry_at", "") <= clock.now():
                yield _key(record["id"], handler)


def _key(event_id: str, handler: str) -> str:
    return f"{event_id}:{handler}"
