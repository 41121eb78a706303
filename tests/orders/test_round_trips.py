"""Round trips to PostgreSQL: few for an order, and no more for sixteen of them.

Where the database is on another machine, each takes as long as the network does.
"""

from dataclasses import replace

from app import connect_handlers, create_app
from app.billing.simulator import payment_gateway
from app.config import Config
from app.events.dispatch.loop import DeliveryLoop
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import WorkerPool
from app.events.outbox import OUTBOX
from app.inventory.service import add_product
from app.orders.documents import ORDERS
from app.webhooks.handlers import webhook_handlers
from tests.conftest import CATALOGUE
from tests.store.postgres.proxy import proxy_to
from tests.transactions import transaction

ORDERS_PLACED = 16
ORDER = {
    "customer_name": "Ada",
    "items": [{"product": "tea", "quantity": 2}, {"product": "pot", "quantity": 1}],
}


def test_orders_and_their_deliveries_take_few_round_trips(
    config: Config, postgresql_url: str
) -> None:
    """Of eight of a POST three are in its transaction: subscribers, number, all changes."""
    with proxy_to(postgresql_url) as proxy:
        settings = replace(
            config, store=proxy.url, payment_method="invoice", mails=frozenset[str]()
        )
        app = create_app(settings, delivers=False)
        store = app.extensions["daybook"].store
        with transaction(store) as tx:
            for product in CATALOGUE:
                add_product(tx, dict(product))
        client = app.test_client()
        for _ in range(ORDERS_PLACED):
            before = proxy.round_trips
            assert client.post("/order", json=ORDER).status_code == 201
        assert proxy.round_trips - before == 8

        registry = connect_handlers(settings, payment_gateway(settings), webhook_handlers(settings))
        feed = store.change_feed(OUTBOX.name)
        loop = DeliveryLoop(store, registry, RetryPolicy(), feed, WorkerPool())
        loop.load_outbox()
        before = proxy.round_trips
        loop.run_once()
        assert proxy.round_trips - before < 3 * ORDERS_PLACED  # those of the listener among them
        with store.read() as view:
            placed = view.find(ORDERS.name).documents
        assert [order["status"] for order in placed].count("confirmed") == 1  # there is one pot
        assert [order["status"] for order in placed].count("backordered") == ORDERS_PLACED - 1
        app.extensions["daybook"].close()
