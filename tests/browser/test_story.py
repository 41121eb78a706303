"""The story of an order from basket to delivery, on open pages of all roles."""

import json
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook

from tests.browser.conftest import CARRIER_SECRET, Open, order_by_http
from tests.processes.servers import Server

pytestmark = pytest.mark.deep


def place(customer: Page) -> None:
    """Order two pocket notebooks by the form."""
    customer.get_by_label("Pocket notebook A6, ruled").fill("2")
    customer.get_by_label("Your name").fill("Ada Lovelace")
    customer.get_by_label("E-mail").fill("ada@example.org")
    customer.get_by_role("button", name="Place order").click()


def mark(page: Page) -> None:
    """Mark the document; a reload would lose the mark."""
    page.evaluate("document.isTheSame = true")


def is_marked(page: Page) -> bool:
    """Return whether the page has not been reloaded since it was marked."""
    return bool(page.evaluate("document.isTheSame === true"))


def call_back(shop: Server, order: dict[str, Any], tracking_number: str) -> None:
    """Send the carrier's signed message that the parcel was delivered."""
    body, at = json.dumps({"tracking_number": tracking_number}), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(CARRIER_SECRET).sign("msg_1", at, body),
        "Content-Type": "application/json",
    }
    connection = HTTPConnection("127.0.0.1", shop.port)
    connection.request("POST", f"/shipment/{order['order_id']}/delivered", body, headers)
    assert connection.getresponse().status == 200
    connection.close()


def test_an_order_is_followed_live_to_its_delivery(shop: Server, person: Open) -> None:
    """Place, confirm, edit, ship, deliver: all pages refresh without a reload."""
    desk = person("/desk")
    expect(desk.get_by_text("There are no orders yet.")).to_be_visible()
    mark(desk)
    customer = person("/")
    customer.get_by_label("Pocket notebook A6, ruled").fill("3")
    expect(customer.get_by_text("13.50 EUR", exact=True)).to_be_visible()

    place(customer)
    customer.wait_for_url("**/orders/*")
    mark(customer)
    expect(customer.get_by_role("heading", level=1)).to_contain_text("reserved for you")
    expect(customer.locator("#lines")).to_contain_text("9.00")

    # the desk has the order, though nobody asked for it
    row = desk.get_by_role("row").filter(has_text="Ada Lovelace")
    expect(row).to_contain_text("confirmed")
    assert is_marked(desk)
    row.get_by_role("link", name="1001").click()

    # the clerk changes it, and the customer sees that
    desk.get_by_role("link", name="Edit").click()
    desk.get_by_label("Quantity, line 1").fill("5")
    desk.get_by_role("button", name="Save").click()
    expect(customer.locator("#lines")).to_contain_text("22.50")
    expect(customer.locator("#story")).to_contain_text("Order changed")

    # the warehouse hands it over
    warehouse = person("/shipping")
    warehouse.get_by_role("row").filter(has_text="5 × Pocket notebook").get_by_role("link").click()
    warehouse.get_by_label("Carrier").fill("DHL")
    warehouse.get_by_label("Tracking number").fill("JD0146")
    mark(desk)
    warehouse.get_by_role("button", name="Mark as shipped").click()
    expect(warehouse.get_by_text("Order 1001 is with the carrier.")).to_be_visible()
    expect(customer.get_by_role("heading", level=1)).to_contain_text("on its way to you")
    expect(desk.locator("#title")).to_contain_text("shipped")
    expect(desk.locator("#story")).to_contain_text("Handed to the carrier")
    assert is_marked(desk)

    # and the carrier calls back
    call_back(shop, shop.request("GET", "/order/1001")[1], "JD0146")
    expect(customer.get_by_role("heading", level=1)).to_contain_text("has arrived")
    assert is_marked(customer)

    # what is deleted is gone from open pages too
    other = order_by_http(shop, {"pencil-hb": 1})
    customer.goto(f"/orders/{other['link']}")
    expect(customer.get_by_role("heading", level=1)).to_contain_text("reserved for you")
    assert shop.request("DELETE", "/order/1002")[0] == 200
    expect(customer.get_by_text("There is no order under this link")).to_be_visible()

    # her mails can be read as she does
    clerk = person("/mail")
    expect(clerk.get_by_role("listitem").filter(has_text="ada@example.org").first).to_be_visible()


def test_a_failure_appears_and_is_replayed(shop: Server, person: Open) -> None:
    """Fault switch, order, failure, replay: afterwards nothing is left."""
    operator = person("/events")
    operator.get_by_label("What it does").select_option("reject")
    operator.get_by_role("button", name="Switch on").click()
    expect(operator.get_by_text("fails in a way that cannot pass").first).to_be_visible()
    mark(operator)

    order_by_http(shop, {"pencil-hb": 1})
    failure = operator.locator("#failures").get_by_role("row").filter(has_text="order 1001")
    expect(failure).to_contain_text("a fault switch is on for billing (reject)")
    expect(operator.locator("#outbox")).to_contain_text("billing failed")
    shop.request("POST", "/order/1001/cancel", {})
    expect(operator.locator("#outbox")).to_contain_text("billing waits behind a failure")
    assert is_marked(operator)
    another = person("/events")
    mark(another)

    operator.get_by_role("button", name="Switch off").click()
    operator.get_by_label("Choose billing, order.placed").check()
    operator.get_by_role("button", name="Replay the chosen").click()
    for each in (operator, another):
        expect(each.get_by_text("Nothing has failed.")).to_be_visible()
    assert is_marked(another)
    expect(operator.get_by_text("Every event has reached all its handlers.")).to_be_visible()


def test_the_overview_is_live(shop: Server, person: Open) -> None:
    """Figures, charts and lists, without a reload; an open table stays open."""
    manager = person("/overview")
    expect(manager.get_by_text("· live")).to_be_visible()
    mark(manager)
    manager.get_by_text("The charts as a table").click()
    order_by_http(shop, {"atlas-small": 12})
    expect(manager.locator("#figures")).to_contain_text("Orders today1")
    expect(manager.locator("#figures")).to_contain_text("EUR today252.00")
    expect(manager.locator("#low-list")).to_contain_text("A Small Atlas of Large Rivers")
    expect(manager.locator("#delays")).to_contain_text("notification")
    expect(manager.locator("#days")).to_contain_text("252.00")
    shop.request("PUT", "/fault/billing", {"mode": "reject"})
    order_by_http(shop, {"pencil-hb": 1})
    expect(manager.locator("#failed-list")).to_contain_text("billing 1")
    assert is_marked(manager)


def test_stock_badges_are_live(shop: Server, person: Open) -> None:
    """Other customers' orders change them; typed values stay."""
    customer = person("/")
    customer.get_by_label("Your name").fill("Grace")
    mark(customer)
    card = customer.get_by_role("listitem").filter(has_text="A Small Atlas of Large Rivers")
    expect(card).to_contain_text("In stock")
    order_by_http(shop, {"atlas-small": 10})
    expect(card).to_contain_text("Only 2 left")
    manager = person("/stock/atlas-small")
    manager.get_by_label("Counted on the shelf").fill("50")
    manager.get_by_role("button", name="Set to what was counted").click()
    expect(card).to_contain_text("In stock")
    customer.get_by_label("Pencil HB, cedar").fill("2")
    shop.request("PATCH", "/product/pencil-hb", {"price": "1.50"})
    expect(customer.locator("#basket-total")).to_have_text("3.00 EUR")
    assert customer.get_by_label("Your name").input_value() == "Grace"
    assert is_marked(customer)
