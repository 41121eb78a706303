"""The outcome of a delivery attempt: done, retry, held by the circuit breaker, or dead.

`decide` derives it from the error, the retry policy and the breaker. `record_outcome` writes it to
the outbox and to failure.json, in the dispatcher's transaction; for a transactional handler that is
the transaction that holds the handler's own changes.
"""

import logging
import re
from collections.abc import Mapping
from traceback import extract_tb
from types import MappingProxyType
from typing import NamedTuple

from app.events import failures, outbox
from app.events.dispatch.delivery import Delivery
from app.events.dispatch.retry import OUTAGES
from app.events.dispatch.scheduling.breaker import Breaker
from app.events.registry import Refused, Skipped
from app.events.subscribers import Retries
from app.kernel import clock
from app.store import Document, Transaction
from app.system.os_errors import cause_of

log = logging.getLogger(__name__)

DONE, DISCARDED, RETRY, HELD, DEAD = "done", "discarded", "retry", "held", "dead"

MAX_ERROR_CHARS = 500
_NAME = r"""[^\s@<>()\[\]"',;=/]"""
_BEFORE_AT = re.compile(rf"""("[^"\n]{{1,64}}"|(?<!{_NAME}){_NAME}++)@(?=[\w\[])""")
"""The local part of an e-mail address, or the name and password in a URL.

A name is tried from its first character only: otherwise a long text without @ takes n² steps.
"""


class Outcome(NamedTuple):
    """The end of an attempt. `kind` is done, discarded, retry, held or dead.

    `error` is the text to store, `retry_in_s` the wait before the next attempt, `location` where
    the error was raised (for the log), `note` why the handler had nothing to do, or why its peer
    refused the event. `details` are for the delivery's log.
    """

    kind: str
    error: str = ""
    note: str = ""
    retry_in_s: float = 0.0
    location: str = ""
    details: Mapping[str, object] = MappingProxyType({})


def decide(
    error: BaseException | None,
    attempt: int,
    policy: Retries,
    breaker: Breaker,
    *,
    reached_peer: bool = True,
) -> Outcome:
    """The outcome of attempt number `attempt`, which ended with `error`. Updates the breaker.

    Without `reached_peer` the handler ended before it called its peer, so only an outage counts
    for the breaker: a mail that need not be sent does not show that the mail server is back.
    """
    if reached_peer or isinstance(error, OUTAGES):
        breaker.record(error)
    else:
        breaker.cancel_probe()
    if error is None:
        return Outcome(DONE)
    if isinstance(error, Skipped):
        return Outcome(DISCARDED if isinstance(error, Refused) else DONE, note=str(error))
    text = describe_error(error)
    if breaker.is_open and isinstance(error, OUTAGES) and not policy.counts_outages:
        return Outcome(HELD, text)
    wait_s = policy.wait_s(error, attempt)
    if wait_s is None:
        return Outcome(DEAD, text, location=location_of(error))
    return Outcome(RETRY, text, retry_in_s=wait_s)


def record_outcome(tx: Transaction, record: Document, delivery: Delivery, outcome: Outcome) -> None:
    """Update the event's outbox record (the caller saves it) and failure.json."""
    handler = delivery.partition.handler
    entry = record["deliveries"][handler]
    if outcome.kind in (DONE, DISCARDED):
        mark_ended = outbox.mark_done if outcome.kind == DONE else outbox.mark_refused
        mark_ended(entry, outcome.note, **outcome.details)
        if delivery.attempt > 1:  # before the first attempt nothing can have failed
            failures.delete_entry(tx, record["id"], handler)
    elif outcome.kind == HELD:
        outbox.mark_held_by_breaker(entry, outcome.error)
    elif outcome.kind == RETRY:
        retry_at = clock.ago(-outcome.retry_in_s)
        outbox.mark_retry(entry, outcome.error, retry_at, **outcome.details)
    else:
        outbox.mark_dead(entry, outcome.error, **outcome.details)
        failures.put_entry(tx, record["event"], handler, outcome.error)


def log_outcome(delivery: Delivery, outcome: Outcome) -> None:
    """Log a delivery that was given up. Called once the outcome is durable."""
    if outcome.kind == DEAD:
        handler, event = delivery.partition.handler, f"{delivery.event.type} {delivery.event.id}"
        log.error("%s gave up on %s: %s%s", handler, event, outcome.error, outcome.location)


def describe_error(error: BaseException) -> str:
    """The error as text to store: its type and first line, without addresses, passwords, paths."""
    text = str(error)
    if isinstance(error, OSError):
        text = cause_of(error)  # str(error) would have the whole path of the file
    first = next(iter(text.splitlines()), "")
    return f"{type(error).__name__}: {mask_addresses(first)}"[:MAX_ERROR_CHARS]


def mask_addresses(text: str) -> str:
    """`text` without the local parts of mail addresses, and without passwords in URLs."""
    return _BEFORE_AT.sub("***@", text)


def location_of(error: BaseException) -> str:
    """The function and line that raised the error, for the log."""
    frames = extract_tb(error.__traceback__, limit=-1)
    return f" ({frames[0].name}, line {frames[0].lineno})" if frames else ""
