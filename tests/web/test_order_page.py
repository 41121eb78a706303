"""The page of an order: /orders/{order_id}."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Config
from tests.over_http import place
from tests.web.page import Page


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches, to have a handler fail."""
    return replace(config, faults=True)


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


def test_the_page_tells_the_order(client: FlaskClient) -> None:
    """Number, status, customer, lines and total; by id and by number."""
    order_id = place(client, "Ada <i>", tea=2, mug=1)["order_id"]
    text = Page(client.get(f"/orders/{order_id}")).text
    for part in ("Order 1001", "Ada <i>", "Assam, 100 g 2 4.50 9.00", "Total 21.00"):
        assert part in text
    assert Page(client.get("/orders/1001")).status == 200


def test_the_page_loads_itself_again_while_a_handler_is_to_be_heard_of(
    client: FlaskClient,
) -> None:
    """And says what is still on its way."""
    client.put("/fault/notification", json={"mode": "slow", "delay_s": 60})
    place(client, tea=1)
    page = Page(client.get("/orders/1001"))
    assert page.metas == {"refresh": "2"}
    assert "notification: on its way" in page.text


def test_the_page_rests_when_all_is_done(client: FlaskClient, settled: Callable[[], None]) -> None:
    """Confirmed, every handler done, and no more reloading."""
    place(client, tea=1)
    settled()
    page = Page(client.get("/orders/1001"))
    assert page.metas == {}
    for part in ("confirmed", "inventory: done", "billing: done", "orders: done"):
        assert part in page.text


def test_a_failure_is_shown_and_what_waits_behind_it(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """Without the error itself; nothing moves until an operator acts, so the page rests."""
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    settled()
    client.post("/order/1001/cancel", json={"reason": "ordered twice"})
    settled()
    page = Page(client.get("/orders/1001"))
    assert page.metas == {}
    for part in ("(ordered twice)", "billing: failed, kept for replay", "billing: waits behind"):
        assert part in page.text
    assert "fault switch" not in page.text


@pytest.mark.parametrize("order_id", ["1", "latest", "%00", "01890a5d-ac96-774b-bcce-b302099a8057"])
def test_an_unknown_order_is_a_page_too(client: FlaskClient, order_id: str) -> None:
    """404, in words, with a way on."""
    page = Page(client.get(f"/orders/{order_id}"))
    assert (page.status, page.links[-1]) == (404, "/")
    assert "There is no order" in page.text
