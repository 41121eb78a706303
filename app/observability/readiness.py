"""Whether this process can do its work now: three checks, none of which writes to a sound disk."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import time

from app.kernel.errors import DaybookError, Unavailable
from app.observability.metrics import Heartbeat
from app.store import Store


class NotReady(Unavailable):
    """Some check has failed; the member `checks` tells of all of them."""


@dataclass(frozen=True)
class Check:
    """What one check found; `detail` says what is wrong."""

    name: str
    ok: bool
    detail: str = ""


def checks(
    store: Store, heartbeat: Callable[[], Heartbeat | None], delay_limit_s: float
) -> list[Check]:
    """Look at everything. Raises nothing."""
    return [
        _checked("store", store.refuse_unwritable),
        _checked("leader", lambda: _refuse_leaderless(store)),
        _checked("delay", lambda: _refuse_late(heartbeat(), delay_limit_s)),
    ]


def refuse_unready(found: list[Check]) -> None:
    """Raise NotReady when a check has failed."""
    failed = [each for each in found if not each.ok]
    if failed:
        told = " ".join(each.detail for each in failed)
        raise NotReady(told, checks=[asdict(each) for each in found])


def _checked(name: str, refuse: Callable[[], None]) -> Check:
    try:
        refuse()
    except DaybookError as error:
        return Check(name, ok=False, detail=str(error))
    return Check(name, ok=True)


def _refuse_leaderless(store: Store) -> None:
    if not store.has_leader():
        raise Unavailable("No process delivers events.")


def _refuse_late(heartbeat: Heartbeat | None, limit_s: float) -> None:
    """A dispatcher that is not heard of any more gets later with every second."""
    if heartbeat is None:
        return
    late_s = heartbeat.due_s + max(time() - heartbeat.seen, 0.0)
    if late_s > limit_s:
        raise Unavailable(
            f"The oldest delivery that could run has waited for {late_s:.0f} s; "
            f"DAYBOOK_READY_DELAY_S allows {limit_s:g}."
        )
