"""What came of a delivery: done, tried again later, held by the breaker, or dead.

The verdict follows from the error, the retry policy and the breaker, and goes on record in the
dispatcher's transaction: for a handler inside the store, the one that its effects are part of.
"""

import logging
import re
from collections.abc import Callable
from traceback import extract_tb
from typing import NamedTuple

from app import clock
from app.events import failures, outbox
from app.events.breaker import Breaker
from app.events.lanes import Lane
from app.events.retry import OUTAGES, RetryPolicy
from app.events.signals import Handler
from app.events.types import Envelope
from app.store import Document, Transaction

log = logging.getLogger(__name__)

LONGEST_TEXT = 500
_BEFORE_AT = re.compile(r"""("[^"\n]{1,64}"|[^\s@<>()\[\]"',;=/]+)@(?=[\w\[])""")
"""The local part of an e-mail address, or the name and password in a URL."""


class Delivery(NamedTuple):
    """One event on its way to one handler, for the `attempt`th time since it was last replayed."""

    lane: Lane
    event: Envelope
    handler: Handler
    attempt: int


def error_of(work: Callable[[], None]) -> BaseException | None:
    """Do `work`; what it raised, or None. Nothing a handler raises may stop other deliveries."""
    try:
        work()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (any error at all goes on record)
        return error
    return None


def put_on_record(
    tx: Transaction,
    record: Document,
    delivery: Delivery,
    error: BaseException | None,
    policy: RetryPolicy,
    breaker: Breaker,
) -> bool:
    """Bring `record`, which the caller stores, and failure.json up to date.

    False, and nothing is changed, when the outcome is on record already: the store may have told
    of trouble after it had kept the transaction.
    """
    handler = delivery.lane.handler
    entry = record["deliveries"][handler]
    if entry["state"] != outbox.PENDING or entry["attempts"] != delivery.attempt - 1:
        return False
    breaker.record(error)
    if error is None:
        outbox.mark_done(entry)
        failures.forget(tx, record["id"], handler)
    elif breaker.is_open and isinstance(error, OUTAGES):
        outbox.mark_held(entry, described(error))
    elif (pause_s := policy.pause_s(error, delivery.attempt)) is not None:
        outbox.mark_retry(entry, described(error), clock.ago(-pause_s))
    else:
        outbox.mark_dead(entry, described(error))
        failures.record(tx, record["event"], handler, described(error))
        log.error("%s gave up on %s: %s%s", *_line(delivery), described(error), place_of(error))
    return True


def described(error: BaseException) -> str:
    """The error as it is kept: kind and first line, without addresses, passwords and paths."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror  # str(error) would name the file with its whole path
    first = next(iter(text.splitlines()), "")
    return f"{type(error).__name__}: {_BEFORE_AT.sub('***@', first)}"[:LONGEST_TEXT]


def place_of(error: BaseException) -> str:
    """Where in the code it was raised, for the log."""
    frames = extract_tb(error.__traceback__, limit=-1)
    return f" ({frames[0].name}, line {frames[0].lineno})" if frames else ""


def _line(delivery: Delivery) -> tuple[str, str]:
    return delivery.lane.handler, f"{delivery.event.type} {delivery.event.id}"
