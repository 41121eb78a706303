"""The flow's page: the picture, the figures, and who sees what of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import Config
from app.events.subscriptions import subscribe
from app.server.runtime import Runtime
from app.store import Document
from app.web.flow.figures import Rates
from app.web.flow.picture import MANY, draw, in_order
from app.web.flow.standing import Snapshot, Standing
from tests.auth.people import make_user, signed_in
from tests.over_http import place, read
from tests.processes.servers import wait_for
from tests.transactions import transaction
from tests.web.page import Page

Settled = Callable[[], None]
HANDLERS = in_order({"orders", "inventory", "billing", "shipping", "notification"})


@pytest.fixture
def config(config: Config) -> Config:
    """With fault switches."""
    return replace(config, faults=True)


def flow(client: FlaskClient) -> Page:
    """Return the page."""
    return Page(client.get("/flow"))


def event(number: int, order: int = 1001) -> Document:
    """Return an event about an order."""
    about = {"order": {"number": order}}
    return {"id": f"{number:04}", "type": "order.placed", "subject": "x", "data": about}


def standing(number: int, place: str, handler: str = "billing", **more: Any) -> Standing:
    """Return a delivery that is under way."""
    return Standing(event(number, 1000 + number), handler, place, "pending")._replace(**more)


def test_a_quiet_shop_has_a_quiet_flow(client: FlaskClient, settled: Settled) -> None:
    """Nothing is on its way, and an open page need not request itself."""
    page = flow(client)
    assert "Every event has reached all its handlers." in page.text
    assert page.body["data-topics"] == "flow"


@pytest.mark.usefixtures("catalogue")
def test_an_order_is_in_picture_and_table(client: FlaskClient, settled: Settled) -> None:
    """Each of its deliveries has a mark with its order's number and a row; both are links."""
    place(client, tea=1)
    page = flow(client)
    event_id = read(client, "/order/1001/events")["events"][0]["event"]["id"]
    assert "1001" in page.by_id["tokens"]
    assert "Order placed, order 1001" in page.by_id["way"]
    assert page.links.count(f"/events/{event_id}") >= 2
    assert int(page.body["data-refresh-after"]) > 0
    settled()


@pytest.mark.usefixtures("catalogue")
def test_a_failure_and_a_switch_are_figures(client: FlaskClient, settled: Settled) -> None:
    """With the handler, in picture and table."""
    client.put("/fault/billing", json={"mode": "reject"})
    place(client, tea=1)
    settled()
    page = flow(client)
    assert "fault switch: reject" in page.by_id["handlers"]
    assert "switch: reject" in page.by_id["box-billing"]
    assert "1 failure" in page.by_id["boxes"]
    assert "Failed for good" in page.text


@pytest.mark.usefixtures("catalogue")
def test_figures_count_what_handlers_have_done(client: FlaskClient, settled: Settled) -> None:
    """Since the start of the server."""
    place(client, tea=1)
    settled()
    wait_for("it is counted", lambda: "1 done" in flow(client).by_id["box-billing"])


@pytest.mark.usefixtures("catalogue")
def test_subscribers_have_a_box_for_their_group(
    client: FlaskClient, runtime: Runtime, settled: Settled
) -> None:
    """While there are any, and also for events that wait for nobody else."""
    assert "box-webhook" not in flow(client).by_id
    with transaction(runtime.store) as tx:
        subscribe(tx, "webhook:one", ["order.placed"])
    place(client, tea=1)
    settled()
    page = flow(client)
    assert "box-webhook" in page.by_id
    assert "/flow/code/webhook" in page.links
    assert client.get("/flow/code/webhook").status_code == 200
    assert "1001" in page.by_id["tokens"]
    event = read(client, "/order/1001/events")["events"][0]
    assert "webhook:one" in event["deliveries"]


@pytest.mark.usefixtures("catalogue")
def test_a_clerk_reads_the_flow(app: Flask, client: FlaskClient, runtime: Runtime) -> None:
    """Its marks lead to the order; pages of operators are not linked."""
    place(client, tea=1)
    clerk = signed_in(app, "ada", "clerk")
    page = flow(clerk)
    assert "/desk/1001" in page.links
    assert not [link for link in page.links if link.startswith("/events")]


