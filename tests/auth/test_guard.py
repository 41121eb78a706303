"""The guard: local requests to a shop without keys pass, all others need a key."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.auth.guard import PROXY_HEADERS, is_loopback, refuse_unprotected_remote_access
from app.auth.keys import create_key
from app.config import Config
from app.kernel.errors import Unavailable
from app.kernel.identity import ROLES, Identity
from app.server.runtime import Runtime
from tests.transactions import transaction

Headers = dict[str, str]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, which otherwise are 403 for everybody."""
    return replace(config, faults=True)


@pytest.fixture
def as_role(runtime: Runtime) -> Callable[[str], Headers]:
    """A function that returns the headers of a caller with that role."""

    def headers(role: str) -> Headers:
        with transaction(runtime.store) as tx:
            return {"Authorization": f"Bearer {create_key(tx, f'a {role}', role)}"}

    return headers


def test_a_shop_without_keys_serves_local_requests(client: FlaskClient) -> None:
    """A local request needs no key, as with `make run`."""
    assert client.get("/order").status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "", "unix:"])
def test_a_shop_without_keys_serves_no_other_machine(client: FlaskClient, address: str) -> None:
    """Whatever the server is."""
    assert _get(client, address).status_code == 401


VENDOR_HEADERS = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "X-Original-Url",
    "Ali-Cdn-Real-Ip",
    "Cf-Ray",
    "Client-Ip",
    "Incap-Client-Ip",
    "True-Client-Ip",
    "X-Client-Ip",
    "X-Cluster-Client-Ip",
    "X-Real-Ip",
    "X-Sucuri-Clientip",
    "X-Amz-Cf-Id",
    "X-Amzn-Trace-Id",
    "X-Azure-Fdid",
    "Fastly-Client-Ip",
    "X-Envoy-External-Address",
    "X-Cloud-Trace-Context",
    "Akamai-Origin-Hop",
)


@pytest.mark.parametrize("name", PROXY_HEADERS + VENDOR_HEADERS)
def test_a_request_through_a_proxy_is_not_local(client: FlaskClient, name: str) -> None:
    """A proxy on this machine forwards requests from anywhere."""
    name += "For" if name.endswith("-") else ""
    assert client.get("/order", headers={name: "for=127.0.0.1"}).status_code == 401


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1"])
def test_a_request_in_http_1_0_is_not_local(client: FlaskClient, version: str) -> None:
    """nginx with nothing but proxy_pass sends HTTP/1.0, and no header of a proxy."""
    environ = {"SERVER_PROTOCOL": version}
    assert client.get("/order", environ_overrides=environ).status_code == 401
    assert client.get("/", environ_overrides=environ).status_code == 200


def _get(client: FlaskClient, address: str) -> Any:
    return client.get("/order", environ_overrides={"REMOTE_ADDR": address})


@pytest.mark.parametrize(
    "shown",
    ["Bearer", "Bearer x", "Basic YTpi", "bearer daybook_00000000_" + "A" * 43, "Token x"],
)
def test_an_invalid_key_is_refused_with_a_challenge(
    client: FlaskClient, as_role: Callable[[str], Headers], shown: str
) -> None:
    """401 with WWW-Authenticate, as RFC 9110 asks."""
    as_role("clerk")
    response = client.get("/order", headers={"Authorization": shown})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.mimetype == "application/problem+json"


def test_roles_include_those_below() -> None:
    """An operator may do what a clerk may; a clerk may not do what an operator may."""
    allowed = [[Identity("", one).may(other) for other in ROLES] for one in ROLES]
    assert allowed == [[n <= place for n in range(len(ROLES))] for place in range(len(ROLES))]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "shop.example"])
def test_a_shop_that_others_can_reach_needs_keys_and_trusted_hosts(
    runtime: Runtime, config: Config, host: str
) -> None:
    """It refuses to start without them, and says what to do."""
    reachable = replace(config, host=host)
    with pytest.raises(Unavailable, match="flask key create"):
        refuse_unprotected_remote_access(runtime.store, reachable)
    with transaction(runtime.store) as tx:
        create_key(tx, "till-1", "clerk")
    with pytest.raises(Unavailable, match="DAYBOOK_TRUSTED_HOSTS"):
        refuse_unprotected_remote_access(runtime.store, reachable)
    refuse_unprotected_remote_access(
        runtime.store, replace(reachable, trusted_hosts=frozenset({"shop.example"}))
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_shop_on_a_loopback_address_needs_no_keys(
    runtime: Runtime, config: Config, host: str
) -> None:
    """No other machine can reach it."""
    assert is_loopback(host)
    refuse_unprotected_remote_access(runtime.store, replace(config, host=host))
