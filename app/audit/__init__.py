"""Audits the shop for `flask check`: recomputes what follows from the orders and compares.

`recompute` changes nothing; repair.py brings stock, invoices and shipments to what the orders say.
"""

from app.audit.events import check_events, check_failures
from app.audit.orders import check_orders
from app.audit.report import AuditReport
from app.audit.stock import check_pictures, check_products
from app.inventory.pictures import Pictures
from app.store import View

_CHECKS = (check_orders, check_products, check_events, check_failures)


def recompute(view: View, pictures: Pictures | None = None) -> AuditReport:
    """Compare everything in the store, and the `pictures` of its products; reads all of it."""
    report = AuditReport()
    for check in _CHECKS:
        check(view, report)
    if pictures:
        check_pictures(view, report, pictures)
    return report
