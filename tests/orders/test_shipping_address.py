"""The shipping address of an order: optional, merged by a patch, and in the order alone."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.kernel.errors import Invalid
from app.orders.schemas import check_order
from tests.orders.conftest import Stored
from tests.over_http import body, place, read, request_for

ADDRESS = {
    "name": "Ada Lovelace",
    "lines": ["12 St James's Square", "Back door"],
    "postal_code": "SW1Y 4JH",
    "city": "London",
    "country": "GB",
}
WITHOUT_POSTAL_CODE = {"name": "Ada", "lines": ["Box 7"], "city": "Doha", "country": "QA"}


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test of this module has the catalogue."""


def place_with(client: FlaskClient, address: object) -> Any:
    """The response to an order with this address."""
    return client.post("/order", json=request_for(tea=1) | {"shipping_address": address})


def types(client: FlaskClient) -> list[str]:
    """The types of the events of order 1001."""
    return [each["event"]["type"] for each in read(client, "/order/1001/events")["events"]]


@pytest.mark.parametrize("address", [ADDRESS, WITHOUT_POSTAL_CODE])
def test_an_order_keeps_its_address(
    client: FlaskClient, stored: Stored, address: dict[str, Any]
) -> None:
    """The response, the order, the list and the stored document have it; spaces are trimmed."""
    answer = place_with(client, address | {"city": f" {address['city']} "})
    assert answer.status_code == 201
    order = body(answer)
    [listed] = read(client, "/order")["orders"]
    document = stored("orders", order["order_id"]) or {}
    for each in (order, read(client, "/order/1001"), listed, document):
        assert each["shipping_address"] == address


@pytest.mark.parametrize("sent", [{}, {"shipping_address": None}])
def test_an_order_without_address_has_no_such_member(
    client: FlaskClient, stored: Stored, sent: dict[str, None]
) -> None:
    """Neither its responses nor its document change by a field that it does not use."""
    order = body(client.post("/order", json=request_for(tea=1) | sent))
    document = stored("orders", order["order_id"]) or {}
    assert "shipping_address" not in order.keys() | document.keys()
    assert "shipping_address" not in read(client, "/order")["orders"][0]


CODE = "must be a country's two-letter code (ISO 3166-1 alpha-2), such as DE"


@pytest.mark.parametrize(
    ("wrong", "pointer", "message"),
    [
        ({"lines": []}, "lines", "must have 1 to 3 entries"),
        ({"lines": ["a"] * 4}, "lines", "must have 1 to 3 entries"),
        ({"lines": ["a" * 101]}, "lines/0", "must have 1 to 100 characters"),
        ({"lines": ["a", " "]}, "lines/1", "must have 1 to 100 characters"),
        ({"name": "a" * 201}, "name", "must have 1 to 200 characters"),
        ({"city": ""}, "city", "must have 1 to 100 characters"),
        ({"postal_code": "1" * 21}, "postal_code", "must have 1 to 20 characters"),
        ({"postal_code": None}, "postal_code", "must not be null"),
        ({"country": "de"}, "country", CODE),
        ({"country": "DEU"}, "country", CODE),
        ({"country": "XX"}, "country", CODE),
        ({"country": 49}, "country", CODE),
        ({"street": "Back Street"}, "street", "is not a field that can be set here"),
    ],
)
def test_a_wrong_address_is_refused_with_its_place(
    client: FlaskClient, wrong: dict[str, Any], pointer: str, message: str
) -> None:
    """The pointer leads into the address, and nothing is placed."""
    answer = place_with(client, ADDRESS | wrong)
    assert answer.status_code == 422
    assert body(answer)["errors"] == [
        {"pointer": f"/shipping_address/{pointer}", "message": message}
    ]
    assert read(client, "/order")["orders"] == []


