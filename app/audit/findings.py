"""What a check found."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from app.store import Document, View


class Mend(Enum):
    """How `flask check --repair` puts a difference right."""

    STOCK = "the products are counted anew from the reservations and the stock ledger"
    SHIPPED = "what has left is booked out"
    RESERVATION = "the reservation is made anew"
    INVOICE = "invoice and payments are brought to what the order says; the gateway is asked"
    PAYMENT_STATUS = "the order is brought to what its invoice says"
    DELETION = "all are told that the order was deleted"
    SHIPMENT = "the shipment is brought to what the order says"
    STATUS = "the order is brought to where its shipment is"


class Difference(NamedTuple):
    """Something that is not as it should be; `mend` says how it can be put right, if at all."""

    what: str
    where: str
    expected: object
    found: object
    mend: Mend | None = None
    order_id: str = ""

    def __str__(self) -> str:
        """The difference in one line."""
        return f"{self.what} of {self.where}: expected {self.expected}, found {self.found}"


@dataclass
class Findings:
    """All differences, what was looked at, and what could not be judged.

    `on_their_way`: orders with a delivery still open; `given_up`: orders with a discarded one.
    """

    differences: list[Difference] = field(default_factory=list)
    orders: int = 0
    products: int = 0
    on_their_way: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)

    def differ(
        self,
        what: str,
        where: str,
        expected: object,
        found: object,
        mend: Mend | None = None,
        order_id: str = "",
    ) -> None:
        """Note a difference."""
        self.differences.append(Difference(what, where, expected, found, mend, order_id))


def document_of(view: View, collection: str, key: str) -> Document:
    """The document under a key that the same view has just named."""
    document = view.get(collection, key)
    if document is None:
        raise LookupError(f"{key} of {collection} went away inside a view")
    return document
