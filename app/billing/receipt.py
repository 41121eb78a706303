"""Receipts as PDF, each made from one payment event.

An event changes only when its customer is erased. So a receipt shows the invoice as it was at that
payment, and until then has the same bytes whenever it is made. Only the shipping address is the
order's present one: no event has it.
"""

from app.billing.receipt_issuer import ReceiptIssuer
from app.events.types import Envelope
from app.system.bulkhead import Bulkhead

RENDERING = Bulkhead(1, "Too many receipts are being made at this moment; try again.")
"""One receipt at a time in a process, because it computes all the time."""


def receipt_pdf(issuer: ReceiptIssuer, event: Envelope) -> bytes:
    """The receipt of a payment.captured or payment.refunded event.

    Takes a millisecond or two; with other than Western European text some tens. Raises Unavailable
    when others of this process are made all the time.
    """
    # importing fpdf2 would double the time that every command takes to start
    from app.billing.receipt_layout import render_receipt

    with RENDERING.slot():
        return render_receipt(issuer, event)