def test_a_stranger_does_not_see_the_flow(app: Flask, client: FlaskClient) -> None:
    """A customer is asked to sign in."""
    make_user(app, "ada", "clerk")
    assert client.get("/flow").status_code == 401


def test_open_pages_share_one_reading(client: FlaskClient) -> None:
    """Two refreshes at once read the store once, and the second says that it may be late."""
    script = {"Sec-Fetch-Dest": "empty"}
    client.get("/flow")
    client.post("/product", json={"sku": "cup", "name": "Cup", "price": "1.00"})
    assert "data-refresh-after" in Page(client.get("/flow", headers=script)).body


def test_deliveries_of_one_event_lie_on_each_other() -> None:
    """In the outbox an event is one mark, which its deliveries leave from; one is a link."""
    group = [standing(1, "outbox", handler) for handler in HANDLERS[:3]]
    tokens = draw(HANDLERS, Snapshot(group, is_cut=False)).tokens
    assert len({(each.x, each.y) for each in tokens}) == 1
    assert [each.is_covered for each in tokens] == [True, True, False]


@pytest.mark.parametrize("place", ["api", "journal", "outbox", "queue", "handler", "done"])
def test_what_nobody_can_follow_is_one_token(place: str) -> None:
    """Too many at one place are merged into one with their number."""
    few = draw(HANDLERS, Snapshot([standing(1, place)], is_cut=False)).tokens
    assert [each.label for each in few] == ["1001"]
    group = [standing(number, place) for number in range(1, 40)]
    [token] = draw(HANDLERS, Snapshot(group, is_cut=True)).tokens
    assert (token.number, token.standing) == (39, None)
    assert token.label.startswith("39+ ")


def test_failures_of_all_handlers_are_in_one_place() -> None:
    """Up to as many as have room; merged ones in several states say so."""
    group = [standing(1, "failure", "billing"), standing(2, "failure", "orders")]
    tokens = draw(HANDLERS, Snapshot(group, is_cut=False)).tokens
    assert len({each.y for each in tokens}) == 1
    mixed = [standing(number, "handler") for number in range(20)]
    mixed += [standing(21, "handler", state="retry", next_in_s=3)]
    [token] = draw(HANDLERS, Snapshot(mixed, is_cut=False)).tokens
    assert token.state == MANY


def test_a_retry_shows_its_countdown() -> None:
    """Beside the order's number."""
    retry = standing(1, "handler", state="retry", next_in_s=3)
    [token] = draw(HANDLERS, Snapshot([retry], is_cut=False)).tokens
    assert token.label == "1001·3s"


def test_tokens_lie_inside_their_boxes() -> None:
    """At every place, as many as are drawn one by one."""
    stations = (("api", ""), ("journal", ""), ("outbox", ""))
    rows = (("handler", "orders"), ("done", "shipping"), ("failure", "billing"))
    for where, handler in (*stations, *rows):
        for count in range(1, 6):
            group = [standing(number, where, handler or "billing") for number in range(count)]
            picture = draw(HANDLERS, Snapshot(group, is_cut=False))
            box = picture.boxes[handler if where == "handler" else where]
            for token in picture.tokens:
                assert box.x <= token.x - token.width / 2
                assert token.x + token.width / 2 <= box.right
                assert box.y <= token.y - 11 < token.y + 11 <= box.y + box.height


@pytest.mark.parametrize("where", ["done", "failure", "api", "outbox"])
def test_merged_tokens_have_room(where: str) -> None:
    """Also with the largest number that one read can give."""
    group = [standing(number, where) for number in range(999)]
    picture = draw(HANDLERS, Snapshot(group, is_cut=True))
    [token], box = picture.tokens, picture.boxes[where]
    assert box.x <= token.x - token.width / 2
    assert token.x + token.width / 2 <= box.right


def test_unknown_handlers_have_rows_too() -> None:
    """Below those that every shop has."""
    assert in_order({"webhooks", "billing", "audit"}) == ["billing", "audit", "webhooks"]


def test_rates_begin_with_the_second_sample() -> None:
    """A rate is the mean over a few seconds, and begins anew after a pause."""
    times = iter([100.0, 102.0, 600.0])
    rates = Rates(lambda: next(times))
    assert rates.of({"billing": 10}) == {}
    assert rates.of({"billing": 30, "orders": 1}) == {"billing": 10.0}
    assert rates.of({"billing": 30}) == {}
