"""`flask check --repair`: stock, invoices and shipments are brought to what the orders say.

The services' own functions do it, in transactions, so it may run while the shop is open. First the
products are counted from the reservations and the stock ledger as they are; then what has left is
booked out, and a reservation that is made anew finds true numbers. Inventory tells orders as
always, so an order may be confirmed, or have to wait.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from app.billing import service as billing
from app.checks.findings import Difference, Mend, document_of
from app.inventory import service as inventory
from app.orders.service import follow_shipment, tell_deletion
from app.shipping import service as shipping
from app.shipping.service import SHIPMENTS
from app.store import Store, Transaction

ORDERS_PER_TRANSACTION = 50


def _book_out(tx: Transaction, order_id: str) -> None:
    inventory.take_shipped(tx, order_id, document_of(tx, SHIPMENTS.name, order_id))


_BY_ORDER: Mapping[Mend, Callable[[Transaction, str], None]] = {
    Mend.SHIPPED: _book_out,
    Mend.DELETION: tell_deletion,
    Mend.RESERVATION: inventory.renew,
    Mend.INVOICE: billing.reconcile,
    Mend.SHIPMENT: partial(shipping.reconcile, rules=shipping.Rules()),
    Mend.STATUS: follow_shipment,
}


def mend(store: Store, differences: Iterable[Difference]) -> None:
    """Put right what can be; durable on return. Raises what Store.transaction does."""
    mendable = [each for each in differences if each.mend]
    if any(each.mend in (Mend.STOCK, Mend.SHIPPED, Mend.RESERVATION) for each in mendable):
        with store.transaction() as tx:
            inventory.recount(tx)
    for kind, act in _BY_ORDER.items():
        order_ids = list(dict.fromkeys(each.order_id for each in mendable if each.mend is kind))
        for start in range(0, len(order_ids), ORDERS_PER_TRANSACTION):
            with store.transaction() as tx:
                for order_id in order_ids[start : start + ORDERS_PER_TRANSACTION]:
                    act(tx, order_id)
