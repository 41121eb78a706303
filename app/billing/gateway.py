"""The protocol of payment gateways, with its requests and responses.

app/billing/simulator.py implements it; another gateway takes its place in `payment_gateway` there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class Charge:
    """Take money. `amount` is a decimal text above zero; `method` names the card or account."""

    key: str
    amount: str
    currency: str
    method: str


@dataclass(frozen=True)
class Refund:
    """Give back money, at most what is left of the charge with the gateway's `reference`."""

    key: str
    amount: str
    currency: str
    reference: str


class Response(NamedTuple):
    """The gateway's response to the request with that key.

    `reference` is the gateway's own id. `declined` is the reason of a decline, or empty.
    """

    key: str
    reference: str
    declined: str = ""


class PaymentGateway(Protocol):
    """A payment gateway with idempotent requests.

    A charge takes the money at once; there is no authorisation to capture or void later.
    """

    cards: Mapping[str, str]
    """The shop's title of each payment method by card that the gateway takes."""

    def submit(self, request: Charge | Refund) -> Response:
        """Carry out or decline a request.

        A request may be repeated with the same key: it is not carried out again, and gets the first
        response. Raises Unavailable when no response came (the outcome is then unknown), Conflict
        for another request with a known key.
        """

    def close(self) -> None:
        """Release connections and files; a later request opens them again."""
