"""The selection of the mail template and the recipient, and the reason when there is none."""

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
from tests.transactions import transaction

Settled = Callable[[], None]
PARCEL = {"carrier": "DHL", "tracking_number": "JD0146"}


def order(client: FlaskClient, email: str | None = "ann@example.com", /, **lines: int) -> None:
    """Place an order for Ann."""
    items = [{"product": sku, "quantity": quantity} for sku, quantity in lines.items()]
    wanted = {"customer_name": "Ann", "customer_email": email, "items": items}
    assert client.post("/order", json=wanted).status_code == 201


def subjects(config: Config) -> list[str]:
    """The subjects of all mails in the folder, in the order of their events."""
    paths: list[Path] = sorted((config.data / "mail/new").iterdir())
    return [str(parsed(path.read_bytes())["Subject"]) for path in paths]


def note_of(client: FlaskClient, event_type: str) -> Any:
    """Return the note of an event's completed delivery to notification."""
    records = read(client, "/order/1001/events")["events"]
    [record] = [each for each in records if each["event"]["type"] == event_type]
    delivery = record["deliveries"]["notification"]
    assert delivery["state"] == "done"
    return delivery.get("note")


@pytest.mark.usefixtures("catalogue")
def test_a_customer_gets_mail_about_each_change(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """Placed, changed, shipped; not confirmed, which is expected."""
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
def test_a_customer_of_a_backordered_order_gets_mail(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """About the missing product, and about the cancellation."""
    order(client, pot=2)
    settled()
    client.post("/order/1001/cancel", json={"reason": "took too long"})
    settled()
    received = [each for each in subjects(config) if "1001" in each and "Receipt" not in each]
    assert received[:3] == [
        "Your order 1001",
        "Your order 1001 has to wait",
        "Your order 1001 was cancelled",
    ]


@pytest.mark.usefixtures("catalogue")
def test_an_order_without_an_address_gets_no_mail(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """The delivery is done; its note has the reason."""
    order(client, None, tea=1)
    settled()
    assert note_of(client, "order.placed") == "no mail: the order has no e-mail address"
    assert not (config.data / "mail").exists()


@pytest.mark.usefixtures("catalogue")
def test_a_disabled_mail_is_noted(client: FlaskClient, settled: Settled) -> None:
    """The delivery's note names the setting."""
    order(client, tea=1)
    settled()
    assert note_of(client, "order.placed") is None
    assert note_of(client, "inventory.reserved") == "no mail: DAYBOOK_MAILS does not name confirmed"


class TestManagerMail:
    """The mail to the manager about low stock."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return replace(config, manager_email="boss@localhost")

    def test_the_manager_gets_mail_about_low_stock(
        self, runtime: Runtime, config: Config, settled: Settled
    ) -> None:
        """With the product and the number of pieces left."""
        self.run_low(runtime, settled)
        [path] = (config.data / "mail/new").iterdir()
        mail = parsed(path.read_bytes())
        assert (mail["To"], mail["Subject"]) == ("boss@localhost", "Low stock: Mug")
        assert "2 available, the threshold is 3" in text_of(mail)

    def run_low(self, runtime: Runtime, settled: Settled) -> None:
        product = {"sku": "mug", "name": "Mug", "available": 2, "low_stock_threshold": 3}
        with transaction(runtime.store) as tx:
            emit(tx, ProductLowStock("mug", {"product": product}))
        settled()


def test_without_a_manager_there_is_no_mail_about_low_stock(
    runtime: Runtime, config: Config, settled: Settled
) -> None:
    """The delivery's note names the setting."""
    TestManagerMail().run_low(runtime, settled)
    assert not (config.data / "mail").exists()
    with runtime.store.read() as view:
        [event_id] = view.keys("events")
        delivery = (view.get("events", event_id) or {})["deliveries"]["notification"]
    assert delivery["note"] == "no mail: DAYBOOK_MANAGER_EMAIL is not set"


def test_a_cancellation_is_confirmed_whatever_the_payment_status() -> None:
    """A declined difference did not end the order; the customer did."""
    cancelled = about("order.cancelled", status="cancelled", payment_status="failed")
    assert template_for(cancelled) == "cancelled"


@pytest.mark.parametrize(
    ("skipped", "why"),
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
def test_an_event_covered_by_another_mail_is_skipped(skipped: Any, why: str) -> None:
    """The reason says which mail covers it."""
    with pytest.raises(Skipped, match=why):
        template_for(skipped)


def test_daybook_mails_selects_the_mails() -> None:
    """An unknown name is refused at the start, with the known names."""
    chosen = from_environment({"DAYBOOK_MAILS": "placed, shipped"})
    assert chosen.mails == {"placed", "shipped"}
    assert from_environment({"DAYBOOK_MAILS": ""}).mails == frozenset()
    with pytest.raises(Invalid, match=f"some of {', '.join(MAILS)}; unknown: posted"):
        from_environment({"DAYBOOK_MAILS": "posted"})


@pytest.mark.parametrize(
    "url",
    ["shop.example", "ftp://shop.example", "https://", "https://a@b", "https://a.b/?c", "//a:b"],
)
def test_the_address_of_the_shop_must_be_valid(url: str) -> None:
    """Mails link to it."""
    with pytest.raises(Invalid, match="must be the address of the shop"):
        from_environment({"DAYBOOK_URL": url})
    assert from_environment({"DAYBOOK_URL": "https://a.b/shop/"}).url == "https://a.b/shop"


@pytest.mark.parametrize("variable", ["DAYBOOK_MANAGER_EMAIL", "DAYBOOK_MAIL_FROM"])
@pytest.mark.parametrize("value", ["boss", "boss@", "a@b, c@d", "a@b\nBcc: c@d", ""])
def test_addresses_in_settings_are_checked_at_the_start(variable: str, value: str) -> None:
    """An invalid one is refused before any mail is sent."""
    with pytest.raises(Invalid, match="must be"):
        from_environment({variable: value})


@pytest.mark.usefixtures("catalogue")
def test_mails_have_the_address_that_the_order_has_now(
    client: FlaskClient, config: Config, settled: Settled
) -> None:
    """In text and HTML, escaped there; events have no address, so the order is read."""
    address = {"name": "Bo <b>", "lines": ["Box 7"], "city": "Doha", "country": "QA"}
    wanted = {"customer_name": "Ann", "customer_email": "ann@example.com"}
    items = [{"product": "tea", "quantity": 1}]
    client.post("/order", json=wanted | {"items": items, "shipping_address": address})
    settled()
    client.patch("/order/1001", json={"shipping_address": {"city": "Al Khor"}})
    settled()
    mails = [parsed(path.read_bytes()) for path in sorted((config.data / "mail/new").iterdir())]
    placed, changed = mails[0], mails[-1]
    assert "\nTotal: 4.50 EUR\n\nShip to:\nBo <b>\nBox 7\nDoha\nQatar\n\n" in text_of(placed)
    assert "Box 7\nAl Khor\nQatar\n" in text_of(changed)
    assert "<p>Ship to:<br>Bo &lt;b&gt;<br>Box 7<br>Doha<br>Qatar</p>" in text_of(placed, "html")


def test_a_mail_without_address_says_nothing_of_one(
    client: FlaskClient, config: Config, settled: Settled, catalogue: dict[str, str]
) -> None:
    """Its text is what it was before orders had addresses."""
    order(client, tea=1)
    settled()
    [text] = [
        text_of(mail)
        for path in (config.data / "mail/new").iterdir()
        if (mail := parsed(path.read_bytes()))["Subject"] == "Your order 1001"
    ]
    assert text == (
        "Dear Ann,\n\nthank you for your order 1001:\n\n1 x Assam, 100 g at 4.50: 4.50\n"
        "Total: 4.50 EUR\n\nDaybook\n"
    )
