"""The report of an audit: every difference, how it can be repaired, and what was not compared."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from app.store import Document, View
from app.store.copying import scan_pages


class Repair(Enum):
    """The way in which `flask check --repair` corrects a difference."""

    STOCK = "the product is counted anew from the reservations and the stock ledger"
    SHIPPED = "what was shipped is booked out"
    RESERVATION = "the reservation is made anew"
    INVOICE = "invoice and payments are brought to what the order says; the gateway is asked"
    PAYMENT_STATUS = "the order is brought to what its invoice says"
    DELETION = "the event that the order was deleted is emitted"
    SHIPMENT = "the shipment is brought to what the order says"
    STATUS = "the order is brought to where its shipment is"


class Difference(NamedTuple):
    """A value that does not follow from the others; `repair` is None where a person must act.

    `subject` is the id of the order, or the sku of the product, that the repair acts on.
    """

    what: str
    where: str
    expected: object
    found: object
    repair: Repair | None = None
    subject: str = ""

    def __str__(self) -> str:
        """The difference in one line."""
        return f"{self.what} of {self.where}: expected {self.expected}, found {self.found}"


@dataclass
class AuditReport:
    """All differences, and how many orders and products were compared.

    Orders that could not be compared in full: `in_progress` have a delivery still open,
    `discarded` have one that a person discarded.
    """

    differences: list[Difference] = field(default_factory=list)
    orders: int = 0
    products: int = 0
    in_progress: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)

    def add(self, what: str, where: str, expected: object, found: object) -> None:
        """Add a difference that has no repair."""
        self.differences.append(Difference(what, where, expected, found))

    def add_repeated(self, kind: str, numbers: Counter[int]) -> None:
        """Add a difference for each number that more than one document of this kind has."""
        for number, times in numbers.items():
            if times > 1:
                self.add("number", f"{kind} {number}", f"one {kind}", f"{times} {kind}s")


def documents_of(
    view: View, collection: str, prefetch: Callable[[list[Document]], None] = lambda _page: None
) -> Iterator[Document]:
    """Every document of a collection, by key; `prefetch` has at hand what is read with a page."""
    for page in scan_pages(view, collection):
        prefetch(page)
        yield from page
