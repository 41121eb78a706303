"""A shop whose deliveries a test runs step by step, and receivers that respond as it says."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

from flask.testing import FlaskClient
from standardwebhooks import Webhook

from app import connect_handlers, create_app
from app.billing.simulator import payment_gateway
from app.config import Config
from app.events.dispatch.loop import DeliveryLoop
from app.events.dispatch.retry import RetryPolicy
from app.events.dispatch.worker_pool import WorkerPool
from app.events.outbox import OUTBOX
from app.inventory.service import add_product
from app.server.runtime import Runtime
from app.store import Collection, Document, Store
from app.webhooks.handlers import webhook_handlers
from tests.conftest import CATALOGUE
from tests.over_http import body, place, read
from tests.transactions import transaction
from tests.webhooks.receivers import Receiver, Request, response

PATIENCE_S = 60.0


class Subscriber:
    """The receiver of an endpoint: responds with `status`, and keeps what it accepted by id.

    `meanwhile` is called between a request and its response, in another thread than the test's.
    """

    def __init__(self) -> None:
        self.status, self.text = 200, ""
        self.fields: tuple[str, ...] = ()
        self.secret = ""
        self.meanwhile: Callable[[], object] = lambda: None
        self.accepted: list[Document] = []
        self._answered, self._lock = 0, threading.Lock()
        self._receiver = Receiver(self._respond)
        self.url = self._receiver.url

    @property
    def requests(self) -> list[Request]:
        """Everything that came."""
        return self._receiver.requests

    def respond(self, status: int, *fields: str, text: str = "") -> None:
        """Respond so from now on."""
        self.status, self.fields, self.text = status, fields, text

    def close(self) -> None:
        self._receiver.__exit__()

    def _respond(self, connection: socket.socket) -> None:
        with self._lock:
            request = self.requests[self._answered]
            self._answered += 1
            if self.status < 300:
                self.accepted.append(verified(request, self.secret))
        self.meanwhile()
        response(self.status, self.text, *self.fields)(connection)


def verified(request: Request, secret: str) -> Document:
    """The event in a request. Raises WebhookVerificationError unless the secret has signed it."""
    headers = {name.lower(): text for name, text in request.headers.items()}
    event: Document = Webhook(secret).verify(request.body, headers)
    assert headers["webhook-id"] == event["id"]
    assert headers["content-type"] == "application/cloudevents+json"
    return event


class WebhookShop:
    """The application, without a dispatcher of its own."""

    def __init__(self, config: Config) -> None:
        self.config = replace(config, webhook_http=True, webhook_private=True)
        self.app = create_app(self.config, delivers=False)
        self.client: FlaskClient = self.app.test_client()
        self.runtime: Runtime = self.app.extensions["daybook"]
        self.store: Store = self.runtime.store
        self.worker_pool = WorkerPool()
        self._loop: DeliveryLoop | None = None

    def close(self) -> None:
        self.worker_pool.close()
        self.runtime.close()

    def subscribe(self, subscriber: Subscriber, *types: str, **members: Any) -> str:
        """Add an endpoint for the subscriber, who keeps its secret; returns the id."""
        wanted = {"url": subscriber.url, "types": types or ("order.*",), **members}
        response = self.client.post("/webhook", json=wanted)
        assert response.status_code == 201, response.text
        subscriber.secret = body(response)["secret"]
        return str(body(response)["webhook_id"])

    def endpoint(self, endpoint_id: str) -> Document:
        return dict(read(self.client, f"/webhook/{endpoint_id}"))

    def patch(self, endpoint_id: str, patch: Document) -> None:
        """Change an endpoint, from any thread."""
        self.app.test_client().patch(f"/webhook/{endpoint_id}", json=patch)

    def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint, from any thread."""
        self.app.test_client().delete(f"/webhook/{endpoint_id}")

    def deliveries(self, endpoint_id: str) -> list[Document]:
        address = f"/webhook/{endpoint_id}/deliveries?since=2020-01-01"
        return list(read(self.client, address)["deliveries"])

    def place(self, **quantities: int) -> Document:
        return place(self.client, **quantities or {"tea": 1})

    def start_loop(self) -> DeliveryLoop:
        """A new delivery loop, as after a restart."""
        self._feed = self.store.change_feed(OUTBOX.name)
        handlers = webhook_handlers(self.config)
        registry = connect_handlers(self.config, payment_gateway(self.config), handlers)
        self._loop = DeliveryLoop(self.store, registry, RetryPolicy(), self._feed, self.worker_pool)
        self._loop.load_outbox()
        return self._loop

    def run(self) -> None:
        """Deliver until nothing can be delivered now."""
        loop = self._loop or self.start_loop()
        deadline, quiet = monotonic() + PATIENCE_S, 0
        while quiet < 3:
            assert monotonic() < deadline, "the deliveries do not end"
            position = self.store.position()
            self._feed.wake()
            loop.run_once()
            is_quiet = position == self.store.position() and not self.worker_pool.partitions
            quiet = quiet + 1 if is_quiet else 0

    def count(self, collection: Collection) -> int:
        with self.store.read() as view:
            return view.count(collection.name)


@contextmanager
def open_shop(config: Config) -> Iterator[WebhookShop]:
    """A shop with the catalogue's products; the test runs its deliveries."""
    shop = WebhookShop(config)
    with transaction(shop.store) as tx:
        for product in CATALOGUE:
            add_product(tx, dict(product))
    try:
        yield shop
    finally:
        shop.close()


@contextmanager
def subscribers(count: int) -> Iterator[list[Subscriber]]:
    """So many receivers, which stop at the end."""
    started = [Subscriber() for _ in range(count)]
    try:
        yield started
    finally:
        for each in started:
            each.close()


def event_types(events: list[Document]) -> list[str]:
    return [each["type"] for each in events]
