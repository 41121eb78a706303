"""A shop with webhooks, receivers on this machine, and certificates for them."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from flask.testing import FlaskClient

from app.config import Config
from tests.webhooks.receivers import Receiver, Respond
from tests.webhooks.shop import Subscriber, WebhookShop, open_shop, subscribers

Receive = Callable[..., Receiver]
CertificateFor = Callable[[str], ssl.SSLContext]


@pytest.fixture
def shop(config: Config) -> Iterator[WebhookShop]:
    """The application with some products; the test runs its deliveries."""
    with open_shop(config) as shop:
        yield shop


@pytest.fixture
def client(shop: WebhookShop) -> FlaskClient:
    """A client of that application."""
    return shop.client


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    """One receiver, which says how it responds."""
    with subscribers(1) as [subscriber]:
        yield subscriber


@pytest.fixture
def receive() -> Iterator[Receive]:
    """A function that starts a receiver: receive(response(200))."""
    with ExitStack() as started:

        def start(
            respond: Respond, tls: ssl.SSLContext | None = None, *, is_deaf: bool = False
        ) -> Receiver:
            return started.enter_context(Receiver(respond, tls, is_deaf=is_deaf))

        yield start


@pytest.fixture
def certificate_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CertificateFor:
    """A function that makes the TLS side of a server of this name, whose authority is trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    def make(name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        return context

    return make
