"""The permission matrix: every route for every caller, with own and foreign documents."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from app.auth.keys import create_key, revoke_key
from app.auth.permissions import PERMISSIONS, PROBES, PUBLIC_ENDPOINTS
from app.auth.sessions import COOKIE, begin, end
from app.config import Config
from app.kernel.identity import CUSTOMER, STAFF_ROLES, Identity
from app.server.runtime import Runtime
from tests.auth.people import make_user
from tests.over_http import request_for
from tests.transactions import transaction
from tests.web.page import Page

SAFE = ("GET", "HEAD", "OPTIONS")

QUERIES = dict.fromkeys(
    (
        "/shipping/chosen",
        "/desk/chosen/receipts",
        "/desk/chosen/packing-lists",
        "/desk/chosen/cancel",
    ),
    "?order=1001",
)
"""The query of addresses that are an error without one."""


class Caller(NamedTuple):
    """A caller: the credentials it sends, and the role it has."""

    title: str
    role: str
    headers: dict[str, str]
    by_cookie: bool = False


@pytest.fixture
def config(config: Config) -> Config:
    """With all optional parts: fault switches, and a provider that cannot be reached."""
    return replace(
        config,
        faults=True,
        oidc_issuer="http://127.0.0.1:9",
        oidc_client_id="daybook",
        oidc_client_secret="secret",
        oidc_roles={"owners": "operator"},
    )


@pytest.fixture
def callers(app: Flask, runtime: Runtime) -> list[Caller]:
    """A key and a browser for each role, and callers without valid credentials."""
    found = [Caller("nobody", CUSTOMER, {})]
    for role in STAFF_ROLES:
        make_user(app, f"user-{role}", role)
        with transaction(runtime.store) as tx:
            key = create_key(tx, f"key-{role}", role)
            token = begin(tx, Identity(f"user-{role}", role))
        found.append(Caller(f"key of a {role}", role, {"Authorization": f"Bearer {key}"}))
        cookie = {"Cookie": f"{COOKIE}={token}"}
        found.append(Caller(f"browser of a {role}", role, cookie, by_cookie=True))
    with transaction(runtime.store) as tx:
        revoked = create_key(tx, "revoked", "operator")
        revoke_key(tx, revoked.split("_")[1])
        ended = begin(tx, Identity("user-operator", "operator"))
        end(tx, ended)
    found.append(Caller("ended session", CUSTOMER, {"Cookie": f"{COOKIE}={ended}"}, by_cookie=True))
    found.append(Caller("revoked key", "", {"Authorization": f"Bearer {revoked}"}))
    return found


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client without a cookie jar: callers send their own cookies."""
    return app.test_client(use_cookies=False)


