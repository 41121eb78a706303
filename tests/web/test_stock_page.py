"""The stock pages: products added, changed and archived; deliveries and stock-takes booked."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from app.inventory.service import add_product, change_stock
from app.server.runtime import Runtime
from app.web.layout.positions import PAGE_SIZE
from app.web.manager.charts import steps, time_ticks
from app.web.manager.stock_search import MAX_SORTED
from tests.over_http import place, read
from tests.transactions import transaction
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
    """The newest first; links lead to earlier ones and back, with the position."""
    with transaction(runtime.store) as tx:
        for number in range(60):
            change_stock(tx, "mug", {"change": 1, "reason": f"delivery {number}."}, "local")
    first = product(client, "mug")
    assert f"1–{PAGE_SIZE} of 61" in first.text
    [older] = [link for link in first.links if "page=" in link]
    second = Page(client.get(f"/stock/mug{older}"))
    assert f"{PAGE_SIZE + 1}–61 of 61" in second.text
    text = first.by_id["ledger"] + second.by_id["ledger"]
    assert [text.count(f"delivery {number}.") for number in range(60)] == [1] * 60
    [back] = [link for link in second.links if "page=" in link]
    assert Page(client.get(f"/stock/mug{back}")).by_id["ledger"] == first.by_id["ledger"]


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


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("name", ["tea", "mug", "tin", "pot"]),
        ("-name", ["pot", "tin", "mug", "tea"]),
        ("category", ["mug", "pot", "tin", "tea"]),
        ("price", ["tea", "tin", "mug", "pot"]),
        ("-quantity", ["tea", "mug", "pot", "tin"]),
        ("reserved", ["mug", "pot", "tea", "tin"]),
        ("available", ["tin", "pot", "mug", "tea"]),
        ("stock_status", ["tin", "mug", "pot", "tea"]),
        ("version", ["mug", "pot", "tea", "tin"]),
    ],
)
def test_products_are_sorted_by_a_column(client: FlaskClient, order: str, found: list[str]) -> None:
    """Its heading says which way, and turns it round; an unknown column counts as none."""
    answer = client.get(f"/stock?sort={order}")
    assert skus(Page(answer)) == found
    directions = {"-": "descending"}
    is_known = order != "version"
    sorting = f'aria-sort="{directions.get(order[0], "ascending")}"'
    assert answer.text.count(sorting) == is_known
    if is_known:
        turned = order[1:] if order.startswith("-") else f"-{order}"
        assert f"sort={turned}" in answer.text


@pytest.fixture
def cups(runtime: Runtime) -> list[str]:
    """Sixty more products, the last one the cheapest."""
    with transaction(runtime.store) as tx:
        for number in range(60):
            product = {"sku": f"cup{number:02d}", "name": "Cup", "price": f"{60 - number}.00"}
            add_product(tx, product)
    return [f"cup{number:02d}" for number in range(60)]


@pytest.mark.parametrize(
    ("query", "total"),
    [("", 64), ("sort=-price", 64), ("status=out_of_stock", 61), ("find=cup", 60),
     ("find=cup&sort=price", 60)],
)  # fmt: skip
def test_the_list_is_paged(client: FlaskClient, cups: list[str], query: str, total: int) -> None:
    """Every product is on one page, which has its position; the search and the column stay."""
    first = stock(client, query)
    assert f"1–{PAGE_SIZE} of {total}" in first.text
    [following] = [link for link in first.links if "page=" in link]
    second = stock(client, following.removeprefix("?"))
    assert f"{PAGE_SIZE + 1}–{total} of {total}" in second.text
    found = skus(first) + skus(second)
    assert (len(set(found)), len(found)) == (total, total)
    assert [sku for sku in found if sku in cups] == (cups[::-1] if query[-6:] == "=price" else cups)
    [back] = [link for link in second.links if "page=" in link]
    assert skus(stock(client, back.removeprefix("?"))) == skus(first)


@pytest.mark.parametrize("page", ["0", "-1", "two", "99", "9" * 30])
def test_a_page_that_there_is_not(client: FlaskClient, page: str) -> None:
    """The nearest one is shown, of the list and of a ledger."""
    assert skus(stock(client, f"page={page}")) == ["mug", "pot", "tea", "tin"]
    assert "new product" in Page(client.get(f"/stock/mug?page={page}")).by_id["ledger"]


def test_archiving_can_be_undone_at_once(client: FlaskClient) -> None:
    """The page that follows offers it, and so does the list of archived products."""
    after = do(client, product(client, "tin"), "archive")
    assert "Archived. It can no longer be ordered. Undo" in after.text
    assert "Archived." not in product(client, "tin").text
    assert "It is back in the shop." in send(client, after, "/stock/tin").text
    do(client, after, "archive")
    restored = send(client, stock(client, "status=archived"), "/stock/tin")
    assert restored.address == "/stock/tin"
    assert skus(stock(client)) == ["mug", "pot", "tea", "tin"]


def test_the_chart_of_the_stock_is_to_scale(client: FlaskClient) -> None:
    """A step at the time of each change: a week's pause is seven times as wide as a day's."""
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    changes = [(begin, 12), (begin + timedelta(1), 15), (begin + timedelta(8), 11)]
    chart = steps("Mugs", 10, changes, begin + timedelta(10))
    [path] = re.findall(r'<path[^>]* d="([^"]+)"', chart)
    places = [float(x) for x in re.findall(r"[ML] ?([0-9.]+)", path)]
    first, second, third, last = places[0], places[3], places[5], places[-1]
    assert third - second == pytest.approx(7 * (second - first), rel=0.02)
    assert last - first == pytest.approx(10 * (second - first), rel=0.02)
    [right] = {float(x) for x in re.findall(r'<line x1="-4" [^>]*x2="([0-9.]+)"', chart)}
    assert last == pytest.approx(right)
    assert "Stock on hand of Mug over time" in client.get("/stock/mug").text
    labels = re.findall(r"<text[^>]*>([0-9]+)</text>", chart)
    assert labels
    assert "." not in "".join(labels)


@pytest.mark.parametrize(
    ("begin", "end", "ticks"),
    [
        ("2026-03-01 12:00", "2026-03-01 12:01", ["12:00", "12:01"]),
        ("2026-03-01 10:20", "2026-03-01 13:10", ["11:00", "12:00", "13:00"]),
        ("2026-03-01 12:00", "2026-03-04 12:00", ["02", "03", "04"]),
        ("2026-03-27 12:00", "2026-03-30 12:00", ["28", "29", "30"]),
        ("0001-01-01 00:00", "9990-01-01 00:00", None),
    ],
)
def test_an_axis_of_times_has_round_ones(begin: str, end: str, ticks: list[str] | None) -> None:
    """Minutes, hours or midnights of the shop's days, also where its clocks change."""
    zone = ZoneInfo("Europe/Berlin")
    times = time_ticks(
        *(datetime.fromisoformat(each).replace(tzinfo=zone) for each in (begin, end))
    )
    assert len(times) <= 5
    for tick, text in zip(times, ticks or [], strict=ticks is not None):
        assert text == (f"{tick:%H:%M}" if ":" in text else f"{tick:%d}")
        assert ":" in text or tick.hour == 0


