"""What changed in the kept documents from one version of Daybook to the next, in one place.

A new field that code relies on gets a step at the end of `STEPS`: a function from a document as it
was to one as it is now, for each collection concerned. Steps that were released never change.
app/store/files/tools/migrate.py applies them at the start, and keeps a copy of what was there
before.
"""

from app.orders.service import new_link
from app.store import Document
from app.store.files.tools.migrate import Step


def not_archived(product: Document) -> Document:
    """Products could not be archived: none is."""
    return {"archived": False, **product}


def with_link(order: Document) -> Document:
    """Customers could not look at their order: from now on their mails lead there."""
    return order if "link" in order else order | {"link": new_link(order["number"])}


STEPS: tuple[Step, ...] = ({"products": not_archived, "orders": with_link},)
"""STEPS[n] leads from version n of the documents to version n + 1."""

SCHEMA = len(STEPS)
"""The version of the documents that this Daybook writes."""
