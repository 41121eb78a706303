"""POST /order: the stored order, and the requests that are refused."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from freezegun import freeze_time

from app.config import Config
from app.kernel.money import Currency
from tests.over_http import body, place, read, request_for

UUID7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LINK = re.compile("1001-[A-Za-z0-9_-]{22}")


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> Iterator[None]:
    """Every test of this module has the catalogue."""
    yield


def test_a_placed_order_has_every_field(client: FlaskClient) -> None:
    """An order has all documented fields, with names and prices from the catalogue."""
    wanted = request_for("Ada Lovelace", tea=3, mug=2) | {"customer_email": "ada@example.org"}
    with freeze_time("2026-11-21T08:00:00.123Z", tick=False):
        answer = client.post("/order", json=wanted)
    order = body(answer)
    order_id = order.pop("order_id")
    assert UUID7.fullmatch(order_id)
    assert LINK.fullmatch(order.pop("link"))
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/order/{order_id}")
    assert order == {
        "number": 1001,
        "customer_name": "Ada Lovelace",
        "customer_email": "ada@example.org",
        "items": [
            {
                "product": "tea",
                "name": "Assam, 100 g",
                "quantity": 3,
                "amount": "4.50",
                "line_total": "13.50",
            },
            {
                "product": "mug",
                "name": "Mug",
                "quantity": 2,
                "amount": "12.00",
                "line_total": "24.00",
            },
        ],
        "currency": "EUR",
        "total_amount": "37.50",
        "status": "placed",
        "payment_method": "invoice",
        "payment_status": "pending",
        "order_date": "2026-11-21T08:00:00.123Z",
        "order_update": "2026-11-21T08:00:00.123Z",
        "version": 1,
        "history": [
            {"at": "2026-11-21T08:00:00.123Z", "event": "placed", "detail": "", "by": "local"}
        ],
    }


def test_numbers_follow_each_other_and_ids_sort_by_time(client: FlaskClient) -> None:
    """Order numbers are consecutive from 1001, and ids sort by time."""
    orders = [place(client, tea=1) for _ in range(3)]
    assert [order["number"] for order in orders] == [1001, 1002, 1003]
    ids = [order["order_id"] for order in orders]
    assert ids == sorted(ids)


def test_an_order_is_found_by_id_and_by_number(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The order's id and its number address the same document."""
    order_id = place(client, tea=1)["order_id"]
    settled()
    order = read(client, f"/order/{order_id}")
    assert order["order_id"] == order_id
    assert read(client, "/order/1001") == order


def test_the_amount_of_a_line_overrides_the_price(client: FlaskClient) -> None:
    """A line's amount, also zero, replaces the product's price, and the sum is exact."""
    lines = [
        {"product": "tea", "quantity": 3, "amount": "0.10"},
        {"product": "tea", "quantity": 1, "amount": "0"},
        {"product": "mug", "quantity": 1},
    ]
    order = body(client.post("/order", json={"customer_name": "Ada", "items": lines}))
    assert [line["line_total"] for line in order["items"]] == ["0.30", "0.00", "12.00"]
    assert order["total_amount"] == "12.30"


def test_an_e_mail_is_optional(client: FlaskClient) -> None:
    """An order without an e-mail address and one with null are the same."""
    left_out = place(client, tea=1)
    null = client.post("/order", json=request_for(tea=1) | {"customer_email": None})
    assert left_out["customer_email"] is None
    assert body(null)["customer_email"] is None


def test_the_largest_order_is_accepted(client: FlaskClient) -> None:
    """An order of 2,000 lines with the longest name and the largest quantity and amount is
    accepted.
    """
    line = {"product": "pot", "quantity": 1_000_000, "amount": "999999999999.99"}
    wanted = {"customer_name": "a" * 200, "items": [line] * 2000}
    order = body(client.post("/order", json=wanted))
    assert order["total_amount"] == "1999999999999980000000.00"


def test_a_body_of_exactly_one_mebibyte_is_read(client: FlaskClient) -> None:
    """A body of exactly the size limit is parsed, and refused for its content only."""
    start, end = b'{"customer_name": "', b'"}'
    data = start + b"a" * ((1 << 20) - len(start) - len(end)) + end
    answer = client.post("/order", data=data, content_type="application/json")
    assert (len(data), answer.status_code) == (1 << 20, 422)


def test_a_refusal_lists_every_fault(client: FlaskClient) -> None:
    """One response lists all faults of a request."""
    answer = client.post("/order", json={"items": [{"quantity": 0}], "note": "hi"})
    pointers = {each["pointer"] for each in body(answer)["errors"]}
    assert pointers == {"/customer_name", "/items/0/product", "/items/0/quantity", "/note"}


def test_a_refusal_lists_at_most_a_hundred_faults(client: FlaskClient) -> None:
    """A body with more faults than that does not get a larger response."""
    answer = client.post("/order", json={f"x{number}": 0 for number in range(5000)})
    assert len(body(answer)["errors"]) == 100


def test_a_refusal_for_lack_of_stock_lists_what_is_available(client: FlaskClient) -> None:
    """A 409 lists each short product with its wanted and its available quantity."""
    lines = [{"product": "mug", "quantity": 6}, {"product": "mug", "quantity": 5}]
    answer = client.post("/order", json={"customer_name": "Ada", "items": lines})
    assert answer.status_code == 409
    assert body(answer)["short"] == [{"product": "mug", "wanted": 11, "available": 10}]


def test_a_placed_order_is_confirmed_when_its_stock_is_reserved(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The reservation confirms the order, and its history says so."""
    place(client, tea=2)
    settled()
    order = read(client, "/order/1001")
    assert (order["status"], order["version"]) == ("confirmed", 2)
    assert [step["event"] for step in order["history"]] == ["placed", "confirmed"]


def test_an_order_of_a_backorder_product_waits_for_stock(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """A product with back-orders is sold when out of stock, and nothing is reserved until stock
    arrives.
    """
    place(client, pot=5, tea=1)
    settled()
    assert read(client, "/order/1001")["status"] == "backordered"
    assert read(client, "/product/tea")["reserved"] == 0


class TestUnlistedProducts:
    """Orders with DAYBOOK_UNLISTED_PRODUCTS=allow."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        """Products outside the catalogue may be ordered, in another currency."""
        return replace(config, unlisted_products=True, currency=Currency("JPY"))

    def test_an_unlisted_product_is_sold_at_the_amount_given(
        self, client: FlaskClient, app: Flask, settled: Callable[[], None]
    ) -> None:
        """An unlisted product has no stock, so its order is confirmed; its sku is its name."""
        line: dict[str, Any] = {"product": "gift", "quantity": 2, "amount": "450"}
        order = body(client.post("/order", json={"customer_name": "Ada", "items": [line]}))
        assert order["items"] == [line | {"name": "gift", "line_total": "900"}]
        assert (order["currency"], order["total_amount"]) == ("JPY", "900")
        settled()
        assert read(client, "/order/1001")["status"] == "confirmed"

    def test_an_unlisted_product_needs_an_amount(self, client: FlaskClient) -> None:
        """A line of an unlisted product without an amount is refused."""
        answer = client.post("/order", json=request_for(gift=1))
        assert answer.status_code == 422
        assert body(answer)["errors"][0]["pointer"] == "/items/0/amount"
