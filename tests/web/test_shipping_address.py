"""The shipping address on pages: asked for, changed, and shown where a parcel is packed."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.auth.keys import create_key
from app.server.runtime import Runtime
from app.web.customer.public_text import RULE
from app.web.layout.address_form import MEMBERS
from tests.over_http import body, read, request_for
from tests.transactions import transaction
from tests.web.page import Page, send

Settled = Callable[[], None]
TYPED = {
    "recipient": "Bo Beck",
    "street": " 1 Long Row \r\n\r\nYard 2\r\n",
    "postal_code": "50667",
    "city": "Köln",
    "country": "DE",
}
ADDRESS = {
    "name": "Bo Beck",
    "lines": ["1 Long Row", "Yard 2"],
    "postal_code": "50667",
    "city": "Köln",
    "country": "DE",
}
SHOWN = "Bo Beck 1 Long Row Yard 2 50667 Köln Germany"
PARCEL = {"carrier": "DHL", "tracking_number": "JD0146"}


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


@pytest.fixture
def link(client: FlaskClient, settled: Settled) -> str:
    """The link of order 1001, which is paid and has the address."""
    order = body(client.post("/order", json=request_for(tea=1) | {"shipping_address": ADDRESS}))
    settled()
    return str(order["link"])


def order(client: FlaskClient, **typed: str) -> Page:
    """The page after one tea was ordered with these fields; 303 when it was."""
    form = Page(client.get("/")).filled(**{"tea": "1", "name": "Ada", "place": "1"} | typed)
    return Page(client.post("/", data=form))


def ordered(client: FlaskClient) -> Any:
    """The address of order 1001, None without one."""
    return read(client, "/order/1001").get("shipping_address")


def test_the_shop_asks_for_an_address(client: FlaskClient) -> None:
    """A line of the street is a line of the address; browsers can fill all of it in."""
    page = Page(client.get("/"))
    assert {name: page.fields[name]["autocomplete"] for name in MEMBERS} == {
        "recipient": "shipping name",
        "street": "shipping street-address",
        "postal_code": "shipping postal-code",
        "city": "shipping address-level2",
        "country": "shipping country",
    }
    assert page.options["country"][:3] == ["", "AF", "AX"]
    assert order(client, **TYPED).status == 303
    assert ordered(client) == ADDRESS


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ({}, None),
        (dict.fromkeys(MEMBERS, " "), None),
        (TYPED | {"recipient": ""}, ADDRESS | {"name": "Ada"}),
    ],
)
def test_an_address_is_optional(
    client: FlaskClient, typed: dict[str, str], address: dict[str, Any] | None
) -> None:
    """Nothing typed is no address; without a recipient the parcel is for the customer."""
    assert order(client, **typed).status == 303
    assert ordered(client) == address


def test_a_wrong_address_is_told_beside_its_fields(client: FlaskClient) -> None:
    """422; all that was typed stays, and nothing is ordered."""
    typed = {"recipient": "a" * 201, "street": "1\n2\n3\n4", "postal_code": "1" * 21}
    page = order(client, **typed)
    assert page.status == 422
    assert {name: page.by_id[f"{name}-error"] for name in MEMBERS} == {
        "recipient": "Recipient must have 1 to 200 characters.",
        "street": "Street must have 1 to 3 lines.",
        "postal_code": "Postal code must have 1 to 20 characters.",
        "city": "City is required.",
        "country": "Country is required.",
    }
    assert {name: page.fields[name]["value"] for name in typed} == typed
    assert read(client, "/order")["orders"] == []


def test_an_address_stays_through_a_search(client: FlaskClient) -> None:
    """It is kept in the browser with the rest of what was typed."""
    form = Page(client.get("/")).filled(find="mug", **TYPED)
    page = Page(client.post("/", data=form, follow_redirects=True))
    assert {name: page.fields[name]["value"] for name in MEMBERS} == TYPED


@pytest.mark.parametrize("field", ["recipient", "street", "city"])
def test_a_stranger_cannot_order_with_a_link_in_the_address(
    client: FlaskClient, runtime: Runtime, field: str
) -> None:
    """The shop's mail, which shows the address, must not carry a stranger's link."""
    with transaction(runtime.store) as tx:
        create_key(tx, "till", "clerk")
    page = order(client, **TYPED | {field: "evil.example.com"})
    assert page.status == 422
    assert page.by_id[f"{field}-error"].endswith(f"{RULE}.")


@pytest.mark.usefixtures("link")
def test_pages_show_the_address(client: FlaskClient, link: str) -> None:
    """The customer's and the clerk's page, the shipment, and both packing lists."""
    for path in (
        f"/orders/{link}",
        "/desk/1001",
        f"/shipping/{read(client, '/order/1001')['order_id']}",
        "/shipping/list",
        "/desk/chosen/packing-lists?order=1001",
        "/desk/chosen/receipts?order=1001",
    ):
        assert SHOWN in Page(client.get(path)).text, path


@pytest.mark.usefixtures("link")
def test_a_packing_list_has_the_corrected_address(client: FlaskClient) -> None:
    """At once: it reads the order, not what the shipping handler has seen of it."""
    client.put("/fault/shipping", json={"mode": "fail"})
    client.patch("/order/1001", json={"shipping_address": {"city": "Bonn"}})
    assert "50667 Bonn Germany" in Page(client.get("/shipping/list")).text


def test_the_same_again_goes_to_the_same_address(client: FlaskClient, link: str) -> None:
    """An order that has ended fills the shop's form with its address."""
    client.post("/order/1001/cancel")
    page = send(client, Page(client.get(f"/orders/{link}")), "/again")
    assert page.fields["street"]["value"] == "1 Long Row\nYard 2"
    assert page.fields["country"]["value"] == "DE"


