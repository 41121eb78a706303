"""Recorded actors: each change has the name of the key or user that made it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.config import Config
from app.server.runtime import Runtime
from tests.auth.people import signed_in
from tests.over_http import body, request_for
from tests.transactions import transaction
from tests.web.page import Page, quantity, send

Headers = dict[str, str]
HANDOVER = {"carrier": "DHL", "tracking_number": "JD0146"}


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, and shipping before payment."""
    return replace(config, faults=True, ship_when="reserved", retry_attempts=1)


@pytest.fixture
def key(runtime: Runtime) -> Headers:
    """The headers of the key `till-1`."""
    with transaction(runtime.store) as tx:
        return {"Authorization": f"Bearer {create_key(tx, 'till-1', 'operator')}"}


@pytest.fixture
def grace(app: Flask, key: Headers) -> FlaskClient:
    """A browser in which the operator `grace` has signed in."""
    return signed_in(app, "grace", "operator")


@pytest.fixture
def placed(app: Flask, client: FlaskClient, catalogue: dict[str, str], key: Headers) -> Any:
    """An order placed with the key `till-1`."""
    return body(client.post("/order", json=request_for(tea=1), headers=key))


def actors(client: FlaskClient, key: Headers, name: str = "1001") -> dict[str, str]:
    """The event and the actor of each entry in an order's history."""
    order = body(client.get(f"/order/{name}", headers=key))
    return {step["event"]: step["by"] for step in order["history"] if "by" in step}


def test_the_history_names_a_key(client: FlaskClient, placed: Any, key: Headers) -> None:
    """Entries of API requests name it; entries of handlers name nobody."""
    change = {"customer_name": "Bo"}
    client.patch("/order/1001", json=change, headers=key)
    client.post("/order/1001/cancel", headers=key)
    assert actors(client, key) == {"placed": "till-1", "changed": "till-1", "cancelled": "till-1"}
    second = body(client.post("/order", json=request_for(tea=1), headers=key))
    client.patch(f"/order/{second['number']}", json={"status": "cancelled"}, headers=key)
    assert actors(client, key, "1002")["cancelled"] == "till-1"


def test_the_history_names_a_user(
    client: FlaskClient, placed: Any, key: Headers, grace: FlaskClient,
    settled: Callable[[], None],
) -> None:  # fmt: skip
    """Changes at the desk name the user, and the desk shows the name."""
    settled()
    send(grace, Page(grace.get("/desk/1001/edit")), "1001", customer_name="Bo")
    page = send(grace, Page(grace.get("/desk/1001")), "/cancel", reason="ordered twice")
    assert actors(client, key) == {"placed": "till-1", "changed": "grace", "cancelled": "grace"}
    assert "Cancelled by grace" in page.text


def test_the_history_distinguishes_customers_from_staff(
    client: FlaskClient, catalogue: dict[str, str], key: Headers, grace: FlaskClient
) -> None:
    """Orders and cancellations of customers say so; their page shows no names of staff."""
    form = Page(client.get("/")).form("/")
    data = form.filled(**{quantity("tea"): "1", "name": "Ada", "place": "1"})
    page = Page(client.post("/", data=data, follow_redirects=True))
    send(client, page, "/cancel")
    assert actors(client, key) == {"placed": "customer", "cancelled": "customer"}
    form = Page(grace.get("/")).form("/")
    data = form.filled(**{quantity("tea"): "1", "name": "Bo", "place": "1"})
    seen = Page(grace.post("/", data=data, follow_redirects=True))
    assert actors(client, key, "1002")["placed"] == "grace"
    assert "grace" not in seen.by_id["main"]


def test_the_timeline_names_the_actor_of_a_deletion(
    client: FlaskClient, placed: Any, key: Headers, grace: FlaskClient,
    settled: Callable[[], None],
) -> None:  # fmt: skip
    """The events outlive the order."""
    client.post("/order", json=request_for(tea=1), headers=key)
    settled()
    client.delete("/order/1001", headers=key)
    page = Page(grace.get("/desk/1002/delete"))
    with_id = body(client.get("/order/1002", headers=key))["order_id"]
    send(grace, page, "/delete")
    for order_id, who in ((placed["order_id"], "till-1"), (with_id, "grace")):
        events = body(client.get(f"/order/{order_id}/events", headers=key))["events"]
        deleted = [each["event"] for each in events if each["event"]["type"] == "order.deleted"]
        assert [event["data"]["by"] for event in deleted] == [who]


