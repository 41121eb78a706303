"""Conditional requests: ETag, If-Match and If-None-Match (RFC 9110, 13)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.kernel.payment_methods import INVOICE
from tests.over_http import place, read, request_for


@pytest.fixture
def config(config: Config) -> Config:
    """Payment by invoice, so that no payment makes another version."""
    return replace(config, payment_method=INVOICE)


@pytest.fixture
def order(client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]) -> str:
    """The path of an order at version 2."""
    number = place(client, tea=1)["number"]
    settled()
    return f"/order/{number}"


def test_an_order_carries_its_version_as_a_strong_etag(client: FlaskClient, order: str) -> None:
    """Every response with an order has the ETag that If-Match accepts."""
    assert client.get(order).headers["ETag"] == '"2"'
    assert client.patch(order, json={"customer_name": "Eva"}).headers["ETag"] == '"3"'
    assert client.post(f"{order}/cancel").headers["ETag"] == '"4"'


@pytest.mark.parametrize("known", ['"2"', 'W/"2"', "*", '"1", W/"2"', '"1" , "2","3"'])
def test_a_known_version_is_not_sent_again(client: FlaskClient, order: str, known: str) -> None:
    """If-None-Match is compared weakly: 304 with the ETag and without a body."""
    response = client.get(order, headers={"If-None-Match": known})
    assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", '"2"')


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"22"', "", '"'])
def test_another_version_is_sent(client: FlaskClient, order: str, known: str) -> None:
    """If-None-Match with another version, or with none, gets the order."""
    assert client.get(order, headers={"If-None-Match": known}).status_code == 200


@pytest.mark.parametrize("expected", ['"2"', '"1", "2"', "*"])
def test_a_change_of_the_expected_version_is_made(
    client: FlaskClient, order: str, expected: str
) -> None:
    """If-Match may have the present version, a list with it, or a star."""
    patch = {"customer_name": "Eva"}
    assert client.patch(order, json=patch, headers={"If-Match": expected}).status_code == 200


@pytest.fixture
def edited(client: FlaskClient, order: str) -> str:
    """The path of an order that somebody has edited: it is at version 3."""
    assert client.patch(order, json={"customer_name": "Eva"}).status_code == 200
    return order


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "POST"])
@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ("If-Match", '"2"'),
        ("If-Match", 'W/"3"'),
        ("If-Match", '"1", "4"'),
        ("If-Match", ""),
        ("If-None-Match", "*"),
        ("If-None-Match", '"3"'),
        ("If-None-Match", 'W/"3"'),
    ],
)
def test_a_change_of_an_unexpected_version_is_refused(
    client: FlaskClient, edited: str, method: str, header: str, versions: str
) -> None:
    """412 with the present version and no change; If-Match is compared strongly."""
    path = f"{edited}/cancel" if method == "POST" else edited
    response = client.open(path, method=method, json={}, headers={header: versions})
    assert (response.status_code, response.get_json()["version"]) == (412, 3)
    assert read(client, edited)["version"] == 3


def test_an_unknown_order_is_not_found_whatever_the_condition(client: FlaskClient) -> None:
    """Conditions count only where the request would succeed without them (RFC 9110, 13.2.1)."""
    response = client.delete("/order/1", headers={"If-Match": '"1"'})
    assert response.status_code == 404


@pytest.mark.parametrize("expected", ['"1"', "*", 'W/"1"'])
@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/order", request_for(tea=1)),
        ("/product", {"sku": "cup", "name": "Cup", "price": "1.00"}),
        ("/failure/replay", {"all": True}),
    ],
)
def test_a_post_to_what_has_no_version_refuses_if_match(
    client: FlaskClient, order: str, path: str, document: dict[str, Any], expected: str
) -> None:
    """412, and nothing is created: a document that does not exist yet has no version."""
    before = read(client, "/order"), read(client, "/product")
    response = client.post(path, json=document, headers={"If-Match": expected})
    assert response.status_code == 412
    assert (read(client, "/order"), read(client, "/product")) == before
    assert client.post(path, json=document, headers={"If-None-Match": "*"}).status_code < 300
