"""The collections that billing owns; only billing changes their documents."""

from marshmallow import fields

from app.schema.validation import stored_document_check
from app.store import Collection, IssuedNumber
from app.store.long_list import LongList

INVOICES = Collection(
    name="invoices",
    key="order_id",
    issued_numbers=lambda invoice: [
        IssuedNumber("invoice", invoice["order_id"], invoice["invoice_number"]),
        IssuedNumber("order", invoice["order_id"], invoice["order_number"]),
    ],
)

INVOICE_HISTORY = Collection(
    name="invoice_history",
    key="page",
    check=stored_document_check(entries=fields.List(fields.Dict(), required=True)),
)

HISTORY = LongList(INVOICES.key, "history", INVOICE_HISTORY)
"""The history of an invoice; its earlier lines are in INVOICE_HISTORY."""