@pytest.mark.usefixtures("link")
class TestEditing:
    """The clerk's form under /desk/1001/edit."""

    def edit(self, client: FlaskClient, **typed: str) -> Page:
        """The page after the form was saved."""
        return send(client, Page(client.get("/desk/1001/edit")), "/desk/1001", **typed)

    def test_a_form_that_is_saved_as_it_was_changes_nothing(self, client: FlaskClient) -> None:
        """No new version, because the fields have the address."""
        before = read(client, "/order/1001")
        assert "Saved." in self.edit(client).text
        assert read(client, "/order/1001") == before

    def test_the_address_is_changed(self, client: FlaskClient) -> None:
        """An empty postal code goes; the history says who changed the address."""
        page = self.edit(client, city="Doha", country="QA", postal_code="", street="Box 7")
        expected = {"name": "Bo Beck", "lines": ["Box 7"], "city": "Doha", "country": "QA"}
        assert ordered(client) == expected
        assert "The back office changed the shipping address." in page.text

    def test_empty_fields_remove_the_address(self, client: FlaskClient) -> None:
        """All of them; the recipient too."""
        self.edit(client, **dict.fromkeys(MEMBERS, ""))
        assert ordered(client) is None

    def test_a_wrong_address_is_told_beside_its_fields(self, client: FlaskClient) -> None:
        """422, with what was typed."""
        page = self.edit(client, street="", country="")
        assert page.status == 422
        assert page.by_id["street-error"] == "Street is required."
        assert page.by_id["country-error"] == "Country is required."
        assert page.fields["city"]["value"] == "Köln"
        assert ordered(client) == ADDRESS

    def test_a_form_from_before_the_update_keeps_the_address(self, client: FlaskClient) -> None:
        """A page that was loaded without these fields says nothing about the address."""
        form = Page(client.get("/desk/1001/edit")).form("/desk/1001").filled(customer_name="Eva")
        sent = {name: text for name, text in form.items() if name not in MEMBERS}
        client.post("/desk/1001", data=sent)
        order = read(client, "/order/1001")
        assert (order["customer_name"], order["shipping_address"]) == ("Eva", ADDRESS)
