"""What proxies say of a client: believed where they are declared, and from nobody else."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from app import create_app
from app.auth.guard import is_local_request, refuse_open_house
from app.auth.keys import create_key
from app.config import Config, from_environment
from app.kernel.errors import Invalid, Unavailable

PROXIES = frozenset({ip_network("10.0.0.0/24"), ip_network("127.0.0.1"), ip_network("fd00::1")})
SAID = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7", "X-Forwarded-Proto": "http, https"}


@pytest.fixture
def config(config: Config) -> Config:
    """With proxies in one network, at this machine's address, and at one of IPv6."""
    return replace(config, trusted_proxies=PROXIES)


@pytest.fixture
def seen(app: Flask, client: FlaskClient) -> Callable[..., tuple[str | None, str, bool]]:
    """A function that sends a request from an address; returns client, scheme, is local."""
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


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "fd00::1"])
def test_a_declared_proxy_is_believed(seen: Callable[..., object], address: str) -> None:
    """The last entry, which it has added itself: those before it may be the client's invention."""
    assert seen(address, **SAID) == ("203.0.113.7", "https", False)


@pytest.mark.parametrize("address", ["10.0.1.7", "127.0.0.2", "203.0.113.5", "fd00::2"])
def test_nobody_else_is_believed(seen: Callable[..., object], address: str) -> None:
    """Nor does who sends such a header count as local."""
    assert seen(address, **SAID) == (address, "http", False)


def test_who_comes_through_a_proxy_is_never_local(seen: Callable[..., object]) -> None:
    """Whatever the proxy says, or fails to say."""
    assert seen("127.0.0.1") == ("127.0.0.1", "http", False)
    assert seen("127.0.0.1", X_Forwarded_For="127.0.0.1") == ("127.0.0.1", "http", False)


def test_a_shop_behind_a_proxy_demands_keys_and_names(config: Config, app: Flask) -> None:
    """It listens on this machine's address only, and is reached from everywhere."""
    runtime = app.extensions["daybook"]
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 through a proxy, and this shop has nei"):
        refuse_open_house(runtime.store, config)
    with runtime.store.transaction() as tx:
        create_key(tx, "till-1", "clerk")
    with pytest.raises(Unavailable, match="Set DAYBOOK_TRUSTED_HOSTS"):
        refuse_open_house(runtime.store, config)
    refuse_open_house(runtime.store, replace(config, trusted_hosts=frozenset({"shop.example"})))


def test_without_declared_proxies_nothing_is_believed(config: Config) -> None:
    app = create_app(replace(config, trusted_proxies=frozenset()))
    found = []
    app.before_request_funcs.setdefault(None, []).insert(
        0, lambda: found.append(request.remote_addr)
    )
    app.test_client().get("/product", headers=SAID)
    assert found == ["127.0.0.1"]
    app.extensions["daybook"].close()


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.1/24", "10.0.0.1,", "10.0.0.0/33"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="must be addresses or networks with commas between"):
        from_environment({"DAYBOOK_TRUSTED_PROXIES": text})


def test_addresses_and_networks_are_taken() -> None:
    config = from_environment({"DAYBOOK_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/24,fd00::1"})
    assert config.trusted_proxies == PROXIES
