"""The shipping pages: list, packing list, and handover to the carrier."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.server.runtime import Runtime
from app.shipping.documents import SHIPMENTS
from tests.over_http import place, read
from tests.transactions import transaction
from tests.web.page import Page, send

Order = dict[str, Any]


@pytest.fixture
def config(config: Config) -> Config:
    """With fault injection, to make a handler fail."""
    return replace(config, faults=True)


@pytest.fixture
def order(client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]) -> Order:
    """An order that is ready to be packed, and another that waits for stock."""
    placed = place(client, "Ada <i>", tea=2, mug=1)
    place(client, "Grace", pot=3)
    settled()
    return placed


def test_the_list_shows_ready_shipments(client: FlaskClient, order: Order) -> None:
    """Waiting shipments have a list of their own, with what they wait for."""
    page = Page(client.get("/shipping"))
    assert "1001 Ada <i> 2 × Assam, 100 g 1 × Mug" in page.text
    assert "1002" not in page.text
    assert "1002 Grace 3 × Teapot stock" in Page(client.get("/shipping?state=waiting")).text


def test_the_packing_list_has_every_line(client: FlaskClient, order: Order) -> None:
    """With quantity, name and sku."""
    text = Page(client.get("/shipping/list")).text
    assert "Order 1001 Ada <i> 2 × Assam, 100 g tea 1 × Mug mug" in text


@pytest.fixture
def many_ready(order: Order, runtime: Runtime) -> list[int]:
    """Numbers of 210 orders that are ready to be packed, oldest first."""
    with transaction(runtime.store) as tx:
        shipment = tx.get(SHIPMENTS.name, order["order_id"])
        assert shipment
        for number in range(1, 210):
            copy = {
                "shipment_id": f"{order['order_id']}-{number:03}",
                "order_number": 5000 + number,
            }
            tx.put(SHIPMENTS.name, shipment | copy)
    return [1001, *range(5001, 5210)]


def following(client: FlaskClient, path: str) -> list[Page]:
    """Return all pages of a list, from the first on, by their links to the next one."""
    pages = [Page(client.get(path))]
    while links := [
        link
        for link in pages[-1].links
        if "cursor=" in link or link.endswith(f"page={len(pages) + 1}")
    ]:
        pages.append(Page(client.get(path + links[0])))
    return pages


def test_every_shipment_is_on_a_page(client: FlaskClient, many_ready: list[int]) -> None:
    """Fifty at a time; each once."""
    pages = following(client, "/shipping")
    text = " ".join(page.by_id["shipments"] for page in pages)
    numbers = [int(number) for number in re.findall(r"\b(1001|5\d{3})\b", text)]
    assert numbers == many_ready
    assert len(pages) == 5


def test_the_packing_list_is_not_cut_silently(client: FlaskClient, many_ready: list[int]) -> None:
    """It says how many orders it has of how many, and links to the list with the others."""
    first, second = following(client, "/shipping/list")
    assert "200 of 210 orders" in first.text
    assert "10 of 210 orders" in second.text
    numbers = re.findall(r"Order (\d+) Ada", first.text + second.text)
    assert [int(number) for number in numbers] == many_ready


def test_a_shipment_is_handed_over(
    client: FlaskClient, order: Order, settled: Callable[[], None]
) -> None:
    """The order becomes shipped, and its pages show carrier and tracking number."""
    page = Page(client.get(f"/shipping/{order['order_id']}"))
    after = send(client, page, page.address, carrier="DHL <express>", tracking_number="JD0146")
    assert "Order 1001 is with the carrier." in after.text
    settled()
    assert read(client, "/order/1001")["status"] == "shipped"
    assert "DHL <express>, JD0146" in Page(client.get("/desk/1001")).text
    assert "DHL <express>, JD0146" in Page(client.get("/shipping?state=shipped")).text
    again = Page(client.get(page.address))
    assert (again.forms, "Tracking JD0146" in again.text) == ({}, True)


def test_a_handover_without_a_tracking_number_is_refused(client: FlaskClient, order: Order) -> None:
    """422 beside the field, with the typed values kept."""
    page = Page(client.get(f"/shipping/{order['order_id']}"))
    after = send(client, page, page.address, carrier="DHL")
    assert after.status == 422
    assert after.by_id["tracking_number-error"].strip() == "Tracking number is required."
    assert after.fields["carrier"]["value"] == "DHL"
    assert read(client, "/order/1001")["status"] == "confirmed"


def test_a_cancelled_order_cannot_be_shipped(client: FlaskClient, order: Order) -> None:
    """409 when the order was cancelled while the page was open."""
    page = Page(client.get(f"/shipping/{order['order_id']}"))
    fault = {"mode": "reject"}  # the cancelled order's shipment stays in the list
    assert client.put("/fault/shipping", json=fault).status_code == 200
    client.post("/order/1001/cancel")
    after = send(client, page, page.address, carrier="DHL", tracking_number="JD0146")
    assert after.status == 409
    assert read(client, "/order/1001")["status"] == "cancelled"


def test_the_carrier_of_the_last_hand_over_is_filled_in(
    client: FlaskClient, catalogue: dict[str, str], settled: Callable[[], None]
) -> None:
    """Whichever order it was of; the other carriers of late are offered. An emptied field stays."""
    orders = [place(client, tea=1) for _ in range(3)]
    settled()
    address = f"/shipping/{orders[2]['order_id']}"
    assert Page(client.get(address)).fields["carrier"]["value"] == ""
    for number, carrier in ((1002, "DHL"), (1001, "Post <i>")):
        parcel = {"carrier": carrier, "tracking_number": f"JD{number}"}
        assert client.post(f"/shipment/{number}/ship", json=parcel).status_code == 200
    page = Page(client.get(address))
    assert page.fields["carrier"]["value"] == "Post <i>"
    assert page.options["carriers"] == ["Post <i>", "DHL"]
    refused = send(client, page, address, carrier="", tracking_number="JD1003")
    assert refused.fields["carrier"]["value"] == ""
