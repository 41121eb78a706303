"""Fault switches: make a handler fail, refuse, be down or be slow, so a class sees what follows.

A switch is a document in `faults`, one for each handler, so every process obeys it at once:
{handler, mode, times (None: for ever), delay_s, order (its id or number; None: every order)}.
They work only where DAYBOOK_FAULTS=on.
"""

from marshmallow import fields

from app.events.dispatch.retry import FaultInjected
from app.events.types import Envelope
from app.kernel.errors import DaybookError, Invalid, Problem, Unavailable
from app.schema.fields import Choice, Integer
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Store, Transaction, View

FAIL, REJECT, DOWN, SLOW = "fail", "reject", "down", "slow"
MODES = {
    FAIL: "fails in a way that can pass: retried, then parked",
    REJECT: "fails in a way that cannot pass: parked at once",
    DOWN: "its peer is down: retried, and the circuit breaker opens",
    SLOW: "starts only after delay_s seconds",
}

FAULTS = Collection(
    name="faults",
    key="handler",
    listed=True,
    check=stored_document_check(
        mode=Choice(*MODES, required=True),
        times=Integer(minimum=1, maximum=1_000_000, required=True, allow_none=True),
        delay_s=Integer(minimum=1, maximum=60, required=True),
        order=fields.String(required=True, allow_none=True),
    ),
)


def slowness_s(view: View, handler: str, event: Envelope) -> float:
    """How long the delivery shall be held up, in seconds."""
    fault = _fault(view, handler, event)
    return float(fault["delay_s"]) if fault and fault["mode"] == SLOW else 0.0


def inject_fault(tx: Transaction, handler: str, event: Envelope) -> None:
    """Raise what the switch for this handler demands, and count it down; nothing when it is off."""
    fault = _fault(tx, handler, event)
    if fault is None or fault["mode"] == SLOW:
        return
    if fault["times"] is not None:
        _count_down(tx, fault)
    text = f"a fault switch is on for {handler} ({fault['mode']})"
    if fault["mode"] == REJECT:
        raise Invalid([Problem("", text)])
    raise Unavailable(text) if fault["mode"] == DOWN else FaultInjected(text)


def inject_fault_in_transaction(store: Store, handler: str, event: Envelope) -> None:
    """As `strike`, for a handler that has no transaction of its own."""
    with store.read() as view:
        if _fault(view, handler, event) is None:
            return
    struck: DaybookError | None = None
    with store.transaction() as tx:
        try:
            inject_fault(tx, handler, event)
        except DaybookError as error:  # counted down durably first, raised after
            struck = error
    if struck:
        raise struck


def _fault(view: View, handler: str, event: Envelope) -> Document | None:
    fault = view.get(FAULTS.name, handler)
    if fault is None or fault["order"] not in (None, *event.names):
        return None
    return fault


def _count_down(tx: Transaction, fault: Document) -> None:
    if fault["times"] > 1:
        tx.put(FAULTS.name, fault | {"times": fault["times"] - 1})
    else:
        tx.delete(FAULTS.name, fault["handler"])
