"""The comparison of one order, shipment, invoice or product with what its documents should say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.audit.report import AuditReport, Difference, Repair
from app.events import outbox
from app.store import Document


@dataclass(frozen=True)
class Comparison:
    """Adds the differences of one document to the report, which names the document by `where`.

    `subject` is the id of the order, or the sku of the product, that a repair acts on. `deliveries`
    has the state of the order's deliveries by handler; see `delivery_states`.
    """

    report: AuditReport
    where: str
    subject: str = ""
    deliveries: Mapping[str, str] = field(default_factory=dict)

    def add(self, what: str, expected: object, found: object, repair: Repair | None = None) -> None:
        """Add a difference."""
        difference = Difference(what, self.where, expected, found, repair, self.subject)
        self.report.differences.append(difference)

    def compare(
        self, what: str, expected: object, found: object, repair: Repair | None = None
    ) -> bool:
        """Whether both are equal; adds a difference when they are not."""
        if expected != found:
            self.add(what, expected, found, repair)
        return expected == found

    def compare_fields(
        self, names: Iterable[str], expected: Document, found: Document, repair: Repair
    ) -> bool:
        """Whether these fields of two documents are equal; adds a difference for each other one."""
        equal = [self.compare(each, expected[each], found[each], repair) for each in names]
        return all(equal)

    def handlers_are_done(self, *handlers: str) -> bool:
        """Whether these handlers have done all deliveries of the order; reports it when not.

        Only then do their documents follow from the order.
        """
        found = {self.deliveries.get(handler) for handler in handlers}
        if outbox.PENDING in found:
            self.report.in_progress.add(self.subject)
        elif outbox.DISCARDED in found:
            self.report.discarded.add(self.subject)
        return not found & {outbox.PENDING, outbox.DISCARDED}


def delivery_states(records: Iterable[Document]) -> dict[str, str]:
    """The state of an order's deliveries by handler, of the records of its events.

    It is pending, discarded or done. A handler's deliveries count as pending while one is open.
    """
    states: dict[str, str] = {}
    for record in records:
        for handler, delivery in record["deliveries"].items():
            if delivery["state"] not in (outbox.DONE, outbox.DISCARDED):
                states[handler] = outbox.PENDING
            elif states.get(handler) != outbox.PENDING:
                states[handler] = delivery["state"]
    return states
