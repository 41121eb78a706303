"""Recomputes what follows from the orders and their events, and compares: `flask check`.

`recompute` changes nothing; `mend` (mending.py) brings stock and invoices to what the orders say.
"""

from app.audit.events import of_events, of_failures, of_timelines
from app.audit.findings import Findings
from app.audit.invoices import of_invoices, of_sold_goods
from app.audit.orders import of_orders, of_shipments
from app.audit.stock import of_products, of_reservations, of_shipped_goods
from app.store import View


def recompute(view: View) -> Findings:
    """Compare everything in the store. Costs all of it."""
    findings = Findings()
    of_orders(view, findings)
    of_reservations(view, findings)
    of_products(view, findings)
    of_invoices(view, findings)
    of_sold_goods(view, findings)
    of_shipments(view, findings)
    of_shipped_goods(view, findings)
    of_timelines(view, findings)
    of_events(view, findings)
    of_failures(view, findings)
    return findings
