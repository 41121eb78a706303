"""The categories above the products of the shop."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.inventory.service import add_product, change_product
from app.server.runtime import Runtime
from app.web.customer.categories import FIRST_CATEGORIES, MAX_CATEGORIES
from tests.transactions import transaction
from tests.web.page import Page, quantity

Fill = Callable[..., None]


@pytest.fixture
def fill(runtime: Runtime) -> Fill:
    """A function that adds products: fill(ink="Writing") has the sku ink and this category."""

    def add(**categories: str) -> None:
        with transaction(runtime.store) as tx:
            for sku, category in categories.items():
                product = {"sku": sku, "name": f"A {sku}", "price": "1.00", "quantity": 9}
                add_product(tx, product | {"category": category})

    return add


@pytest.fixture
def assortment(fill: Fill) -> None:
    """Five products; the categories of four differ in case and accents at most."""
    fill(pen="Writing", ink="writing", nib="Writing", mug="Caf\u00e9", tin="")


def shop(client: FlaskClient, address: str = "/") -> Page:
    """Return the shop's page at an address."""
    return Page(client.get(address))


def skus(page: Page) -> list[str]:
    """Return the products of a page."""
    return [name.removeprefix("quantity.") for name in page.fields if name.startswith("quantity.")]


def test_categories_are_buttons_with_counts(client: FlaskClient, assortment: None) -> None:
    """In the order of the alphabet, after one for all; spelt as most of their products are."""
    page = shop(client)
    assert "All 5 Caf\u00e9 1 Writing 3 Products" in page.text
    assert page.buttons[:3] == ["choose=", "choose=cafe", "choose=writing"]


@pytest.mark.parametrize("category", ["writing", "WRITING", "Writing%20"])
def test_a_category_narrows_the_products(
    client: FlaskClient, assortment: None, category: str
) -> None:
    """Whatever case; the page names it."""
    page = shop(client, f"/?category={category}")
    assert skus(page) == ["ink", "nib", "pen"]
    assert page.by_id["products"] == "Products in Writing"


def test_accents_do_not_divide_a_category(client: FlaskClient, assortment: None) -> None:
    """As in searches."""
    assert skus(shop(client, "/?category=cafe")) == ["mug"]
    assert skus(shop(client, "/?category=CAFE%CC%81")) == ["mug"]


def test_without_categories_there_are_no_buttons(client: FlaskClient, fill: Fill) -> None:
    """A shop of a few products needs none."""
    fill(pen="", ink="")
    page = shop(client)
    assert "category" not in page.fields
    assert " All " not in page.text


def test_a_search_stays_in_the_category(client: FlaskClient, assortment: None) -> None:
    """Both are in the address; the buttons keep the words, without counts that are not theirs."""
    page = shop(client, "/?category=writing")
    answer = client.post("/", data=page.filled(find="a nib"))
    assert answer.location == "/?find=a+nib&category=Writing"
    page = shop(client, answer.location)
    assert skus(page) == ["nib"]
    other = client.post("/", data=page.filled(choose="cafe")).location
    assert other == "/?find=a+nib&category=cafe"
    assert client.post("/", data=page.filled(choose="")).location == "/?find=a+nib"
    assert "All Caf\u00e9 Writing Products in Writing" in page.text
    long = client.post("/", data=page.filled(find="n" * 900_000, choose="")).location
    assert long == f"/?find={'n' * 100}"
    nothing = shop(client, "/?category=writing&find=mug")
    assert "No other product in Writing has \u201cmug\u201d in its name." in nothing.text


def test_the_basket_stays_when_a_category_is_chosen(client: FlaskClient, assortment: None) -> None:
    """Chosen products stay on the page, whatever their category."""
    page = shop(client, "/?category=cafe")
    typed = page.filled(mug="2", name="Ada", choose="writing")
    page = shop(client, client.post("/", data=typed).location)
    assert page.fields[quantity("mug")]["value"] == "2"
    assert page.fields["name"]["value"] == "Ada"
    assert skus(page) == ["mug", "ink", "nib", "pen"]
    assert page.by_id["products"] == "More products in Writing"


def test_a_refused_order_stays_in_its_category(client: FlaskClient, assortment: None) -> None:
    """The page that says why has the same products."""
    page = shop(client, "/?category=writing")
    refused = Page(client.post("/", data=page.filled(pen="2", place="1")))
    assert refused.status == 422
    assert refused.by_id["products"] == "More products in Writing"
    assert skus(refused) == ["pen", "ink", "nib"]


def test_more_products_are_of_the_category(client: FlaskClient, fill: Fill) -> None:
    """Page by page; a cursor of another category counts as none."""
    fill(**{f"{n:02}": "ink" if n % 2 else "Ink" for n in range(50)}, mug="china")
    page = shop(client, "/?category=ink")
    after = page.fields["after"]["value"]
    address = client.post("/", data=page.filled(after=after)).location
    second = shop(client, address)
    assert skus(second) == [f"{n:02}" for n in range(20, 40)]
    third = second.fields["after"]["value"]
    assert skus(shop(client, f"/?category=ink&after={third}")) == [f"{n}" for n in range(40, 50)]
    assert skus(shop(client, f"/?category=china&after={after}")) == ["mug"]


def test_archived_products_have_no_category(
    client: FlaskClient, assortment: None, runtime: Runtime
) -> None:
    """A category without products for sale has no button; its old address says so."""
    with transaction(runtime.store) as tx:
        change_product(tx, "mug", {"archived": True})
    assert "All 4 Writing 3 Products" in shop(client).text
    page = shop(client, "/?category=Caf%C3%A9")
    assert "There are no products in Caf\u00e9 now." in page.text
    assert "choose=writing" in page.buttons


def test_many_categories_stay_calm(client: FlaskClient, fill: Fill) -> None:
    """The largest are in view, and so is the chosen one; the others are behind a heading."""
    fill(**{f"p{n:03}": f"c{n % 70:02}" for n in range(200)})
    page = shop(client)
    assert f"All 200 {' '.join(f'c{n:02} 3' for n in range(FIRST_CATEGORIES))}" in page.text
    assert f"{MAX_CATEGORIES - FIRST_CATEGORIES} more categories" in page.text
    assert "These are the largest." in page.text
    assert "choose=c69" not in page.buttons
    page = shop(client, "/?category=c69")
    assert "All 200 c00 3 c01 3 c02 3 c03 3 c04 3 c69 2 " in page.text


@pytest.mark.parametrize("category", ["%3Cb%3E%22", "a" * 5000, "%CC%81" * 1000, "%00", "%FF"])
def test_an_unknown_category_does_no_harm(
    client: FlaskClient, assortment: None, category: str
) -> None:
    """The page says that it is empty, and nothing in it is markup."""
    answer = client.get(f"/?category={category}")
    assert answer.status_code == 200
    assert "There are no products in" in answer.text
    assert '<b>"' not in answer.text
    assert "choose=writing" in Page(answer).buttons


def test_an_accent_alone_is_a_category(client: FlaskClient, fill: Fill) -> None:
    """Though nothing is left of it when it is folded."""
    fill(pen="\u0301")
    assert skus(shop(client, "/?category=%CC%81")) == ["pen"]
