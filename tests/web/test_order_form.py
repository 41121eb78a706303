"""The order form at /, without JavaScript."""

from datetime import UTC

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.billing.receipt_issuer import ReceiptIssuer
from app.inventory.documents import PRODUCTS
from app.inventory.service import add_product
from app.kernel.money import Currency
from app.orders.service import OrderPolicy
from app.server.runtime import Runtime
from app.store.matching import MAX_SCANNED
from app.web import routes
from app.web.customer.shop import BASKET_COOKIE
from app.web.layout.context import PageContext
from tests.over_http import read
from tests.transactions import transaction
from tests.web.page import Page, quantity


def form(client: FlaskClient) -> Page:
    """Return the form as first loaded."""
    return Page(client.get("/"))


def send(client: FlaskClient, page: Page, **typed: str) -> Page:
    """Return the page after these fields, named by name or sku, are submitted; 303 if ordered."""
    data = page.filled(**typed)
    return Page(client.post("/", data=data, follow_redirects="place" not in data))


def order(client: FlaskClient, page: Page, **typed: str) -> Page:
    """Return the page after the button `Place order`."""
    return send(client, page, place="1", **typed)


def orders(client: FlaskClient) -> int:
    """Return how many orders there are."""
    return len(read(client, "/order")["orders"])


