"""The kind of handler that a subscriber has: a side effect, with retries and records of its own."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Protocol

from app.events.registry import SideEffectHandler
from app.events.types import Envelope
from app.store import Document, Transaction


class Retries(Protocol):
    """Decides whether a failed attempt is repeated, and when."""

    @property
    def counts_outages(self) -> bool:
        """Whether an attempt counts that met an outage while the circuit breaker is open."""

    def wait_s(self, error: BaseException, attempt: int) -> float | None:
        """Seconds to wait after the attempt numbered `attempt` (from 1) failed with `error`.

        None when there is no further attempt.
        """


@dataclass(frozen=True)
class SubscriberHandler(SideEffectHandler):
    """A side-effect handler of another system, with retries of its own.

    `record(tx, event, value, error)` gets what `run` returned or raised, in the transaction of the
    outcome. It returns what the delivery's log says of the attempt besides, and the error with
    which the attempt ended: Skipped when the subscriber takes no events any more.
    """

    _: KW_ONLY
    retries: Retries
    record: Callable[
        [Transaction, Envelope, Any, BaseException | None], tuple[Document, BaseException | None]
    ]
