"""Several orders handed to one carrier at once: /shipping/chosen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Config
from app.store.files.disk.locks import ProcessLock
from app.web.clerk.several_shipments import MAX_CHOSEN
from tests.over_http import place, read
from tests.web.page import Page

Settled = Callable[[], None]


@pytest.fixture(autouse=True)
def orders(client: FlaskClient, catalogue: dict[str, str], settled: Settled) -> None:
    """Three orders that are ready to be packed."""
    for name in ("Ada <i>", "Grace", "Mary"):
        place(client, name, tea=2)
    settled()


def chosen(client: FlaskClient, *names: object) -> Page:
    """Return the page with these orders chosen."""
    return Page(client.get("/shipping/chosen", query_string={"order": names}))


def ship(client: FlaskClient, page: Page, carrier: str, **numbers: str) -> Page:
    """Return what follows the form with the carrier and tracking numbers: ship(…, _1001="JD1")."""
    typed: dict[str, Any] = {f"tracking_number.{name[1:]}": text for name, text in numbers.items()}
    form = page.form("/chosen")
    filled = form.filled(carrier=carrier, **typed)
    return Page(client.post(form.action, data=filled, follow_redirects=True))


def statuses(client: FlaskClient, settled: Settled) -> list[str]:
    """Return the states of the three orders."""
    settled()
    return [read(client, f"/order/{number}")["status"] for number in (1001, 1002, 1003)]


def test_orders_are_chosen_in_the_list(client: FlaskClient) -> None:
    """Each that is ready has a box; the form leads to the page, also for all of them."""
    page = Page(client.get("/shipping"))
    assert {"type": "checkbox", "value": "1001"}.items() <= page.fields["order"].items()
    assert "/shipping/chosen" in page.forms
    assert "/shipping/chosen?order=1001&order=1002&order=1003" in page.links


def test_each_order_has_a_tracking_number(client: FlaskClient) -> None:
    """There is one carrier, and a field for each order, once however it is named."""
    order_id = read(client, "/order/1001")["order_id"]
    page = chosen(client, 1001, 1003, order_id, 1001)
    names = {name for name in page.form("/chosen").fields if name != "csrf_token"}
    assert names == {"carrier", "tracking_number.1001", "tracking_number.1003"}
    assert "Order 1001 Ada <i>: 2 × Assam, 100 g" in page.text
    assert page.status == 200


def test_chosen_orders_are_shipped(client: FlaskClient, settled: Settled) -> None:
    """Each outcome is listed; a page that is requested again says the same."""
    page = chosen(client, 1001, 1002)
    after = ship(client, page, "DHL", _1001="JD1", _1002="JD2")
    assert after.status == 200
    assert "1001 is with DHL JD1" in after.text
    assert "1002 is with DHL JD2" in after.text
    assert "/shipping/chosen" not in after.forms
    assert statuses(client, settled) == ["shipped", "shipped", "confirmed"]
    assert "1001 is with DHL JD1" in chosen(client, 1001).text


def test_a_refused_row_is_kept(client: FlaskClient, settled: Settled) -> None:
    """The others leave; the row has its error at its field, with what was typed."""
    page = chosen(client, 1001, 1002, 1003)
    long = "x" * 101
    after = ship(client, page, "DHL", _1001="", _1002="JD2", _1003=long)
    assert after.status == 422
    assert "1002 is with DHL JD2" in after.text
    required = "Order 1001: tracking number is required."
    assert after.by_id["tracking_number.1001-error"] == required
    assert after.fields["tracking_number.1001"]["aria-invalid"] == "true"
    assert after.fields["tracking_number.1003"]["value"] == long
    assert after.fields["carrier"]["value"] == "DHL"
    assert "tracking_number.1002" not in after.fields
    corrected = ship(client, after, "DHL", _1001="JD1", _1003="JD3")
    assert corrected.status == 200
    assert statuses(client, settled) == ["shipped"] * 3


def test_without_a_carrier_nothing_leaves(client: FlaskClient, settled: Settled) -> None:
    """The error is at the carrier's field, and the tracking numbers are kept."""
    after = ship(client, chosen(client, 1001, 1002), " ", _1001="JD1", _1002="JD2")
    assert after.status == 422
    assert after.by_id["carrier-error"] == "Carrier is required."
    assert after.fields["tracking_number.1002"]["value"] == "JD2"
    assert statuses(client, settled) == ["confirmed"] * 3


