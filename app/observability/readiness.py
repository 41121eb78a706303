"""Readiness checks: whether this process can work now. They write nothing to a sound disk."""

from collections.abc import Callable
from time import time
from typing import NamedTuple

from app.kernel.errors import DaybookError, Unavailable
from app.observability.metrics import Heartbeat
from app.store import Store


class NotReady(Unavailable):
    """A check has failed; the problem's member `checks` lists all of them."""


class Check(NamedTuple):
    """The result of one check; `detail` says what is wrong."""

    name: str
    ok: bool
    detail: str = ""


def run_checks(
    store: Store, heartbeat: Callable[[], Heartbeat | None], max_delay_s: float
) -> list[Check]:
    """Run the three checks. Raises nothing."""
    return [
        _run("store", store.refuse_unwritable),
        _run("leader", lambda: _refuse_leaderless(store)),
        _run("delay", lambda: _refuse_late(heartbeat(), max_delay_s)),
    ]


def refuse_unready(results: list[Check]) -> None:
    """Raise NotReady when a check has failed."""
    if failed := [each.detail for each in results if not each.ok]:
        raise NotReady(" ".join(failed), checks=[each._asdict() for each in results])


def _run(name: str, check: Callable[[], None]) -> Check:
    try:
        check()
    except DaybookError as error:
        return Check(name, ok=False, detail=str(error))
    return Check(name, ok=True)


def _refuse_leaderless(store: Store) -> None:
    if not store.are_shards_leased():
        raise Unavailable("There are events that no process delivers.")


def _refuse_late(heartbeat: Heartbeat | None, max_delay_s: float) -> None:
    """Raise Unavailable for a late delivery; the time since the last heartbeat counts as delay.

    The time until it counts as well: if the clock was ahead then, it may have been long ago.
    """
    if heartbeat is None:
        return
    delay_s = heartbeat.due_s + abs(time() - heartbeat.seen)
    if delay_s > max_delay_s:
        raise Unavailable(
            f"The oldest delivery that could run has waited for {delay_s:.0f} s; "
            f"DAYBOOK_READY_DELAY_S allows {max_delay_s:g}."
        )
