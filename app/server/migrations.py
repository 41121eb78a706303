"""The migrations of stored documents from one version of Daybook to the next, all in one place.

A new field that code relies on gets a migration at the end of `MIGRATIONS`: for each collection
concerned, a function from a document as it was to one as it is now. Released migrations never
change. app/store/files/tools/migrate.py applies them at the start, and keeps a copy of what was
there before.
"""

from app.orders.service import new_link
from app.store import Document
from app.store.files.tools.migrate import Migration


def add_archived(product: Document) -> Document:
    """Add `archived`: no older product is."""
    return {"archived": False, **product}


def add_link(order: Document) -> Document:
    """Add `link`, the secret part of the address of the customer's page for the order."""
    return order if "link" in order else order | {"link": new_link(order["number"])}


MIGRATIONS: tuple[Migration, ...] = (
    {"products": add_archived, "orders": add_link},
    {},  # a record of the outbox may have `subscribers`, which an older Daybook would not send
)
"""MIGRATIONS[n] leads from version n of the documents to version n + 1."""

SCHEMA = len(MIGRATIONS)
"""The version of the documents that this Daybook writes."""