def test_the_chart_of_the_stock_is_safe_inline_svg() -> None:
    """It has no style, script or event handler, and its title is escaped."""
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    svg = steps("Mugs & <more>", 0, [(begin, 3)], begin)
    assert not re.search(r"<style|<script|style=|\son\w+=|<desc|<!--", svg)
    assert 'aria-label="Mugs &amp; &lt;more&gt;"' in svg


@pytest.mark.parametrize("highest", [0, 1, 2, 3, 5, 6, 7, 9, 10, 13, 25, 30, 99, 1234])
def test_the_chart_of_the_stock_has_whole_numbers(highest: int) -> None:
    """At least two, each once, also when the stock was always 0."""
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    shown = re.findall(r"<text[^>]*>([^<]+)</text>", steps("Mugs", 0, [(begin, highest)], begin))
    numbers = [each for each in shown if ":" not in each]
    assert len(numbers) == len(set(numbers)) > 1
    assert all(re.fullmatch("[0-9,]+", each) for each in numbers)


def test_a_change_before_the_one_before_it_stays_in_the_chart() -> None:
    """A clock that was set back draws nothing to the left of the axis."""
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    svg = steps("Mugs", 0, [(begin, 3), (begin - timedelta(1), 5)], begin + timedelta(1))
    assert "-" not in re.findall(r' d="([^"]+)"', svg)[0]


def test_too_many_products_are_not_sorted(client: FlaskClient, runtime: Runtime) -> None:
    """The list says so and comes by sku; a search is sorted, and leads on where it is long."""
    with transaction(runtime.store) as tx:
        for number in range(MAX_SORTED):
            add_product(tx, {"sku": f"cup{number:04d}", "name": "Cup", "price": "1.00"})
    page = stock(client, "sort=price")
    assert "More than 5,000 products are too many to sort" in page.text
    assert skus(page) == [f"cup{number:04d}" for number in range(PAGE_SIZE)]
    assert f"1–{PAGE_SIZE} of 5,004" in page.text
    assert not [link for link in page.links if "sort=name" in link]
    assert skus(stock(client, "sort=price&find=tea+tin")) == ["tin"]
    last = stock(client, "sort=price&find=cup&page=99")
    assert "1,951–2,000 of 2,000" in last.text
    [further] = [link for link in last.links if "cursor=" in link]
    second = stock(client, further.removeprefix("?"))
    assert skus(second) == [f"cup{number:04d}" for number in range(2000, 2000 + PAGE_SIZE)]


def test_a_product_gets_a_tax_rate(client: FlaskClient) -> None:
    """On both forms; a decimal comma is read, and an empty field removes the rate."""
    form = stock(client).form("/stock").filled(sku="cup", name="Cup", price="5", tax_rate="5,5")
    client.post("/stock", data=form)
    page = product(client, "cup")
    assert "5.00 EUR, with 5.5% tax" in page.text
    assert page.fields["tax_rate"]["value"] == "5.5"
    edit = {"name": "Cup", "price": "5"}
    assert read(client, "/product/cup")["tax_rate"] == "5.5"
    do(client, page, "edit", **edit, tax_rate="19")
    assert read(client, "/product/cup")["tax_rate"] == "19"
    do(client, product(client, "cup"), "edit", **edit, tax_rate="")
    assert "tax_rate" not in read(client, "/product/cup")


def test_a_wrong_tax_rate_is_told_beside_its_field(client: FlaskClient) -> None:
    """422, with what was typed."""
    page = do(client, product(client, "tea"), "edit", name="Tea", price="5", tax_rate="19%")
    assert page.status == 422
    assert page.by_id["tax_rate-error"].strip().startswith("Tax rate must be a percentage")
    assert page.fields["tax_rate"]["value"] == "19%"


def test_a_form_from_before_the_update_keeps_the_tax_rate(client: FlaskClient) -> None:
    """A page that was loaded without the field says nothing about the rate."""
    client.patch("/product/tea", json={"tax_rate": "7"})
    do(client, product(client, "tea"), "edit", name="Assam", price="5")
    assert read(client, "/product/tea")["tax_rate"] == "7"