def test_an_order_that_cannot_be_shipped_has_a_reason(
    client: FlaskClient, settled: Settled
) -> None:
    """And no field: one that waits, one that has ended, one that there is not."""
    place(client, "Joan", pot=3)
    client.post("/order/1002/cancel")
    settled()
    page = chosen(client, 1002, 1004, 9999, "<b>")
    assert page.forms.keys() == set()
    assert "Order 1002 is cancelled; it cannot be shipped." in page.text
    assert "Order 1004 waits for stock; it cannot be shipped yet." in page.text
    assert "There is no order 9999." in page.text
    assert "There is no order <b>." in page.text


def test_what_happens_meanwhile_is_an_outcome(client: FlaskClient, settled: Settled) -> None:
    """An order that was cancelled, or has left with another carrier, while the form was open."""
    page = chosen(client, 1001, 1002, 1003)
    client.post("/order/1001/cancel")
    parcel = {"carrier": "Post", "tracking_number": "P2"}
    client.post("/shipment/1002/ship", json=parcel)
    settled()
    after = ship(client, page, "DHL", _1001="JD1", _1002="JD2", _1003="JD3")
    assert after.status == 409
    assert "Order 1001 is cancelled; it cannot be shipped." in after.text
    assert "Order 1002 has left already, with Post under the tracking number P2." in after.text
    assert "1003 is with DHL JD3" in after.text
    assert statuses(client, settled) == ["cancelled", "shipped", "shipped"]


def test_none_chosen_is_an_error(client: FlaskClient) -> None:
    """In words, with the way back to the list; the same for a form without orders."""
    page = chosen(client)
    assert page.status == 422
    assert "Choose at least one order in the list." in page.text
    assert "/shipping" in page.links
    form = chosen(client, 1001).form("/chosen")
    sent = client.post(form.action, data={"csrf_token": form.filled()["csrf_token"]})
    assert (sent.status_code, "Choose at least one order in the list." in sent.text) == (422, True)


def test_too_many_chosen_are_an_error(client: FlaskClient) -> None:
    """One more than a page of the list has."""
    assert chosen(client, *range(1001, 1001 + MAX_CHOSEN)).status == 200
    page = chosen(client, *range(1001, 1002 + MAX_CHOSEN))
    assert page.status == 422
    assert f"Choose at most {MAX_CHOSEN} orders at a time." in page.text


def test_the_form_needs_its_token(client: FlaskClient, settled: Settled) -> None:
    """A form of another site ships nothing."""
    fields = {"carrier": "DHL", "tracking_number.1001": "JD1"}
    assert client.post("/shipping/chosen", data=fields).status_code == 403
    assert statuses(client, settled) == ["confirmed"] * 3


class TestLockedStore:
    """Another process holds the store's lock."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        """With a short wait for the lock."""
        return replace(config, lock_timeout=0.5)

    def test_nothing_typed_is_lost_while_the_store_is_locked(
        self, client: FlaskClient, config: Config, settled: Settled
    ) -> None:
        """503 in words, with the form as it was; it can be sent again."""
        page = chosen(client, 1001, 1002)
        lock = ProcessLock(config.data / "store.lock")
        assert lock.acquire(5.0)
        try:
            after = ship(client, page, "DHL", _1001="JD1", _1002="JD2")
        finally:
            lock.release()
        assert after.status == 503
        assert "Please check this" in after.text
        assert after.fields["tracking_number.1002"]["value"] == "JD2"
        assert ship(client, after, "DHL", _1001="JD1", _1002="JD2").status == 200
        assert statuses(client, settled) == ["shipped", "shipped", "confirmed"]
