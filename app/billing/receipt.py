"""Receipts as PDF, each made from one payment event.

An event never changes, so a receipt shows the invoice as it was at that payment, and has the same
bytes whenever it is made.
"""

from dataclasses import dataclass
from datetime import tzinfo

from app.events.types import Envelope


@dataclass(frozen=True)
class ReceiptIssuer:
    """The shop as its receipts name it; commas separate the lines of the address.

    Dates on receipts are those of `zone`.
    """

    name: str
    address: str
    zone: tzinfo


def receipt_pdf(issuer: ReceiptIssuer, event: Envelope) -> bytes:
    """The receipt of a payment.captured or payment.refunded event.

    Takes a few milliseconds; with Chinese or Arabic text half a second.
    """
    # importing fpdf2 would double the time that every command takes to start
    from app.billing.receipt_layout import render_receipt

    return render_receipt(issuer, event)
