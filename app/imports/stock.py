"""Counts the stock that placed orders will take, for as long as inventory has not reserved it."""

from collections import Counter, defaultdict

from app.inventory.queries import get_products, is_checked
from app.kernel.order_states import PLACED
from app.kernel.quantities import quantities
from app.orders.documents import ORDERS
from app.orders.lines import refuse_insufficient_stock
from app.orders.queries import get_order
from app.store import Document, Page, Store, View
from app.store.matching import read_all


class UnreservedStock:
    """The pieces of each product that placed orders want and inventory has not reserved yet."""

    def __init__(self, store: Store) -> None:
        """Count the orders in the store that inventory has not checked."""
        self._pieces: dict[str, dict[str, int]] = defaultdict(dict)
        self._totals = Counter[str]()
        self._versions: dict[str, int] = {}
        self._taken: list[tuple[str, str]] = []
        for order in read_all(store, _find_placed):
            for sku, pieces in quantities(order["items"]).items():
                self._add(sku, order["order_id"], pieces)

    def take(self, view: View, order: Document) -> bool:
        """Count an order that is being placed; returns whether it waits for stock.

        Raises Conflict when too little will be left of a product that cannot be back-ordered.
        """
        wanted = quantities(order["items"])
        products = {
            sku: product and product | {"available": self._left(view, product)}
            for sku, product in get_products(view, wanted).items()
        }
        refuse_insufficient_stock(products, order["items"])
        listed = {sku: product["available"] for sku, product in products.items() if product}
        enough = [sku for sku, available in listed.items() if wanted[sku] <= available]
        for sku in enough:
            self._add(sku, order["order_id"], wanted[sku])
            self._taken.append((sku, order["order_id"]))
        return len(enough) < len(listed)

    def keep(self) -> None:
        """Keep what was taken: the transaction of these orders is durable."""
        self._taken.clear()

    def take_back(self) -> None:
        """Undo each `take` since the last `keep`: the transaction was undone, and begins anew."""
        for sku, order_id in self._taken:
            self._totals[sku] -= self._pieces[sku].pop(order_id)
        self._taken.clear()

    def _add(self, sku: str, order_id: str, pieces: int) -> None:
        self._pieces[sku][order_id] = pieces
        self._totals[sku] += pieces

    def _left(self, view: View, product: Document) -> int:
        """The pieces available after the counted orders; reserving changes a product's version."""
        sku = product["sku"]
        if self._versions.get(sku) != product["version"]:
            self._versions[sku] = product["version"]
            for order_id in list(self._pieces[sku]):
                order = get_order(view, order_id)
                if not order or order["status"] != PLACED or is_checked(view, order_id):
                    self._totals[sku] -= self._pieces[sku].pop(order_id)
        return max(0, int(product["available"]) - self._totals[sku])


def _find_placed(view: View, after: str | None, limit: int) -> Page:
    return view.find(ORDERS.name, {"status": PLACED}, after=after, limit=limit)
