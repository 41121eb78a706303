"""The stock ledger: each change of a quantity on hand, with caller and reason."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.over_http import body, read

pytestmark = pytest.mark.usefixtures("catalogue")


def adjust(client: FlaskClient, sku: str, **adjustment: Any) -> Any:
    """The product after a change or count of its stock."""
    answer = client.post(f"/product/{sku}/stock", json=adjustment)
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == f'"{body(answer)["version"]}"'
    return body(answer)


def test_each_change_has_its_line(client: FlaskClient) -> None:
    """A ledger line has caller, time, reason, and the quantities before and after; newest first."""
    assert adjust(client, "mug", change=12, reason="delivery")["available"] == 22
    assert adjust(client, "mug", count=20)["quantity"] == 20
    assert adjust(client, "mug", change=-1, reason="broken")["quantity"] == 19
    lines = read(client, "/product/mug/stock")["stock"]
    told = [
        tuple(line[name] for name in ("line", "who", "reason", "change", "before", "after"))
        for line in lines
    ]
    assert told == [
        (4, "local", "broken", -1, 20, 19),
        (3, "local", "stock-take", -2, 22, 20),
        (2, "local", "delivery", 12, 10, 22),
        (1, "command", "new product", 10, 0, 10),
    ]
    assert [line["at"] for line in lines] == sorted((each["at"] for each in lines), reverse=True)
    assert {line["order_id"] for line in lines} == {None}


def test_the_ledger_is_paged(client: FlaskClient) -> None:
    """Pages have each line once, newest first."""
    for n in range(5):
        adjust(client, "tin", change=n + 1, reason="delivery")
    lines, path = [], "/product/tin/stock?limit=2"
    while path:
        page = read(client, path)
        lines += [line["line"] for line in page["stock"]]
        path = page["next"] and f"/product/tin/stock?limit=2&cursor={page['next']}"
    assert lines == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "adjustment", [{"change": -11, "reason": "stolen"}, {"change": 10**9, "reason": "x"}]
)
def test_the_quantity_on_hand_is_never_negative(
    client: FlaskClient, adjustment: dict[str, Any]
) -> None:
    """A change below 0 is refused with 409 and the present quantity, and changes nothing."""
    answer = client.post("/product/mug/stock", json=adjustment)
    assert (answer.status_code, body(answer)["quantity"]) == (409, 10)
    assert read(client, "/product/mug")["version"] == 1
    assert len(read(client, "/product/mug/stock")["stock"]) == 1


@pytest.mark.parametrize(
    "faulty",
    [
        {},
        {"change": 1},
        {"reason": "delivery"},
        {"change": 1, "count": 1, "reason": "both"},
        {"count": -1},
        {"count": 1.0},
        {"change": "12", "reason": "delivery"},
        {"count": 4, "who": "me"},
    ],
)
def test_an_invalid_adjustment_is_refused(client: FlaskClient, faulty: dict[str, Any]) -> None:
    """A 422 changes nothing."""
    assert client.post("/product/mug/stock", json=faulty).status_code == 422
    assert read(client, "/product/mug")["version"] == 1


def test_a_stock_change_is_idempotent_by_key(client: FlaskClient) -> None:
    """A repeated Idempotency-Key changes the stock once, so a lost response can be retried."""
    for _ in range(2):
        answer = client.post(
            "/product/mug/stock",
            json={"change": 12, "reason": "delivery"},
            headers={"Idempotency-Key": "delivery-7"},
        )
        assert (answer.status_code, body(answer)["quantity"]) == (200, 22)
    assert read(client, "/product/mug")["quantity"] == 22


def test_an_unknown_product_has_no_ledger(client: FlaskClient) -> None:
    assert client.get("/product/none/stock").status_code == 404
    assert client.post("/product/none/stock", json={"count": 1}).status_code == 404


def test_less_may_be_counted_than_is_reserved(client: FlaskClient) -> None:
    """A count below the reserved quantity makes the available one negative and the product out of
    stock.
    """
    client.post(
        "/order",
        json={"customer_name": "Ann", "items": [{"product": "mug", "quantity": 8}]},
        headers={"Prefer": "wait=5"},
    )
    product = adjust(client, "mug", count=5)
    assert (product["quantity"], product["reserved"], product["available"]) == (5, 8, -3)
    assert product["stock_status"] == "out_of_stock"
