"""Whether an order can be judged yet by what a handler did."""

from app.audit.findings import Findings
from app.events import outbox
from app.store import View


def deliveries_of(view: View, order_id: str) -> dict[str, str]:
    """By handler, how far it is with the order's events: open, discarded or done."""
    progress: dict[str, str] = {}
    for record in outbox.timeline(view, order_id):
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] not in (outbox.DONE, outbox.DISCARDED):
                progress[handler] = outbox.PENDING
            elif progress.get(handler) != outbox.PENDING:
                progress[handler] = delivery["state"]
    return progress


def are_through(
    findings: Findings, order_id: str, deliveries: dict[str, str], *handlers: str
) -> bool:
    """Whether the order can be judged by what these handlers did; notes it when it cannot."""
    found = {deliveries.get(handler) for handler in handlers}
    if outbox.PENDING in found:
        findings.on_their_way.add(order_id)
    elif outbox.DISCARDED in found:
        findings.given_up.add(order_id)
    return not found & {outbox.PENDING, outbox.DISCARDED}
