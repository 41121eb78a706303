"""POST /order: what an order is made of, and what it must not be."""

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
    """Every test here orders from the catalogue."""
    yield


def test_an_order_has_every_field_of_its_own(client: FlaskClient) -> None:
    """All fields of DESIGN section 3, with prices and names from the catalogue and exact sums."""
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
    """1001, 1002, …: what people say on the telephone."""
    orders = [place(client, tea=1) for _ in range(3)]
    assert [order["number"] for order in orders] == [1001, 1002, 1003]
    ids = [order["order_id"] for order in orders]
    assert ids == sorted(ids)


def test_an_order_is_found_by_id_and_by_number(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The same document at both addresses."""
    order_id = place(client, tea=1)["order_id"]
    settled()
    order = read(client, f"/order/{order_id}")
    assert order["order_id"] == order_id
    assert read(client, "/order/1001") == order


def test_the_amount_of_a_line_counts_instead_of_the_price(client: FlaskClient) -> None:
    """A clerk may give another price, also nothing; the sum is exact."""
    lines = [
        {"product": "tea", "quantity": 3, "amount": "0.10"},
        {"product": "tea", "quantity": 1, "amount": "0"},
        {"product": "mug", "quantity": 1},
    ]
    order = body(client.post("/order", json={"customer_name": "Ada", "items": lines}))
    assert [line["line_total"] for line in order["items"]] == ["0.30", "0.00", "12.00"]
    assert order["total_amount"] == "12.30"


def test_an_e_mail_is_optional(client: FlaskClient) -> None:
    """Left out and null are the same."""
    left_out = place(client, tea=1)
    null = client.post("/order", json=request_for(tea=1) | {"customer_email": None})
    assert left_out["customer_email"] is None
    assert body(null)["customer_email"] is None


def test_the_largest_order_is_taken(client: FlaskClient) -> None:
    """2,000 lines, the longest name, the greatest quantity and amount: within the limits."""
    line = {"product": "pot", "quantity": 1_000_000, "amount": "999999999999.99"}
    wanted = {"customer_name": "a" * 200, "items": [line] * 2000}
    order = body(client.post("/order", json=wanted))
    assert order["total_amount"] == "1999999999999980000000.00"


def test_a_body_of_exactly_one_mebibyte_is_read(client: FlaskClient) -> None:
    """One byte less than too large: refused for what it says, not for its size."""
    start, end = b'{"customer_name": "', b'"}'
    data = start + b"a" * ((1 << 20) - len(start) - len(end)) + end
    answer = client.post("/order", data=data, content_type="application/json")
    assert (len(data), answer.status_code) == (1 << 20, 422)


def test_every_fault_is_told_at_once(client: FlaskClient) -> None:
    """One answer lists all problems, so that a form can be mended in one go."""
    answer = client.post("/order", json={"items": [{"quantity": 0}], "note": "hi"})
    pointers = {each["pointer"] for each in body(answer)["errors"]}
    assert pointers == {"/customer_name", "/items/0/product", "/items/0/quantity", "/note"}


def test_an_answer_lists_a_hundred_faults_at_most(client: FlaskClient) -> None:
    """A body full of faults doesn't get a larger one back."""
    answer = client.post("/order", json={f"x{number}": 0 for number in range(5000)})
    assert len(body(answer)["errors"]) == 100


def test_a_short_shelf_is_told_with_what_is_there(client: FlaskClient) -> None:
    """409 names each product with what was wanted and what is available; lines are added up."""
    lines = [{"product": "mug", "quantity": 6}, {"product": "mug", "quantity": 5}]
    answer = client.post("/order", json={"customer_name": "Ada", "items": lines})
    assert answer.status_code == 409
    assert body(answer)["short"] == [{"product": "mug", "wanted": 11, "available": 10}]


def test_a_placed_order_is_confirmed_when_its_stock_is_held(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The first step of its life, made by the inventory and written down in the history."""
    place(client, tea=2)
    settled()
    order = read(client, "/order/1001")
    assert (order["status"], order["version"]) == ("confirmed", 2)
    assert [step["event"] for step in order["history"]] == ["placed", "confirmed"]


def test_an_order_that_may_wait_is_backordered(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """A product with back-orders is sold when the shelf is empty; nothing is held meanwhile."""
    place(client, pot=5, tea=1)
    settled()
    assert read(client, "/order/1001")["status"] == "backordered"
    assert read(client, "/product/tea")["reserved"] == 0


class TestUnlistedProducts:
    """DAYBOOK_UNLISTED_PRODUCTS=allow."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        """Products that are not in the catalogue may be ordered, in another currency."""
        return replace(config, unlisted_products=True, currency=Currency("JPY"))

    def test_an_unlisted_product_is_sold_at_the_amount_given(
        self, client: FlaskClient, app: Flask, settled: Callable[[], None]
    ) -> None:
        """No stock is kept of it, so the order is confirmed; its sku stands for its name."""
        line: dict[str, Any] = {"product": "gift", "quantity": 2, "amount": "450"}
        order = body(client.post("/order", json={"customer_name": "Ada", "items": [line]}))
        assert order["items"] == [line | {"name": "gift", "line_total": "900"}]
        assert (order["currency"], order["total_amount"]) == ("JPY", "900")
        settled()
        assert read(client, "/order/1001")["status"] == "confirmed"

    def test_an_unlisted_product_needs_an_amount(self, client: FlaskClient) -> None:
        """There is no price to take."""
        answer = client.post("/order", json=request_for(gift=1))
        assert answer.status_code == 422
        assert body(answer)["errors"][0]["pointer"] == "/items/0/amount"
