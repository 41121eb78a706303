"""The payment gateway: what billing asks of it, and what it answers.

`PaymentGateway` is the protocol; app/billing/simulator.py is the one that this shop has, and its
`gateway` the place where another one is put.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class Charge:
    """Take money. `amount` is a decimal text above zero; `method` says whose card or account."""

    key: str
    amount: str
    currency: str
    method: str


@dataclass(frozen=True)
class Refund:
    """Give back money, at most what the charge with the gateway's `reference` still holds."""

    key: str
    amount: str
    currency: str
    reference: str


class Answer(NamedTuple):
    """What the gateway did about the request with that key.

    `reference` is the gateway's own name for it. `declined` says why not, and is empty otherwise.
    """

    key: str
    reference: str
    declined: str = ""


class PaymentGateway(Protocol):
    """A charge takes the money at once, so there is nothing to authorise first or to void later:
    what an order does not want any more is refunded.

    Each method raises Unavailable when no answer came: perhaps it was done, perhaps not.

    To ask again with the same key is safe: what was done once is not done again, and the first
    answer is repeated. The same key with another request raises Conflict.
    """

    def charge(self, wanted: Charge) -> Answer:
        """Take money, or decline."""

    def refund(self, wanted: Refund) -> Answer:
        """Give money back."""


def ask(gateway: PaymentGateway, question: Charge | Refund) -> Answer:
    """Ask the gateway for either. Raises what its methods raise."""
    if isinstance(question, Charge):
        return gateway.charge(question)
    return gateway.refund(question)
