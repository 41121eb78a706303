"""Trusted proxies: their X-Forwarded headers count, and those of other clients do not."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_network

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from app.auth.guard import is_local_request, refuse_unprotected_remote_access
from app.auth.keys import create_key
from app.config import Config, from_environment
from app.http.requests.limiter import MAX_UPLOADS_PER_ADDRESS
from app.kernel.errors import Invalid, Unavailable
from tests.conftest import PATIENCE_S
from tests.transactions import transaction

PROXIES = frozenset({ip_network("10.0.0.0/24"), ip_network("127.0.0.1"), ip_network("fd00::1")})
SAID = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7", "X-Forwarded-Proto": "http, https"}


@pytest.fixture
def config(config: Config) -> Config:
    """With trusted proxies in a network, at a local address, and at an IPv6 address."""
    return replace(config, trusted_proxies=PROXIES)


@pytest.fixture
def seen(app: Flask, client: FlaskClient) -> Callable[..., tuple[str | None, str, bool]]:
    """A function that sends a request from an address; returns client, scheme and is-local."""
    found: list[tuple[str | None, str, bool]] = []
    app.before_request_funcs.setdefault(None, []).insert(
        0, lambda: found.append((request.remote_addr, request.scheme, is_local_request()))
    )

    def send(address: str, **headers: str) -> tuple[str | None, str, bool]:
        client.get(
            "/product",
            headers={name.replace("_", "-"): text for name, text in headers.items()},
            environ_overrides={"REMOTE_ADDR": address},
        )
        return found.pop()

    return send


class SlowBody:
    """A body whose client sends nothing until the test sets `goes_on`."""

    def __init__(self, awaited: threading.Semaphore, goes_on: threading.Event) -> None:
        self._awaited, self._goes_on = awaited, goes_on

    def read(self, _size: int) -> bytes:
        self._awaited.release()
        assert self._goes_on.wait(PATIENCE_S)
        return b""


def post_through_proxy(app: Flask, client: str, **variables: object) -> str:
    """The status of a POST that a trusted proxy passes on from this client."""
    environ = EnvironBuilder("/order", method="POST", data="{}").get_environ()
    environ |= {"REMOTE_ADDR": "10.0.0.7", "HTTP_X_FORWARDED_FOR": client} | variables
    return str(run_wsgi_app(app.wsgi_app, environ)[1])


@pytest.mark.parametrize(
    ("slow", "other"), [("203.0.113.7", "203.0.113.8"), ("2001:db8:0:1::7", "2001:db8:0:2::7")]
)
def test_slow_clients_behind_a_proxy_do_not_block_the_others(
    app: Flask, slow: str, other: str
) -> None:
    """Unfinished bodies count for the client, of which the proxy has many."""
    awaited, goes_on = threading.Semaphore(0), threading.Event()
    body = {"wsgi.input": SlowBody(awaited, goes_on)}
    with ThreadPoolExecutor(MAX_UPLOADS_PER_ADDRESS) as pool:
        for _ in range(MAX_UPLOADS_PER_ADDRESS):
            pool.submit(post_through_proxy, app, slow, **body)
        try:
            assert all(awaited.acquire(timeout=PATIENCE_S) for _ in range(MAX_UPLOADS_PER_ADDRESS))
            assert not post_through_proxy(app, other).startswith("429")
            assert post_through_proxy(app, slow).startswith("429")
        finally:
            goes_on.set()


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "fd00::1"])
def test_headers_of_a_trusted_proxy_count(seen: Callable[..., object], address: str) -> None:
    """The last entry counts, which the proxy added; the client may have invented the others."""
    assert seen(address, **SAID) == ("203.0.113.7", "https", False)


@pytest.mark.parametrize("address", ["10.0.1.7", "127.0.0.2", "203.0.113.5", "fd00::2"])
def test_headers_of_other_clients_do_not_count(seen: Callable[..., object], address: str) -> None:
    """A client that sends such a header is not local either."""
    assert seen(address, **SAID) == (address, "http", False)


def test_a_request_through_a_proxy_is_never_local(seen: Callable[..., object]) -> None:
    """The content of the headers, or their absence, does not matter."""
    assert seen("127.0.0.1") == ("127.0.0.1", "http", False)
    assert seen("127.0.0.1", X_Forwarded_For="127.0.0.1") == ("127.0.0.1", "http", False)


def test_a_shop_behind_a_proxy_needs_keys_and_trusted_hosts(config: Config, app: Flask) -> None:
    """It listens on a local address, but can be reached from anywhere."""
    store = app.extensions["daybook"].store
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 through a proxy, and this shop has nei"):
        refuse_unprotected_remote_access(store, config)
    with transaction(store) as tx:
        create_key(tx, "till-1", "clerk")
    with pytest.raises(Unavailable, match="Set DAYBOOK_TRUSTED_HOSTS"):
        refuse_unprotected_remote_access(store, config)
    refuse_unprotected_remote_access(
        store, replace(config, trusted_hosts=frozenset({"shop.example"}))
    )


def test_without_trusted_proxies_no_header_counts(config: Config) -> None:
    """Every client is seen with its own address."""
    app = create_app(replace(config, trusted_proxies=frozenset()))
    found = []
    app.before_request_funcs.setdefault(None, []).insert(
        0, lambda: found.append(request.remote_addr)
    )
    app.test_client().get("/product", headers=SAID)
    assert found == ["127.0.0.1"]
    app.extensions["daybook"].close()


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.1/24", "10.0.0.1,", "10.0.0.0/33"])
def test_a_setting_that_is_no_address_is_refused(text: str) -> None:
    """The error names the setting."""
    with pytest.raises(Invalid, match="must be addresses or networks with commas between"):
        from_environment({"DAYBOOK_TRUSTED_PROXIES": text})


def test_addresses_and_networks_are_accepted() -> None:
    """Both IPv4 and IPv6 are."""
    config = from_environment({"DAYBOOK_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/24,fd00::1"})
    assert config.trusted_proxies == PROXIES