@pytest.mark.parametrize("by", ["till-1", "grace"])
def test_shipment_and_order_name_who_shipped(
    client: FlaskClient, placed: Any, key: Headers, grace: FlaskClient,
    settled: Callable[[], None], by: str,
) -> None:  # fmt: skip
    """The name is recorded by the API and on the page alike."""
    settled()
    if by == "grace":
        path = f"/shipping/{placed['order_id']}"
        send(grace, Page(grace.get(path)), path, **HANDOVER)
    else:
        client.post("/shipment/1001/ship", json=HANDOVER, headers=key)
    settled()
    assert body(client.get("/shipment/1001", headers=key))["shipped_by"] == by
    assert actors(client, key)["shipped"] == by


def test_the_ledger_and_the_product_name_the_actor(
    client: FlaskClient, catalogue: dict[str, str], key: Headers, grace: FlaskClient
) -> None:
    """Changes of stock are in the ledger, others in the product; reservations change neither."""
    client.post("/product/tea/stock", json={"change": 5, "reason": "found"}, headers=key)
    client.patch("/product/tea", json={"price": "5.00"}, headers=key)
    client.delete("/product/tin", headers=key)
    product = body(client.get("/product/tea", headers=key))
    assert product["changed_by"] == "till-1"
    assert body(client.get("/product/tin", headers=key))["changed_by"] == "till-1"
    page = Page(grace.get("/stock/tea"))
    form = next(each for each in _forms(grace, "/stock/tea") if each.get("do") == "edit")
    grace.post("/stock/tea", data=form | {"name": "Assam"})
    assert page.status == 200
    form = next(each for each in _forms(grace, "/stock/tea") if each.get("do") == "change")
    grace.post("/stock/tea", data=form | {"change": "2", "reason": "delivery"})
    assert body(client.get("/product/tea", headers=key))["changed_by"] == "grace"
    ledger = body(client.get("/product/tea/stock", headers=key))["stock"]
    assert [line["who"] for line in ledger] == ["grace", "till-1", "command"]


def _forms(client: FlaskClient, path: str) -> list[dict[str, str]]:
    """The forms of a page with one address, each with the values a browser would send."""
    token = Page(client.get(path)).fields["csrf_token"]["value"]
    product = client.get("/product/tea").get_json()
    return [
        {"csrf_token": token, "do": "edit", "version": str(product["version"]), "price": "5.00"},
        {"csrf_token": token, "do": "change", "token": "a-token-of-sixteen-or-more"},
    ]


@pytest.mark.parametrize("by", ["till-1", "grace"])
def test_the_timeline_names_who_replayed_and_discarded(
    client: FlaskClient, catalogue: dict[str, str], key: Headers, grace: FlaskClient,
    settled: Callable[[], None], by: str,
) -> None:  # fmt: skip
    """The name is recorded by the API and on the page alike."""
    client.put("/fault/billing", json={"mode": "reject"}, headers=key)
    client.post("/order", json=request_for(tea=1), headers=key)
    settled()
    [entry] = body(client.get("/failure", headers=key))["failures"]
    event = entry["event"]["id"]
    if by == "grace":
        page = Page(grace.get(f"/events/{event}"))
        send(grace, page, "/billing/replay")
        settled()
        send(grace, Page(grace.get(f"/events/{event}")), "/billing/discard", reason="paid by hand")
    else:
        client.post("/failure/replay", json={"id": entry["id"]}, headers=key)
        settled()
        discard = {"reason": "paid by hand"}
        client.post(f"/failure/{entry['id']}/discard", json=discard, headers=key)
    events = body(client.get("/order/1001/events", headers=key))["events"]
    log = events[0]["deliveries"]["billing"]["log"]
    done = {line["action"]: line["by"] for line in log if "by" in line}
    assert done == {"replayed": by, "discarded": by}