def test_the_form_lists_products_with_price_and_stock(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """Each has a quantity field, unless it is out of stock without back-orders."""
    page = form(client)
    assert "Mug In stock mug 12.00 EUR" in page.text
    assert "Tea tin Out of stock tin 8.25 EUR" in page.text
    assert "Teapot In stock pot 30.00 EUR" in page.text
    assert {quantity(sku) for sku in ("tea", "mug", "pot")} <= page.fields.keys()
    assert quantity("tin") not in page.fields


def test_every_field_has_a_label(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """The hidden tokens and the buttons need none."""
    fields = form(client).fields
    unseen = ("csrf_token", "token", "category", "choose", "place")
    ids = {each["id"] for name, each in fields.items() if name not in unseen}
    assert ids <= form(client).labels


def test_an_order_leads_to_its_page(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """303 to /orders/{link}; the order is the same as one through the API."""
    data = form(client).filled(tea="2", mug="1", name="Ada", email="ada@example.org", place="1")
    answer = client.post("/", data=data)
    stored = read(client, "/order/1001")
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"/orders/{stored['link']}",
    )
    assert (stored["customer_name"], stored["total_amount"]) == ("Ada", "21.00")
    assert {line["product"]: line["quantity"] for line in stored["items"]} == {"tea": 2, "mug": 1}


def test_errors_are_beside_their_fields_and_values_stay(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """422; each field in error is marked and described, and the summary links to it."""
    page = order(client, form(client), tea="two", mug="3", email="ada", name=" ")
    assert (page.status, orders(client)) == (422, 0)
    for name, error in {
        "name": "Your name is required.",
        "email": "This is not a valid e-mail address.",
        quantity("tea"): "The quantity must be a whole number.",
    }.items():
        field = page.fields[name]
        assert field["aria-invalid"] == "true"
        assert page.by_id[field["aria-describedby"]] == error
        assert f"#{field['id']}" in page.links
    assert "aria-invalid" not in page.fields[quantity("mug")]
    values = {name: page.fields[name]["value"] for name in (quantity("tea"), "email")}
    assert values == {quantity("tea"): "two", "email": "ada"}


def test_the_first_error_of_the_page_has_the_focus(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """Errors are in the order of the page: products first, then the customer's fields."""
    page = order(client, form(client), tea="two", email="ada")
    focused = [name for name, field in page.fields.items() if "autofocus" in field]
    assert focused == [quantity("tea")]
    ids = [page.fields[name]["id"] for name in (quantity("tea"), "name", "email")]
    assert [link[1:] for link in page.links if link[1:] in ids] == ids


def test_a_real_gateway_has_no_test_cards(runtime: Runtime) -> None:
    """The shop offers the cards of its gateway, by their titles, and the invoice."""
    app = Flask("daybook")
    shop = ReceiptIssuer("Daybook", "", UTC)
    context = PageContext(
        runtime.store, OrderPolicy(Currency("EUR")), shop, cards={"approve": "Card"}
    )
    routes.install(app, context)
    text = Page(app.test_client().get("/")).text
    assert "Card On invoice" in text
    assert "test" not in text


def test_a_form_without_products_is_refused(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """422, with the message at the product search."""
    page = order(client, form(client), name="Ada")
    assert page.status == 422
    assert page.by_id["find-error"] == "Choose at least one product: give it a quantity."


def test_a_shortage_is_reported_beside_the_product(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """409, with the number of pieces left."""
    page = order(client, form(client), mug="11", name="Ada")
    assert page.status == 409
    assert page.by_id[page.fields[quantity("mug")]["aria-describedby"]] == "Only 10 left."


def test_a_double_click_orders_once(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """The same form submitted twice leads to the same order."""
    data = form(client).filled(tea="1", name="Ada", place="1")
    first, second = client.post("/", data=data), client.post("/", data=data)
    assert (second.status_code, second.headers["Location"]) == (303, first.headers["Location"])
    assert orders(client) == 1


def test_the_payment_method_can_be_chosen(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """Any of the gateway's test methods; the choice stays when the form is refused."""
    refused = order(client, form(client), tea="1", payment="invoice")
    assert refused.fields["payment"]["value"] == "invoice"
    assert order(client, refused, name="Ada").status == 303
    assert read(client, "/order/1001")["payment_method"] == "invoice"


def test_a_corrected_form_places_the_order(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """After a refusal the same token is still valid."""
    refused = order(client, form(client), tea="1")
    assert order(client, refused, name="Ada").status == 303
    assert orders(client) == 1


def test_a_form_changed_after_ordering_must_be_submitted_again(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """The customer is asked to confirm first; then it is another order."""
    page = form(client)
    order(client, page, tea="1", name="Ada")
    asked = order(client, page, tea="2", name="Ada")
    assert (asked.status, orders(client)) == (422, 1)
    assert "You have placed an order with this form already." in asked.text
    assert order(client, asked).status == 303
    assert orders(client) == 2


def test_a_search_has_an_address(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """303 to it, so the browser's Back and Reload ask nothing; what was typed is in no address."""
    typed = {"find": "assam", "mug": "2", "name": "Ada", "email": "ada@example.org"}
    answer = client.post("/", data=form(client).filled(**typed))
    assert (answer.status_code, answer.location) == (303, "/?find=assam")
    page = Page(client.get(answer.location))
    assert quantity("tea") in page.fields
    assert quantity("pot") not in page.fields
    assert page.fields[quantity("mug")]["value"] == "2"


def test_going_back_after_a_search_keeps_the_basket(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """The shop's first page has all that was typed: quantities, name, address, payment."""
    typed = {"mug": "2", "name": "Zo\u00eb & Co", "email": "ada@example.org", "payment": "invoice"}
    send(client, form(client), find="tea", **typed)
    back = form(client)
    assert back.fields["find"]["value"] == ""
    assert {
        name: back.filled()[quantity(name) if name == "mug" else name] for name in typed
    } == typed
    assert "2 \u00d7 Mug 24.00" in back.text


def test_the_bar_of_the_basket_is_filled_by_the_server(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """It has the pieces and the sum of the basket, and leads to it."""
    assert form(client).by_id["basket-summary"] == "0 items · 0.00 EUR"
    page = send(client, form(client), mug="1")
    assert page.by_id["basket-summary"] == "1 item · 12.00 EUR"
    page = send(client, page, mug="2", tea="3")
    assert page.by_id["basket-summary"].startswith("5 items · ")
    assert "#basket" in page.links


def test_going_back_after_a_refusal_keeps_the_basket(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """Also what was wrong, to correct it."""
    order(client, form(client), tea="two", mug="1")
    values = form(client).filled()
    assert (values[quantity("tea")], values[quantity("mug")]) == ("two", "1")


def test_the_basket_is_empty_after_ordering(client: FlaskClient, catalogue: dict[str, str]) -> None:
    """The next visit begins anew."""
    page = send(client, form(client), find="tea", mug="2", name="Ada")
    assert order(client, page).status == 303
    assert set(form(client).filled().values()) & {"2", "Ada"} == set()


def test_a_basket_too_large_for_a_cookie_is_not_lost(
    client: FlaskClient, catalogue: dict[str, str]
) -> None:
    """Its search is answered at once, with everything in the form."""
    page = send(client, form(client), mug="2", name="A" * 4000)
    assert (page.status, page.fields["name"]["value"]) == (200, "A" * 4000)
    assert page.fields[quantity("mug")]["value"] == "2"


@pytest.mark.parametrize(
    "cookie",
    ["%FF", "quantity.mug", "name=1&name=2", "total=9", "quantity.gold=1", "=&=", "a" * 4000],
)
def test_a_foreign_basket_cookie_does_no_harm(
    client: FlaskClient, catalogue: dict[str, str], cookie: str
) -> None:
    """The shop opens, and nothing is in the basket."""
    client.set_cookie(BASKET_COOKIE, cookie)
    page = form(client)
    assert page.status == 200
    assert "Nothing yet" in page.by_id["basket-lines"]


def test_markup_in_names_and_skus_is_escaped(app: Flask, client: FlaskClient) -> None:
    """In a product and in typed values."""
    odd = "<b>\"'&</b> x"
    with transaction(app.extensions["daybook"].store) as tx:
        add_product(tx, {"sku": odd, "name": odd, "price": "1.00", "quantity": 5})
    page = order(client, form(client), **{odd: "9"}, name=odd, email=odd)
    assert page.fields["name"]["value"] == odd
    assert page.fields[quantity(odd)]["value"] == "9"
    assert order(client, page, **{odd: "5"}, email="").status == 303
    assert read(client, "/order/1001")["items"][0]["product"] == odd


def test_an_empty_shop_says_how_to_fill_it(client: FlaskClient) -> None:
    """The page names the import command."""
    assert "There are no products yet." in form(client).text


class TestManyProducts:
    """A catalogue of 300 products."""

    @pytest.fixture(autouse=True)
    def catalogue_of_300(self, app: Flask) -> None:
        """Skus 0000 to 0299; each twentieth is red."""
        with transaction(app.extensions["daybook"].store) as tx:
            for number in range(300):
                colour = "Red" if number % 20 == 0 else "Grey"
                product = {"sku": f"{number:04}", "name": f"{colour} pen", "price": "1.00"}
                add_product(tx, product | {"quantity": 9})

    def test_the_page_stays_small(self, client: FlaskClient) -> None:
        """Twenty products, a button for more, and the 249 countries, which are a third of it."""
        answer = client.get("/")
        fields = Page(answer).fields
        assert sum(name.startswith("quantity.") for name in fields) == 20
        assert "after" in fields
        assert len(answer.data) < 30_000

    def test_more_products_keep_the_chosen_ones(self, client: FlaskClient) -> None:
        """The chosen one comes first, then the next twenty."""
        page = form(client)
        page = send(client, page, **{"0003": "2"}, name="Ada", after=page.fields["after"]["value"])
        skus = [name for name in page.fields if name.startswith("quantity.")]
        assert skus == [quantity("0003"), *(quantity(f"{n:04}") for n in range(20, 40))]
        assert order(client, page).status == 303

    def test_a_search_covers_the_whole_catalogue(self, client: FlaskClient) -> None:
        """Every word must occur in name or sku, in any case."""
        page = send(client, form(client), find="PEN red")
        skus = [name for name in page.fields if name.startswith("quantity.")]
        assert skus == [quantity(f"{n:04}") for n in range(0, 300, 20)]
        assert "after" not in page.fields
        found = send(client, page, find="0234 pen")
        assert [n for n in found.fields if n.startswith("quantity.")] == [quantity("0234")]
        assert "No other product" in send(client, page, find="purple").text

    def test_a_search_reads_a_bounded_number_of_products(
        self, client: FlaskClient, runtime: Runtime
    ) -> None:
        """Anybody may search; the page says so when there is more to search, and goes on."""
        with transaction(runtime.store) as tx:
            pen = tx.get(PRODUCTS.name, "0000")
            assert pen
            for number in range(MAX_SCANNED):
                tx.put(PRODUCTS.name, pen | {"sku": f"a{number:05}", "name": "Smug uga"})
            tx.put(PRODUCTS.name, pen | {"sku": "b", "name": "Mugá"})
        page = send(client, form(client), find="muga")
        assert "Nothing has been found yet" in page.text
        page = send(client, page, after=page.fields["after"]["value"])
        assert [name for name in page.fields if name.startswith("quantity.")] == [quantity("b")]
