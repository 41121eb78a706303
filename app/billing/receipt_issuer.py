"""The issuer of receipts, as they name it."""

from dataclasses import dataclass
from datetime import tzinfo


@dataclass(frozen=True)
class ReceiptIssuer:
    """The shop as its receipts name it; commas separate the lines of the address.

    Dates on receipts are those of `zone`. Without a `tax_number` they name none.
    """

    name: str
    address: str
    zone: tzinfo
    tax_number: str = ""
