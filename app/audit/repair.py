"""Repairs differences: brings stock, invoices, payments and shipments to what the orders say.

It calls the services' own functions, in transactions, so `flask check --repair` may run while the
shop is open: each transaction is short, and touches only what is wrong. The wrong products are
counted first, from the reservations and the stock ledger as they are: booking out and new
reservations then start from true numbers. Inventory emits its events as
always, so an order may become confirmed or backordered. The gateway is asked under the keys that
billing would use, so it repeats the responses that it gave before.
"""

from collections.abc import Callable, Iterable
from functools import partial

from app.audit.report import Difference, Repair
from app.billing import service as billing
from app.billing.gateway import PaymentGateway, Response
from app.inventory import repair as inventory
from app.inventory.reservations import deduct_shipment
from app.orders import service as orders
from app.shipping import service as shipping
from app.shipping.documents import SHIPMENTS
from app.shipping.service import ShippingPolicy
from app.store import Store, Transaction
from app.store.copying import document_of

ORDERS_PER_TRANSACTION = 50


def repair(
    store: Store, differences: Iterable[Difference], gateway: PaymentGateway, rules: ShippingPolicy
) -> None:
    """Repair the differences that have a repair; durable on return.

    Raises what Store.run_in_transaction does, and Unavailable when the gateway cannot be reached.
    """
    subjects: dict[Repair, dict[str, None]] = {kind: {} for kind in Repair}
    for each in differences:
        if each.repair:
            subjects[each.repair][each.subject] = None
    for sku in subjects[Repair.STOCK]:
        inventory.rebuild_product(store, sku)
    for order_id in subjects[Repair.INVOICE]:
        _settle(store, order_id, gateway)
    acts: dict[Repair, Callable[[Transaction, str], None]] = {
        Repair.SHIPPED: _book_out,
        Repair.DELETION: orders.emit_missing_deletion,
        Repair.RESERVATION: inventory.rebuild_reservation,
        Repair.PAYMENT_STATUS: orders.apply_invoice,
        Repair.STATUS: orders.apply_shipment,
        Repair.SHIPMENT: partial(shipping.reconcile_shipment, policy=rules),
    }
    for kind, act in acts.items():
        ids = list(subjects[kind])
        for start in range(0, len(ids), ORDERS_PER_TRANSACTION):
            batch = ids[start : start + ORDERS_PER_TRANSACTION]
            store.run_in_transaction(partial(_repair_orders, act=act, order_ids=batch))


def _repair_orders(
    tx: Transaction, act: Callable[[Transaction, str], None], order_ids: Iterable[str]
) -> None:
    for order_id in order_ids:
        act(tx, order_id)


def _book_out(tx: Transaction, order_id: str) -> None:
    deduct_shipment(tx, order_id, document_of(tx, SHIPMENTS.name, order_id))


def _settle(store: Store, order_id: str, gateway: PaymentGateway) -> None:
    """Ask the gateway and process its response until nothing is due, as billing's handler does."""
    response: Response | None = None
    while True:
        request = store.run_in_transaction(
            partial(billing.reconcile_invoice, order_id=order_id, response=response)
        )
        if request is None:
            return
        response = gateway.submit(request)
