"""The collection that billing owns; only billing changes its documents."""

from app.store import Collection, IssuedNumber

INVOICES = Collection(
    name="invoices",
    key="order_id",
    issued_numbers=lambda invoice: [
        IssuedNumber("invoice", invoice["order_id"], invoice["invoice_number"]),
        IssuedNumber("order", invoice["order_id"], invoice["order_number"]),
    ],
)
