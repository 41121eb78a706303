"""The issuer of receipts."""

from dataclasses import dataclass
from datetime import tzinfo


@dataclass(frozen=True)
class ReceiptIssuer:
    """The shop as its receipts name it; commas separate the lines of the address.

    Dates on receipts are those of `zone`.
    """

    name: str
    address: str
    zone: tzinfo
