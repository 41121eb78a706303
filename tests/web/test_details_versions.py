"""Two people and the shop at work on one document: an edit is refused only for another edit."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.over_http import place, read
from tests.web.page import Form, Page

Settled = Callable[[], None]


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Four products."""


def edit_product(client: FlaskClient) -> Form:
    """Open the page of the mug; returns its form `The product`."""
    page = Page(client.get("/stock/mug"))
    fields = ("csrf_token", "version", "name", "price", "low_stock_threshold")
    return Form(page.address, {name: page.fields[name] for name in fields})


def edit_order(client: FlaskClient) -> Form:
    """Open the form of an order."""
    return Page(client.get("/desk/1001/edit")).form("/desk/1001")


def save(client: FlaskClient, form: Form, **typed: str) -> Page:
    """Send the form; returns the next page."""
    return Page(client.post(form.action, data=form.filled(**typed), follow_redirects=True))


def test_a_product_is_saved_after_a_sale(client: FlaskClient, settled: Settled) -> None:
    """A reservation made while its page was open does not make the form stale."""
    form = edit_product(client)
    place(client, mug=2)
    settled()
    assert read(client, "/product/mug")["reserved"] == 2
    assert save(client, form, do="edit", name="Big mug").status == 200
    assert read(client, "/product/mug")["name"] == "Big mug"
    assert read(client, "/product/mug")["reserved"] == 2


def test_a_product_is_not_saved_after_an_edit_of_another(
    client: FlaskClient, settled: Settled
) -> None:
    """Whatever was sold before and after that edit."""
    place(client, mug=1)
    settled()
    form, other = edit_product(client), edit_product(client)
    place(client, mug=1)
    settled()
    assert save(client, other, do="edit", price="13.00").status == 200
    place(client, mug=1)
    settled()
    refused = save(client, form, do="edit", name="Big mug")
    assert refused.status == 412
    assert "has changed meanwhile" in refused.text
    product = read(client, "/product/mug")
    assert (product["name"], product["price"]) == ("Mug", "13.00")


def test_an_order_is_saved_after_stock_and_payment(client: FlaskClient, settled: Settled) -> None:
    """It was waiting for stock when its form was opened."""
    place(client, pot=2)
    settled()
    before = read(client, "/order/1001")
    assert before["status"] == "backordered"
    form = edit_order(client)
    client.post("/product/pot/stock", json={"change": 5, "reason": "delivery"})
    settled()
    now = read(client, "/order/1001")
    assert now["status"] == "confirmed"
    assert now["version"] > before["version"]
    assert save(client, form, customer_name="Eva").status == 200
    assert read(client, "/order/1001")["customer_name"] == "Eva"


def test_an_order_is_not_saved_after_an_edit_of_another(
    client: FlaskClient, settled: Settled
) -> None:
    """Whatever the shop did before and after that edit."""
    place(client, tea=1)
    settled()
    form, other = edit_order(client), edit_order(client)
    lines = {"quantity.1": "3"}
    assert save(client, other, **lines).status == 200
    settled()
    refused = save(client, form, customer_name="Eva")
    assert refused.status == 412
    assert "has changed meanwhile" in refused.text
    order = read(client, "/order/1001")
    assert (order["customer_name"], order["items"][0]["quantity"]) == ("Ada", 3)


def test_an_order_is_not_deleted_after_a_change_by_the_shop(
    client: FlaskClient, settled: Settled
) -> None:
    """A deletion is confirmed for the order as the page shows it."""
    place(client, pot=2)
    settled()
    form = Page(client.get("/desk/1001/delete")).form("/delete")
    client.post("/product/pot/stock", json={"change": 5, "reason": "delivery"})
    settled()
    assert save(client, form).status == 412
    assert read(client, "/order/1001")["status"] == "confirmed"
