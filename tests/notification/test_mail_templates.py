"""Who is written to, about what; and when nobody is, with the reason in the timeline."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.config import Config, from_environment
from app.config.readers import MAILS
from app.events.outbox import emit
from app.events.registry import Skipped
from app.events.types import ProductLowStock
from app.kernel.errors import Invalid
from app.notification.mail_templates import template_for
from app.server.runtime import Runtime
from tests.notification.conftest import about, event, parsed, text_of
from tests.over_http import read

Settled = Callable[[], None]
PARCEL = {"carrier": "DHL", "tracking_number": "JD0146"}


def order(client: FlaskClient, email: str | None = "ann@example.com", /, **lines: int) -> None:
    """Ann orders."""
    items = [{"product": sku, "quantity": quantity} for sku, quantity in lines.items()]
    wanted = {"customer_name": "Ann", "customer_email": email, "items": items}
    assert client.post("/order", json=wanted).status_code == 201


def subjects(config: Config) -> list[str]:
    """The subjects of all mails in the folder, in the order of their events."""
    paths: list[Path] = sorted((config.data / "mail/new").iterdir())
    return [str(parsed(path.read_bytes())["Subject"]) for path in paths]


def note_of(client: FlaskClient, event_type: str) -> Any:
    """What the delivery of an event to notification says, beside that it is done."""
    records = read(client, "/order/1001/events")["events"]
    [record] = [each for each in records if each["event"]["type"] == event_type]
    delivery = record["deliveries"]["notification"]
    assert delivery["state"] == "done"
    return delivery.get("note")


@pytest.mark.usefixtures("catalogue")
def test_what_a_customer_hears_of_an_order(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Placed, changed, on its way; not that it is confirmed: that was to be expected."""
    order(client, tea=1)
    settled()
    client.patch("/order/1001", json={"items": [{"product": "tea", "quantity": 2}]})
    settled()
    client.post("/shipment/1001/ship", json=PARCEL)
    settled()
    assert [each for each in subjects(config) if "Receipt" not in each] == [
        "Your order 1001",
        "Your order 1001 was changed",
        "Your order 1001 is on its way",
    ]
    [path] = [
        path
        for path in (config.data / "mail/new").iterdir()
        if "on its way" in str(parsed(path.read_bytes())["Subject"])
    ]
    assert "Tracking number: JD0146" in text_of(parsed(path.read_bytes()))


@pytest.mark.usefixtures("catalogue")
def test_what_a_customer_hears_who_has_to_wait(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Which product is short; and, should he lose patience, that the order was cancelled."""
    order(client, pot=2)
    settled()
    client.post("/order/1001/cancel", json={"reason": "took too long"})
    settled()
    told = [each for each in subjects(config) if "1001" in each and "Receipt" not in each]
    assert told[:3] == [
        "Your order 1001",
        "Your order 1001 has to wait",
        "Your order 1001 was cancelled",
    ]


@pytest.mark.usefixtures("catalogue")
def test_an_order_without_an_address_gets_no_mail_and_says_so(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """That is no failure; the timeline has the reason."""
    order(client, None, tea=1)
    settled()
    assert note_of(client, "order.placed") == "no mail: the order has no e-mail address"
    assert not (config.data / "mail").exists()


@pytest.mark.usefixtures("catalogue")
def test_what_is_not_sent_says_why(client: FlaskClient, settled: Settled) -> None:
    """Also where it is for the shop to decide."""
    order(client, tea=1)
    settled()
    assert note_of(client, "order.placed") is None
    assert note_of(client, "inventory.reserved") == "no mail: DAYBOOK_MAILS does not name confirmed"


class TestManager:
    """Who minds the stock."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, manager_email="boss@localhost")

    def test_the_manager_hears_of_low_stock(
        self, runtime: Runtime, config: Config, settled: Settled
    ) -> None:
        """Which product, how many are left."""
        self.run_low(runtime, settled)
        [path] = (config.data / "mail/new").iterdir()
        mail = parsed(path.read_bytes())
        assert (mail["To"], mail["Subject"]) == ("boss@localhost", "Low stock: Mug")
        assert "2 available, the threshold is 3" in text_of(mail)

    def run_low(self, runtime: Runtime, settled: Settled) -> None:
        product = {"sku": "mug", "name": "Mug", "available": 2, "low_stock_threshold": 3}
        with runtime.transaction() as tx:
            emit(tx, ProductLowStock("mug", {"product": product}))
        settled()


def test_without_a_manager_nobody_is_told_of_low_stock(
    runtime: Runtime, config: Config, settled: Settled
) -> None:
    """The delivery's record says what to set."""
    TestManager().run_low(runtime, settled)
    assert not (config.data / "mail").exists()
    with runtime.read() as view:
        [event_id] = view.keys("events")
        delivery = (view.get("events", event_id) or {})["deliveries"]["notification"]
    assert delivery["note"] == "no mail: DAYBOOK_MANAGER_EMAIL is not set"


def test_a_customer_who_cancels_is_told_so_whatever_became_of_the_payment() -> None:
    """A declined difference did not end the order; he did."""
    told = about("order.cancelled", status="cancelled", payment_status="failed")
    assert template_for(told) == "cancelled"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (about("inventory.reserved", status="confirmed"), "confirmed before"),
        (about("order.deleted", status="cancelled"), "was cancelled when it was deleted"),
        (about("order.deleted", status="delivered"), "was delivered when it was deleted"),
        (about("order.cancelled", status="failed", payment_status="failed"), "declined payment"),
        (
            event("inventory.backordered", {"short": [{"product": "tea", "backorder": False}]}),
            "the mail about its end says why",
        ),
    ],
)
def test_nothing_is_told_twice(told: Any, why: str) -> None:
    """Or to somebody for whom it is no news."""
    with pytest.raises(Skipped, match=why):
        template_for(told)


def test_which_mails_are_sent_is_the_shops_choice() -> None:
    """By their names; an unknown one is refused at the start, with the names that are known."""
    chosen = from_environment({"DAYBOOK_MAILS": "placed, shipped"})
    assert chosen.mails == {"placed", "shipped"}
    assert from_environment({"DAYBOOK_MAILS": ""}).mails == frozenset()
    with pytest.raises(Invalid, match=f"some of {', '.join(MAILS)}; unknown: posted"):
        from_environment({"DAYBOOK_MAILS": "posted"})


@pytest.mark.parametrize(
    "url",
    ["shop.example", "ftp://shop.example", "https://", "https://a@b", "https://a.b/?c", "//a:b"],
)
def test_the_address_of_the_shop_is_one(url: str) -> None:
    """A mail with a link that leads nowhere helps nobody."""
    with pytest.raises(Invalid, match="must be the address of the shop"):
        from_environment({"DAYBOOK_URL": url})
    assert from_environment({"DAYBOOK_URL": "https://a.b/shop/"}).url == "https://a.b/shop"


@pytest.mark.parametrize("variable", ["DAYBOOK_MANAGER_EMAIL", "DAYBOOK_MAIL_FROM"])
@pytest.mark.parametrize("value", ["boss", "boss@", "a@b, c@d", "a@b\nBcc: c@d", ""])
def test_addresses_in_settings_are_checked_at_the_start(variable: str, value: str) -> None:
    """And not when the first mail goes."""
    with pytest.raises(Invalid, match="must be"):
        from_environment({variable: value})
