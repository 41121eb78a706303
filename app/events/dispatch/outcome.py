"""What came of a delivery: done, tried again, held by the breaker, or dead.

`judge` decides, from the error, the retry policy and the breaker; `record_outcome` writes it down
in the dispatcher's transaction: for a handler inside the store, the one that its effects are part
of.
"""

import logging
import re
from collections.abc import Callable
from traceback import extract_tb
from typing import Any, NamedTuple

from app.events import failures, outbox
from app.events.dispatch.breaker import Breaker
from app.events.dispatch.partitions import Partition
from app.events.dispatch.retry import OUTAGES, RetryPolicy
from app.events.outbox import UnitOfWork
from app.events.registry import Handler, Skipped
from app.events.types import Envelope
from app.kernel import clock
from app.kernel.trace import TraceContext
from app.store import Document

log = logging.getLogger(__name__)

DONE, RETRY, HELD, DEAD = "done", "retry", "held", "dead"

LONGEST_TEXT = 500
_BEFORE_AT = re.compile(r"""("[^"\n]{1,64}"|[^\s@<>()\[\]"',;=/]+)@(?=[\w\[])""")
"""The local part of an e-mail address, or the name and password in a URL."""


class Delivery(NamedTuple):
    """One event on its way to one handler, for the `attempt`th time.

    `before_replay` of these attempts came before it was last replayed. `span` is this attempt's
    part in the trace that the event belongs to, if any; it began at `began`, in Unix time.
    """

    partition: Partition
    event: Envelope
    handler: Handler
    attempt: int
    before_replay: int = 0
    span: TraceContext | None = None
    began: float = 0.0

    def is_open(self, record: Document) -> bool:
        """Whether `record`, the event's own, does not tell yet what came of this very attempt.

        It may, when the store reported trouble after it had kept the transaction.
        """
        entry = record["deliveries"][self.partition.handler]
        return bool(entry["state"] == outbox.PENDING and entry["attempts"] == self.attempt - 1)


class Verdict(NamedTuple):
    """What came of an attempt; with the error as it is kept, and the pause before the next one.

    `note` says why nothing was to be done.
    """

    what: str
    error: str = ""
    note: str = ""
    pause_s: float = 0.0
    place: str = ""


class Result(NamedTuple):
    """What some work returned, or else what it raised."""

    answer: Any = None
    error: BaseException | None = None


def result_of(work: Callable[[], Any]) -> Result:
    """Do `work`. Nothing that a handler raises may stop other deliveries."""
    try:
        return Result(work())
    except (Exception, SystemExit) as error:  # noqa: BLE001  (any error at all goes on record)
        return Result(error=error)


def judge(
    error: BaseException | None,
    attempt: int,
    policy: RetryPolicy,
    breaker: Breaker,
    *,
    has_asked: bool = True,
) -> Verdict:
    """The verdict on the attempt of that number, which ended with `error`; the breaker hears it.

    Unless the handler came to its end without having asked its peer (`has_asked`): a mail that
    need not be sent does not show that the mail server is back.
    """
    if has_asked or isinstance(error, OUTAGES):
        breaker.record(error)
    else:
        breaker.end_probe()
    if error is None:
        return Verdict(DONE)
    if isinstance(error, Skipped):
        return Verdict(DONE, note=str(error))
    if breaker.is_open and isinstance(error, OUTAGES):
        return Verdict(HELD, described(error))
    pause_s = policy.pause_s(error, attempt)
    if pause_s is None:
        return Verdict(DEAD, described(error), place=place_of(error))
    return Verdict(RETRY, described(error), pause_s=pause_s)


def record_outcome(
    records: UnitOfWork, record: Document, delivery: Delivery, verdict: Verdict
) -> None:
    """Bring the event's record and failure.json up to date."""
    handler = delivery.partition.handler
    entry = record["deliveries"][handler]
    if verdict.what == DONE:
        outbox.mark_done(entry, verdict.note)
        failures.forget(records.tx, record["id"], handler)
    elif verdict.what == HELD:
        outbox.mark_held(entry, verdict.error)
    elif verdict.what == RETRY:
        outbox.mark_retry(entry, verdict.error, clock.ago(-verdict.pause_s))
    else:
        outbox.mark_dead(entry, verdict.error)
        failures.record(records.tx, record["event"], handler, verdict.error)
        what = f"{delivery.event.type} {record['id']}"
        log.error("%s gave up on %s: %s%s", handler, what, verdict.error, verdict.place)
    records.put(record)


def described(error: BaseException) -> str:
    """The error as it is kept: kind and first line, without addresses, passwords and paths."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror  # str(error) would name the file with its whole path
    first = next(iter(text.splitlines()), "")
    return f"{type(error).__name__}: {masked(first)}"[:LONGEST_TEXT]


def masked(text: str) -> str:
    """`text` without the local parts of mail addresses, and without passwords in URLs."""
    return _BEFORE_AT.sub("***@", text)


def place_of(error: BaseException) -> str:
    """Where in the code it was raised, for the log."""
    frames = extract_tb(error.__traceback__, limit=-1)
    return f" ({frames[0].name}, line {frames[0].lineno})" if frames else ""
