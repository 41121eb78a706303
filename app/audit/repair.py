"""`flask check --repair`: stock, invoices, payments and shipments are brought to the orders.

The services' own functions do it, in transactions, so it may run while the shop is open. First the
products are counted from the reservations and the stock ledger as they are; then what has left is
booked out, and a reservation that is made anew finds true numbers. Inventory tells orders as
always, so an order may be confirmed, or have to wait. The gateway is asked under the keys that
billing would use: it repeats what it has done already.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from app.audit.findings import Difference, Mend, document_of
from app.billing import service as billing
from app.billing.gateway import Answer, PaymentGateway
from app.inventory import repair as inventory
from app.inventory.reservations import deduct_shipment
from app.orders import service as orders
from app.shipping import service as shipping
from app.shipping.documents import SHIPMENTS
from app.store import Store, Transaction

ORDERS_PER_TRANSACTION = 50


def _book_out(tx: Transaction, order_id: str) -> None:
    deduct_shipment(tx, order_id, document_of(tx, SHIPMENTS.name, order_id))


_BY_ORDER: Mapping[Mend, Callable[[Transaction, str], None]] = {
    Mend.SHIPPED: _book_out,
    Mend.DELETION: orders.emit_missing_deletion,
    Mend.RESERVATION: inventory.rebuild_reservation,
    Mend.PAYMENT_STATUS: orders.apply_invoice,
    Mend.STATUS: orders.apply_shipment,
}


def mend(
    store: Store,
    differences: Iterable[Difference],
    gateway: PaymentGateway,
    rules: shipping.ShippingPolicy,
) -> None:
    """Put right what can be; durable on return.

    Raises what Store.transaction does, and Unavailable when the gateway cannot be had.
    """
    mendable = [each for each in differences if each.mend]
    if any(each.mend in (Mend.STOCK, Mend.SHIPPED, Mend.RESERVATION) for each in mendable):
        with store.transaction() as tx:
            inventory.rebuild_products(tx)
    for order_id in _orders_of(mendable, Mend.INVOICE):
        _settle(store, order_id, gateway)
    for kind, act in _BY_ORDER.items():
        _mend_orders(store, _orders_of(mendable, kind), act)
    remake = partial(shipping.reconcile_shipment, policy=rules)
    _mend_orders(store, _orders_of(mendable, Mend.SHIPMENT), remake)


def _orders_of(mendable: list[Difference], kind: Mend) -> list[str]:
    return list(dict.fromkeys(each.order_id for each in mendable if each.mend is kind))


def _mend_orders(
    store: Store, order_ids: list[str], act: Callable[[Transaction, str], None]
) -> None:
    for start in range(0, len(order_ids), ORDERS_PER_TRANSACTION):
        with store.transaction() as tx:
            for order_id in order_ids[start : start + ORDERS_PER_TRANSACTION]:
                act(tx, order_id)


def _settle(store: Store, order_id: str, gateway: PaymentGateway) -> None:
    """As billing's handler does: ask, and take in the answer, until nothing is left to ask."""
    answer: Answer | None = None
    while True:
        with store.transaction() as tx:
            question = billing.reconcile_invoice(tx, order_id, answer)
        if question is None:
            return
        answer = gateway.submit(question)
