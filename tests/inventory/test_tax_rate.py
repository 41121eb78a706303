"""The tax rate of a product: optional, a percentage as text."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.over_http import body, read

PEN = {"sku": "pen", "name": "Pen", "price": "1.20", "quantity": 5}


def add(client: FlaskClient, rate: object) -> Any:
    """The response to a new product with this rate."""
    return client.post("/product", json=PEN | {"tax_rate": rate})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("19", "19"),
        ("5.5", "5.5"),
        ("0", "0"),
        ("100", "100"),
        ("07.700", "7.7"),
        ("20.0", "20"),
        ("8.875", "8.875"),
    ],
)
def test_a_product_keeps_its_rate(client: FlaskClient, sent: str, kept: str) -> None:
    """Without needless zeros, in the response and in the catalogue."""
    assert body(add(client, sent))["tax_rate"] == kept
    assert read(client, "/product/pen")["tax_rate"] == kept


@pytest.mark.parametrize(
    "rate", ["", "-1", "100.001", "101", "1e1", "19%", "5,5", "1.2345", ".5", "5.", "٣", " 7"]
)
def test_a_wrong_rate_is_refused(client: FlaskClient, rate: str) -> None:
    """422 with the rule, at the field."""
    answer = add(client, rate)
    assert answer.status_code == 422
    rule = "must be a percentage from 0 to 100, with three decimal places at most"
    assert body(answer)["errors"] == [{"pointer": "/tax_rate", "message": rule}]


@pytest.mark.parametrize("rate", [19, 5.5, True, ["19"]])
def test_a_rate_is_text(client: FlaskClient, rate: object) -> None:
    """A number is refused, as with money."""
    answer = add(client, rate)
    assert answer.status_code == 422
    assert body(answer)["errors"][0]["message"] == 'must be a percentage in text, such as "19"'


def test_a_product_without_rate_has_no_such_member(client: FlaskClient) -> None:
    """Neither null nor an omitted rate adds one; null in a patch removes it."""
    assert "tax_rate" not in body(add(client, None))
    assert body(client.patch("/product/pen", json={"tax_rate": "19"}))["tax_rate"] == "19"
    after = body(client.patch("/product/pen", json={"tax_rate": None}))
    assert "tax_rate" not in after
    assert after["version"] == 3
    assert body(client.patch("/product/pen", json={"tax_rate": None})) == after
