"""How far the handlers are with an order: what they have not done yet cannot be compared."""

from app.audit.report import AuditReport
from app.events import outbox
from app.store import View


def deliveries_of(view: View, order_id: str) -> dict[str, str]:
    """The state of an order's deliveries by handler: pending, discarded or done.

    A handler's deliveries count as pending while one of them is open.
    """
    states: dict[str, str] = {}
    for record in outbox.timeline(view, order_id):
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] not in (outbox.DONE, outbox.DISCARDED):
                states[handler] = outbox.PENDING
            elif states.get(handler) != outbox.PENDING:
                states[handler] = delivery["state"]
    return states


def handlers_are_done(
    report: AuditReport, order_id: str, deliveries: dict[str, str], *handlers: str
) -> bool:
    """Whether these handlers have done all deliveries of the order; reports it when they have not.

    Only then do their documents follow from the order.
    """
    found = {deliveries.get(handler) for handler in handlers}
    if outbox.PENDING in found:
        report.in_progress.add(order_id)
    elif outbox.DISCARDED in found:
        report.discarded.add(order_id)
    return not found & {outbox.PENDING, outbox.DISCARDED}
