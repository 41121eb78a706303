"""Who is let in: anybody on a machine without keys, and only who shows one otherwise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.auth.guard import FORWARDED, is_loopback, refuse_open_house
from app.auth.keys import create_key
from app.config import Config
from app.http.security.identity import ROLES, Identity
from app.kernel.errors import Unavailable
from app.server.runtime import Runtime

Headers = dict[str, str]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, which otherwise answer 403 to everybody."""
    return replace(config, faults=True)


@pytest.fixture
def as_role(runtime: Runtime) -> Callable[[str], Headers]:
    """A function that gives the headers of a caller in that role."""

    def headers(role: str) -> Headers:
        with runtime.store.transaction() as tx:
            return {"Authorization": f"Bearer {create_key(tx, f'a {role}', role)}"}

    return headers


def test_a_shop_without_keys_serves_its_own_machine(client: FlaskClient) -> None:
    """As `make run` does."""
    assert client.get("/order").status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "", "unix:"])
def test_a_shop_without_keys_serves_no_other_machine(client: FlaskClient, address: str) -> None:
    """Whatever server it was started with."""
    assert _get(client, address).status_code == 401


@pytest.mark.parametrize("name", FORWARDED)
def test_what_came_through_a_proxy_is_not_local(client: FlaskClient, name: str) -> None:
    """A proxy on this machine forwards what comes from anywhere."""
    assert client.get("/order", headers={name: "for=127.0.0.1"}).status_code == 401


def _get(client: FlaskClient, address: str) -> Any:
    return client.get("/order", environ_overrides={"REMOTE_ADDR": address})


@pytest.mark.parametrize(
    "shown",
    ["Bearer", "Bearer x", "Basic YTpi", "bearer daybook_00000000_" + "A" * 43, "Token x"],
)
def test_what_is_not_a_key_is_refused_with_a_challenge(
    client: FlaskClient, as_role: Callable[[str], Headers], shown: str
) -> None:
    """401 and WWW-Authenticate, as RFC 9110 asks."""
    as_role("clerk")
    answer = client.get("/order", headers={"Authorization": shown})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.mimetype == "application/problem+json"


def test_roles_include_those_below() -> None:
    """An operator may do what a clerk may; a clerk not what an operator may."""
    allowed = [[Identity("", one).may(other) for other in ROLES] for one in ROLES]
    assert allowed == [[n <= place for n in range(len(ROLES))] for place in range(len(ROLES))]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "shop.example"])
def test_a_shop_that_others_can_reach_needs_keys_and_a_name(
    runtime: Runtime, config: Config, host: str
) -> None:
    """It refuses to start without, and says what to do."""
    reachable = replace(config, host=host)
    with pytest.raises(Unavailable, match="flask key create"):
        refuse_open_house(runtime.store, reachable)
    with runtime.store.transaction() as tx:
        create_key(tx, "till-1", "clerk")
    with pytest.raises(Unavailable, match="DAYBOOK_TRUSTED_HOSTS"):
        refuse_open_house(runtime.store, reachable)
    refuse_open_house(runtime.store, replace(reachable, trusted_hosts=frozenset({"shop.example"})))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_needs_no_keys(runtime: Runtime, config: Config, host: str) -> None:
    """Nobody else can reach it."""
    assert is_loopback(host)
    refuse_open_house(runtime.store, replace(config, host=host))