@pytest.mark.parametrize("name", ["name", "lines", "city", "country"])
def test_an_address_is_whole(client: FlaskClient, name: str) -> None:
    """All but the postal code is required, because some countries have none."""
    answer = place_with(client, {each: ADDRESS[each] for each in ADDRESS if each != name})
    [error] = body(answer)["errors"]
    assert (answer.status_code, error["pointer"]) == (422, f"/shipping_address/{name}")


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({"city": "Bath"}, ADDRESS | {"city": "Bath"}),
        ({"lines": ["Box 7"]}, ADDRESS | {"lines": ["Box 7"]}),
        ({"postal_code": None}, {each: ADDRESS[each] for each in ADDRESS if each != "postal_code"}),
        (None, None),
    ],
)
def test_a_patch_is_merged_into_the_address(
    client: FlaskClient, patch: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    """Members that are not sent stay; null removes the postal code, or the whole address."""
    place_with(client, ADDRESS)
    changed = body(client.patch("/order/1001", json={"shipping_address": patch}))
    assert changed.get("shipping_address") == after
    assert changed["history"][-1]["detail"] == "shipping_address"
    assert "order.updated" in types(client)


def test_an_order_gets_an_address_later(client: FlaskClient) -> None:
    """A whole one; a part of one is refused with what is missing."""
    place(client, tea=1)
    answer = client.patch("/order/1001", json={"shipping_address": {"city": "Bath"}})
    assert answer.status_code == 409
    assert body(answer)["detail"] == (
        "Order 1001 has no shipping address that could be changed; send name and lines and country "
        "too."
    )
    changed = body(client.patch("/order/1001", json={"shipping_address": WITHOUT_POSTAL_CODE}))
    assert changed["shipping_address"] == WITHOUT_POSTAL_CODE


@pytest.mark.parametrize("patch", [ADDRESS, {}, {"city": "London"}])
def test_the_same_address_changes_nothing(
    client: FlaskClient, settled: Callable[[], None], patch: dict[str, Any]
) -> None:
    """Sent again, as a whole or in part, it makes no version and no event."""
    place_with(client, ADDRESS)
    settled()
    order = read(client, "/order/1001")
    assert body(client.patch("/order/1001", json={"shipping_address": patch})) == order
    assert "order.updated" not in types(client)


def test_no_event_carries_the_address(client: FlaskClient, settled: Callable[[], None]) -> None:
    """It is in the order alone: not in events, invoice, shipment or reservation."""
    order = body(place_with(client, ADDRESS))
    client.patch("/order/1001", json={"shipping_address": {"city": "Bath"}})
    settled()
    client.post("/shipment/1001/ship", json={"carrier": "DHL", "tracking_number": "JD0146"})
    settled()
    told = [read(client, path) for path in ("/event", "/order/1001/events", "/shipment/1001")]
    assert "order.fulfilled" in types(client)
    assert not any(word in json.dumps(told) for word in ("London", "Bath", "shipping_address"))
    assert read(client, f"/order/{order['order_id']}")["shipping_address"]["city"] == "Bath"


def test_the_address_stays_once_the_parcel_has_left(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """A change is refused with 409, like every other one."""
    place_with(client, ADDRESS)
    settled()
    client.post("/shipment/1001/ship", json={"carrier": "DHL", "tracking_number": "JD0146"})
    answer = client.patch("/order/1001", json={"shipping_address": {"city": "Bath"}})
    assert (answer.status_code, body(answer)["order_status"]) == (409, "shipped")


@pytest.mark.parametrize(
    ("address", "is_sound"),
    [
        (ADDRESS, True),
        (ADDRESS | {"country": "AN"}, True),
        (ADDRESS | {"country": "Germany"}, False),
        (ADDRESS | {"lines": []}, False),
        (ADDRESS | {"lines": "Box 7"}, False),
        (None, False),
    ],
)
def test_a_stored_address_is_checked(
    client: FlaskClient, stored: Stored, address: object, is_sound: bool
) -> None:
    """An edited orders.json needs a whole one; a country that has left the standard may stay."""
    order = stored("orders", place(client, tea=1)["order_id"]) or {}
    edited = order | {"shipping_address": address}
    if is_sound:
        check_order(edited)
    else:
        with pytest.raises(Invalid, match="shipping_address"):
            check_order(edited)
