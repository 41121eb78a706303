"""The receipt: a PDF made from a payment event, the same bytes whenever it is asked for.

An event never changes, so a receipt shows the invoice as it was when that payment was made.
"""

from dataclasses import dataclass
from datetime import tzinfo

from app.events.types import Envelope


@dataclass(frozen=True)
class Shop:
    """Who gives the receipt. Lines of the address are separated by commas; times are in `zone`."""

    name: str
    address: str
    zone: tzinfo


def receipt_pdf(shop: Shop, event: Envelope) -> bytes:
    """The receipt that belongs to a payment.captured or payment.refunded event.

    It takes a few milliseconds, with Chinese or Arabic half a second.
    """
    # half of the time that a command takes to start would go into importing fpdf2
    from app.billing.receipt_layout import rendered

    return rendered(shop, event)
