"""The stock pages: products added, changed and archived; deliveries and stock-takes booked."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.inventory.service import change_stock
from app.server.runtime import Runtime
from tests.over_http import place, read
from tests.web.page import Page, send


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Four products."""


def stock(client: FlaskClient, query: str = "") -> Page:
    """Return the list."""
    return Page(client.get(f"/stock?{query}"))


def product(client: FlaskClient, sku: str) -> Page:
    """Return the page of a product."""
    return Page(client.get(f"/stock/{sku}"))


def do(client: FlaskClient, page: Page, what: str, **typed: str) -> Page:
    """Submit one of the product's forms, which all have its address; return the next page."""
    fields = {"csrf_token": page.fields["csrf_token"]["value"], "do": what}
    if what in ("change", "count"):
        fields["token"] = page.fields["token"]["value"]
    if what == "edit":
        fields |= {"version": page.fields["version"]["value"]}
    return Page(client.post(page.address, data=fields | typed, follow_redirects=True))


def skus(page: Page) -> list[str]:
    """Return the products that a list shows."""
    return [link.removeprefix("/stock/") for link in page.links if link.startswith("/stock/")]


@pytest.mark.parametrize(
    ("query", "found"),
    [("", ["mug", "pot", "tea", "tin"]), ("find=TEA+tin", ["tin"]),
     ("status=out_of_stock", ["tin"]),
     ("status=archived", []), ("status=nonsense", ["mug", "pot", "tea", "tin"])],
)  # fmt: skip
def test_products_are_found(client: FlaskClient, query: str, found: list[str]) -> None:
    """By words and by stock status; each status has its count."""
    page = stock(client, query)
    assert skus(page) == found
    assert "all 4" in page.text
    assert "out of stock 1" in page.text


def test_a_product_is_added(client: FlaskClient) -> None:
    """Its first pieces are in the ledger; markup is escaped."""
    typed = {"sku": "a/b <c>", "name": "<b>Jar</b>", "price": "3.5", "quantity": "4"}
    after = send(client, stock(client), "/stock", **typed)
    assert (after.status, after.address) == (200, "/stock/a/b <c>")
    assert "<b>Jar</b> in stock" in after.text
    assert read(client, "/product/a/b <c>")["price"] == "3.50"
    assert "new product local +4 4" in after.text


def test_errors_of_a_new_product_are_beside_their_fields(client: FlaskClient) -> None:
    """422 with the typed values kept; 409 for a sku that is taken."""
    typed = {"sku": "jar", "name": "", "price": "cheap", "quantity": "many"}
    after = send(client, stock(client), "/stock", **typed)
    assert after.status == 422
    for name, error in {
        "name": "Name is required.",
        "price": "Price must be a decimal number such as 4.50, not negative.",
        "quantity": "On hand must be a whole number.",
    }.items():
        assert after.by_id[f"{name}-error"] == error
    assert after.text.index("Please check this") < after.text.index("Name or sku")
    assert after.fields["quantity"]["value"] == "many"
    taken = send(client, after, "/stock", sku="tea", name="Tea", price="1", quantity="")
    assert taken.status == 409
    assert "There is a product tea already" in taken.text


def test_a_delivery_is_booked_once(client: FlaskClient) -> None:
    """A double click books once; the next delivery has a new token."""
    page = product(client, "mug")
    for _ in range(2):
        after = do(client, page, "change", change="12", reason="delivery")
    assert "delivery local +12 22" in after.text
    assert read(client, "/product/mug")["quantity"] == 22
    do(client, after, "change", change="-2", reason="broken")
    assert read(client, "/product/mug")["quantity"] == 20


