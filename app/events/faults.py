"""Fault switches: make a handler fail, refuse, be down or be slow, to show what follows.

A switch is a document in `faults`, at most one for each handler or group of subscribers, so every
process sees it at once:
{handler, mode, times (null: no limit), delay_s, order (id or number; null: every order)}.
They work only where DAYBOOK_FAULTS=on.
"""

from marshmallow import fields

from app.events.subscriptions import group_of
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

EVERY_HANDLER = "*"
"""The key of the pace (pace.py), which is stored among the switches; no handler has this name."""

PAUSE = "hold"
"""The mode of a pace that lets no delivery begin; its text is that of the first version."""

FAULTS = Collection(
    name="faults",
    key="handler",
    listed=True,
    check=stored_document_check(
        mode=Choice(*MODES, PAUSE, required=True),
        times=Integer(minimum=1, maximum=1_000_000, required=True, allow_none=True),
        delay_s=Integer(minimum=1, maximum=60, required=True),
        order=fields.String(required=True, allow_none=True),
    ),
)


class FaultInjected(DaybookError):
    """A fault switch made the handler fail. Transient, and not an outage."""


def find_switches(view: View) -> list[Document]:
    """The switches that are set, by handler; without the pace."""
    switches = view.find(FAULTS.name).documents
    return [switch for switch in switches if switch["handler"] != EVERY_HANDLER]


def injected_delay_s(view: View, handler: str, event: Envelope) -> float:
    """Seconds by which a switch delays this delivery; 0 without one."""
    fault = _fault(view, handler, event)
    return float(fault["delay_s"]) if fault and fault["mode"] == SLOW else 0.0


def inject_fault(tx: Transaction, handler: str, event: Envelope) -> None:
    """Count the handler's switch down and raise its error; do nothing when none is set.

    Raises FaultInjected, Invalid or Unavailable, by the mode of the switch.
    """
    if error := _count_down(tx, handler, event):
        raise error


def inject_fault_outside(store: Store, handler: str, event: Envelope) -> None:
    """As `inject_fault`, in a transaction of its own, which is durable before the error is raised.

    Without a switch it only reads.
    """
    with store.read() as view:
        if _fault(view, handler, event) is None:
            return
    if error := store.run_in_transaction(lambda tx: _count_down(tx, handler, event)):
        raise error


def _count_down(tx: Transaction, handler: str, event: Envelope) -> DaybookError | None:
    """The error that a switch demands now, after it was counted down; None without one."""
    fault = _fault(tx, handler, event)
    if fault is None or fault["mode"] == SLOW:
        return None
    if fault["times"] == 1:
        tx.delete(FAULTS.name, fault["handler"])
    elif fault["times"] is not None:
        tx.put(FAULTS.name, fault | {"times": fault["times"] - 1})
    text = f"a fault switch is on for {handler} ({fault['mode']})"
    if fault["mode"] == REJECT:
        return Invalid([Problem("", text)])
    return Unavailable(text) if fault["mode"] == DOWN else FaultInjected(text)


def _fault(view: View, handler: str, event: Envelope) -> Document | None:
    fault = view.get(FAULTS.name, group_of(handler))
    if fault is None or fault["order"] not in (None, *event.order_keys):
        return None
    return fault