def test_every_route_is_in_exactly_one_table(app: Flask) -> None:
    """A new route needs an entry in the permissions."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints == PERMISSIONS.keys() | PUBLIC_ENDPOINTS
    assert not PERMISSIONS.keys() & PUBLIC_ENDPOINTS


def test_every_route_authorizes_exactly_the_permitted_callers(
    app: Flask, client: FlaskClient, callers: list[Caller], catalogue: dict[str, str]
) -> None:
    """Each caller tries each route and method, on existing documents where nothing changes."""
    things = _things(client, callers)
    wrong = [
        (method, rule.rule, caller.title, status)
        for rule, method in _operations(app)
        if rule.endpoint != "web.sign_in.oidc_callback"  # refuses all without a provider's answer
        for caller in callers
        for status in [_status(client, rule, method, caller, things)]
        if (status not in (401, 403)) != _may(rule.endpoint, method, caller)
    ]
    assert wrong == []


def test_the_matrix_is_not_one_of_404s(
    app: Flask, client: FlaskClient, callers: list[Caller], catalogue: dict[str, str],
    settled: Callable[[], None],
) -> None:  # fmt: skip
    """A permitted caller gets 200 for an existing document."""
    things = _things(client, callers)
    settled()
    operator = next(each for each in callers if each.title == "key of a operator")
    statuses = {
        rule.rule: _status(client, rule, "GET", operator, things)
        for rule, method in _operations(app)
        if method == "GET" and set(rule.arguments) <= {"name", "order_id", "sku"}
        and not rule.endpoint.startswith(
            ("docs.", "web.static", "web.sign_in", "web.clerk.show_mail"))
        and rule.endpoint not in ("web.customer.stream_changes", "web.customer.show_picture")
    }  # fmt: skip
    assert [path for path, status in statuses.items() if status != 200] == []


def _things(client: FlaskClient, callers: list[Caller]) -> dict[str, str]:
    """The values of path parameters: an existing order and a product."""
    clerk = next(each for each in callers if each.title == "key of a clerk")
    response = client.post("/order", json=request_for(tea=1), headers=clerk.headers)
    order_id = response.get_json()["order_id"]
    return {"order_id": order_id, "name": "1001", "sku": "tea"}


def _operations(app: Flask) -> list[tuple[Rule, str]]:
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def _status(
    client: FlaskClient, rule: Rule, method: str, caller: Caller, things: dict[str, str]
) -> int:
    """The status; a change is sent without a body and for nothing, so that it has no effect."""
    known = things if method in SAFE else {}
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: known.get(part[1], "none-such"), rule.rule)
    path += QUERIES.get(rule.rule, "")
    return client.open(path, method=method, headers=caller.headers).status_code


def _may(endpoint: str, method: str, caller: Caller) -> bool:
    if endpoint in PROBES:
        return True
    if not caller.role:
        return False  # who shows a key that is none is told so, everywhere
    if endpoint in PUBLIC_ENDPOINTS:
        return True
    if caller.by_cookie and method not in SAFE and not endpoint.startswith("web."):
        return False
    return Identity("", caller.role).may(PERMISSIONS[endpoint])


CUSTOMERS_ROUTES = (
    ("GET", "/orders/{}"), ("GET", "/orders/{}/receipt.pdf"), ("POST", "/orders/{}/cancel"),
    ("POST", "/orders/{}/pay"), ("POST", "/orders/{}/again"),
    ("GET", "/live?on=order/{}"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CUSTOMERS_ROUTES)
def test_foreign_orders_look_like_unknown_ones(
    client: FlaskClient, callers: list[Caller], catalogue: dict[str, str],
    settled: Callable[[], None], method: str, path: str,
) -> None:  # fmt: skip
    """A customer's link opens one order; similar links open none, and reveal none."""
    clerk = next(each for each in callers if each.title == "key of a clerk")
    own, foreign = (
        client.post("/order", json=request_for(name, tea=1), headers=clerk.headers).get_json()
        for name in ("Ada", "Bo")
    )
    settled()
    secret = own["link"].partition("-")[2]
    near = [
        f"{foreign['number']}-{secret}",
        foreign["order_id"],
        str(foreign["number"]),
        f"{foreign['number']}-",
        f"{foreign['link'][:-1]}{'A' if foreign['link'][-1] != 'A' else 'B'}",
        foreign["link"].swapcase(),
        f"{foreign['order_id']}-{secret}",
    ]
    first = client.get(f"/orders/{own['link']}")
    form = {"csrf_token": Page(first).form("/cancel").fields["csrf_token"]["value"]}
    cookie = {"Cookie": first.headers["Set-Cookie"].partition(";")[0]}

    def asked(link: str) -> tuple[int, bytes]:
        data = form if method == "POST" else None
        with client.open(path.format(link), method=method, data=data, headers=cookie) as response:
            return response.status_code, response.data if response.status_code == 404 else b""

    unknown = asked(f"999999-{secret}")
    assert unknown[0] == 404
    assert [asked(link) for link in near] == [unknown] * len(near)
    status = client.get(f"/order/{foreign['order_id']}", headers=clerk.headers).get_json()["status"]
    assert status != "cancelled"
    if "/live" not in path:  # a stream goes on until its reader leaves
        answers = (409,) if path.endswith("/pay") else (200, 303)  # no payment is declined
        assert asked(own["link"])[0] in answers


@pytest.mark.parametrize("page", ["/desk/{}", "/desk/{}/delete", "/shipping/{}"])
def test_a_customers_link_opens_nothing_else(
    client: FlaskClient, callers: list[Caller], catalogue: dict[str, str], page: str
) -> None:
    """It opens neither the API nor the pages of staff."""
    clerk = next(each for each in callers if each.title == "key of a clerk")
    link = client.post("/order", json=request_for(tea=1), headers=clerk.headers).get_json()["link"]
    assert client.get(page.format(link)).status_code == 401
    assert client.get(f"/order/{link}").status_code == 401
    assert client.get(f"/order/{link}", headers=clerk.headers).status_code == 404