@pytest.mark.parametrize(("typed", "left"), [("\u22123", 7), ("-3", 7), ("+3", 13)])
def test_a_change_of_stock_is_typed_as_the_page_writes_it(
    client: FlaskClient, typed: str, left: int
) -> None:
    """With a hyphen, or with the true minus sign of the hint."""
    page = product(client, "mug")
    assert "\u22123 when some broke" in page.text
    after = do(client, page, "change", change=typed, reason="counted again")
    assert after.status == 200
    assert read(client, "/product/mug")["quantity"] == left


def test_a_price_may_have_a_decimal_comma(client: FlaskClient) -> None:
    """1,10 cannot be anything else."""
    do(client, product(client, "mug"), "edit", name="Mug", price="1,10")
    assert read(client, "/product/mug")["price"] == "1.10"


def test_every_line_of_the_ledger_is_on_a_page(client: FlaskClient, runtime: Runtime) -> None:
    """The newest first; a link leads to earlier ones."""
    with runtime.store.transaction() as tx:
        for number in range(30):
            change_stock(tx, "mug", {"change": 1, "reason": f"delivery {number}."}, "local")
    first = product(client, "mug")
    [older] = [link for link in first.links if "cursor=" in link]
    text = first.by_id["ledger"] + Page(client.get(f"/stock/mug{older}")).by_id["ledger"]
    assert [text.count(f"delivery {number}.") for number in range(30)] == [1] * 30


def test_a_stock_take_is_booked(client: FlaskClient) -> None:
    """The stock is set to the counted number."""
    after = do(client, product(client, "tea"), "count", count="97")
    assert "stock-take local -3 97" in after.text


@pytest.mark.parametrize(
    ("what", "typed", "status", "error"),
    [
        ("change", {"change": "some", "reason": "delivery"}, 422, "must be a whole number"),
        ("change", {"change": "1"}, 422, "is required"),
        ("change", {"change": "-11", "reason": "lost"}, 409, "there cannot be -1"),
        ("count", {"count": "-1"}, 422, "Counted must be from 0"),
        ("edit", {"low_stock_threshold": "few"}, 422, "Low from must be a whole number"),
        ("count", {}, 422, "whole number"),
        ("edit", {"name": "Mug", "price": "-1"}, 422, "decimal"),
        ("sell", {}, 400, "does not say what to do"),
    ],
)
def test_an_invalid_form_changes_nothing(
    client: FlaskClient, what: str, typed: dict[str, str], status: int, error: str
) -> None:
    """The page gives the reason."""
    after = do(client, product(client, "mug"), what, **typed)
    assert after.status == status
    assert error in after.text
    assert read(client, "/product/mug")["version"] == 1


def test_a_product_is_changed(client: FlaskClient) -> None:
    """Name, price, threshold; a second manager's change of the same version gets 412."""
    page = product(client, "mug")
    typed = {"name": "Big mug", "price": "13", "low_stock_threshold": "30", "backorder": "yes"}
    after = do(client, page, "edit", **typed)
    assert "Big mug low stock" in after.text
    changed = read(client, "/product/mug")
    assert (changed["price"], changed["backorder"], changed["low_stock_threshold"]) == (
        "13.00",
        True,
        30,
    )
    stale = do(client, page, "edit", name="Small mug", price="1")
    assert stale.status == 412
    assert "has changed meanwhile" in stale.text
    assert read(client, "/product/mug")["name"] == "Big mug"


def test_a_product_is_archived_and_restored(
    client: FlaskClient, settled: Callable[[], None]
) -> None:
    """It leaves the shop; 409 while an open order has it."""
    place(client, mug=1)
    settled()
    assert do(client, product(client, "mug"), "archive").status == 409
    after = do(client, product(client, "tin"), "archive")
    assert "Tea tin archived" in after.text
    assert "Tea tin" not in Page(client.get("/")).text
    assert skus(stock(client, "status=archived")) == ["tin"]
    do(client, after, "restore")
    assert "Tea tin" in Page(client.get("/")).text


def test_an_unknown_product_is_not_found(client: FlaskClient) -> None:
    """The page answers 404."""
    assert product(client, "none").status == 404
