"""The customer's page of an order: /orders/{link}."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.over_http import place, read
from tests.web.page import Page, send


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


def test_the_page_shows_the_order(client: FlaskClient) -> None:
    """Number, customer, lines and total, all escaped."""
    order = place(client, "Ada <i>", tea=2, mug=1)
    text = Page(client.get(f"/orders/{order['link']}")).text
    for part in ("Order 1001", "Ada <i>", "Assam, 100 g 2 × 4.50 9.00", "Total 21.00"):
        assert part in text


def test_the_page_shows_the_progress(client: FlaskClient, settled: Callable[[], None]) -> None:
    """Without JavaScript it reloads itself while the order is being processed."""
    order = place(client, tea=1)
    settled()
    page = Page(client.get(f"/orders/{order['link']}"))
    assert "Everything you ordered is reserved for you" in page.by_id["state"]
    assert page.by_id["steps"].split()[0] == "placed"
    assert page.metas == {}
    waiting = place(client, pot=2)
    settled()
    page = Page(client.get(f"/orders/{waiting['link']}"))
    assert "your order waits until it is back" in page.by_id["state"]
    assert page.metas == {"refresh": "4"}


def test_only_the_whole_link_is_found(client: FlaskClient) -> None:
    """An id or a number, which can be guessed, is answered like an unknown link."""
    order = place(client, tea=1)
    other = place(client, tea=1)
    link = order["link"]
    wrong = (order["order_id"], "1001", "1001-", link[:-1], f"{link}a", link.swapcase(),
             other["link"].replace("1002", "1001"), "latest", "%00", "1001-\u00e9")  # fmt: skip
    answers = [client.get(f"/orders/{name}") for name in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({Page(answer).text for answer in answers}) == 1


def test_links_are_random(client: FlaskClient) -> None:
    """Each has 128 random bits."""
    secrets = {place(client, tea=1)["link"].partition("-")[2] for _ in range(20)}
    assert len(secrets) == 20
    assert {len(secret) for secret in secrets} == {22}


def test_a_customer_cancels(client: FlaskClient, settled: Callable[[], None]) -> None:
    """The reason is recorded, and the form is gone."""
    order = place(client, tea=1)
    settled()
    page = Page(client.get(f"/orders/{order['link']}"))
    after = send(client, page, "/cancel", reason="too late for the party")
    assert "This order was cancelled. Reason: too late for the party" in after.text
    assert [action for action in after.forms if action.endswith("/cancel")] == []
    assert read(client, "/order/1001")["status"] == "cancelled"


def test_a_refused_reason_is_kept(client: FlaskClient, settled: Callable[[], None]) -> None:
    """422 on the order's page, with the error beside the field."""
    order = place(client, tea=1)
    settled()
    page = Page(client.get(f"/orders/{order['link']}"))
    refused = send(client, page, "/cancel", reason="a" * 501)
    assert refused.status == 422
    assert refused.by_id["reason-error"] == "Reason must have 1 to 500 characters."
    assert refused.fields["reason"]["value"] == "a" * 501
    assert read(client, "/order/1001")["status"] == "confirmed"


def test_cancelling_too_late_shows_the_conflict(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """409 on the order's page, which says why and offers no second attempt; nothing changes."""
    order = place(client, tea=1)
    settled()
    page = Page(client.get(f"/orders/{order['link']}"))
    parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
    assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
    settled()
    refused = send(client, page, "/cancel", reason="too late")
    assert refused.status == 409
    assert "Order 1001 is shipped" in refused.text
    assert "Your order is on its way to you." in refused.by_id["state"]
    assert [action for action in refused.forms if action.endswith("/cancel")] == []
    assert read(client, "/order/1001")["status"] == "shipped"


def test_cancelling_twice_keeps_the_first_reason(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """The page shows it also after the refund, which is the last entry of the history."""
    order = place(client, pot=1)
    settled()
    page = Page(client.get(f"/orders/{order['link']}"))
    client.post("/order/1001/cancel", json={"reason": "ordered twice"})
    settled()
    after = send(client, page, "/cancel", reason="too late")
    assert after.status == 200
    assert "This order was cancelled. Reason: ordered twice" in after.text


def test_cancelling_a_deleted_order_is_not_found(client: FlaskClient) -> None:
    """404 when the order was deleted while its page was open."""
    order = place(client, pot=1)
    page = Page(client.get(f"/orders/{order['link']}"))
    client.delete("/order/1001")
    refused = send(client, page, "/cancel")
    assert refused.status == 404
    assert "or the order was deleted" in refused.text


def test_a_paid_order_has_a_receipt(client: FlaskClient, settled: Callable[[], None]) -> None:
    """Under the customer's link and on the clerk's page; 404 under another link."""
    order = place(client, tea=1)
    settled()
    page = Page(client.get(f"/orders/{order['link']}"))
    [link] = [each for each in page.links if each.endswith("/receipt.pdf")]
    receipt = client.get(link)
    assert (receipt.status_code, receipt.mimetype) == (200, "application/pdf")
    assert receipt.data == client.get("/order/1001/receipt.pdf").data
    assert "/order/1001/receipt.pdf" in Page(client.get("/desk/1001")).links
    assert client.get("/orders/1001-x/receipt.pdf").status_code == 404


def test_an_unpaid_order_has_no_receipt(client: FlaskClient, settled: Callable[[], None]) -> None:
    """409, and no link on the page."""
    request = {"customer_name": "Ada", "payment_method": "invoice"}
    order = client.post("/order", json=request | {"items": [{"product": "tea", "quantity": 1}]})
    settled()
    address = f"/orders/{order.get_json()['link']}"
    assert f"{address}/receipt.pdf" not in Page(client.get(address)).links
    assert client.get(f"{address}/receipt.pdf").status_code == 409
