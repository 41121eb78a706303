"""Reads everything that the shop has under the id of an order, for one order after another.

The collections are scanned side by side, in the order of their keys. So each document is read once,
and memory holds those of a page of orders.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import NamedTuple

from app.audit.report import documents_of
from app.billing.documents import INVOICES
from app.events import outbox
from app.inventory.documents import LEDGER, PRODUCTS, RESERVATIONS
from app.inventory.reservations import ledger_line_id
from app.orders.documents import ORDERS
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import is_sent
from app.store import Collection, Document, View
from app.store.copying import PAGE_SIZE

_COLLECTIONS = (ORDERS, RESERVATIONS, INVOICES, SHIPMENTS, outbox.TIMELINES)


class OrderDocuments(NamedTuple):
    """The documents under the id of an order; None for one that there is not.

    `event_ids` are those of its timeline, and `records` those of its events that exist, both oldest
    first.
    """

    order_id: str
    order: Document | None
    reservation: Document | None
    invoice: Document | None
    shipment: Document | None
    event_ids: list[str]
    records: list[Document]

    @property
    def has_left(self) -> bool:
        """Whether the carrier has the goods; see app.shipping.queries."""
        return is_sent(self.shipment)


def read_orders(view: View) -> Iterator[OrderDocuments]:
    """The documents of every order, deleted ones included, in the order of their ids."""
    keyed = merge(*(_keyed(view, each) for each in _COLLECTIONS), key=itemgetter(0))
    groups = groupby(keyed, itemgetter(0))
    by_order = ((order_id, {name: each for _, name, each in found}) for order_id, found in groups)
    while page := dict(islice(by_order, PAGE_SIZE)):
        timelines = (each.get(outbox.TIMELINES.name, {"events": []}) for each in page.values())
        event_ids = outbox.event_ids(view, list(timelines))
        _prefetch(view, page.values(), event_ids)
        for (order_id, found), ids in zip(page.items(), event_ids, strict=True):
            order, reservation, invoice, shipment, _ = (found.get(n.name) for n in _COLLECTIONS)
            records = list(outbox.read_records(view, ids))
            yield OrderDocuments(order_id, order, reservation, invoice, shipment, ids, records)


def _keyed(view: View, collection: Collection) -> Iterator[tuple[str, str, Document]]:
    """The documents of a collection, each with its key and the name of the collection."""
    for each in documents_of(view, collection.name):
        yield each[collection.key], collection.name, each


def _prefetch(
    view: View, page: Iterable[Mapping[str, Document]], event_ids: Iterable[list[str]]
) -> None:
    """Have at hand what is read of these orders: events, products and lines of the stock ledger."""
    places = outbox.places_of_events(chain.from_iterable(event_ids))
    for documents in page:
        lines = documents.get(ORDERS.name, {"items": []})["items"]
        if shipment := documents.get(SHIPMENTS.name):
            lines = lines + shipment["lines"]
        places += ((PRODUCTS.name, line["product"]) for line in lines)
        if is_sent(shipment):
            places += ((LEDGER.name, ledger_line_id(shipment, line["product"])) for line in lines)
    view.prefetch(places)
