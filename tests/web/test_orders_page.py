"""The back office's order pages (/desk): search, view, change, cancel and delete."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest
from flask.testing import FlaskClient

from app.kernel.payment_methods import DECLINE
from app.orders.documents import ORDERS
from app.server.runtime import Runtime
from app.store import Page as StorePage
from app.store import Store, View, matching
from app.store.files.store import JsonFileStore
from app.web.clerk.order_search import OrderSearch
from app.web.layout.positions import PAGE_SIZE
from tests.over_http import place, read, request_for
from tests.transactions import transaction
from tests.web.page import Page, send

Settled = Callable[[], None]


@pytest.fixture(autouse=True)
def shop(catalogue: dict[str, str]) -> None:
    """Every test here orders from the catalogue."""


def orders_page(client: FlaskClient, query: str = "") -> Page:
    """Return the list."""
    return Page(client.get(f"/desk?{query}"))


def numbers(page: Page) -> list[int]:
    """Return the orders that a list shows."""
    links = (link for link in page.links if link.startswith("/desk/"))
    return [int(link.removeprefix("/desk/")) for link in links]


def test_orders_are_listed_newest_first(client: FlaskClient) -> None:
    """With customer, total and status, all escaped."""
    place(client, "Ada", tea=1)
    place(client, "<script>alert(1)</script>", mug=2)
    page = orders_page(client)
    assert numbers(page) == [1002, 1001]
    assert "<script>alert(1)</script>" in page.text
    assert "24.00 EUR" in page.text


FOUND: dict[str, list[int]] = {
    "find=1002": [1002],
    "find=%231002": [1002],
    "find=GRACE+HOPPER": [1002],
    "find=hopper": [1002],
    "find=ada": [1003, 1001],
    "find=Zo%C3%AB": [1004],
    "find=Zoe%CC%88": [1004],
    "find=zoe": [1004],
    "find=lovel%C3%A0ce": [1001],
    "find=nobody": [],
    "status=cancelled": [1003],
    "status=cancelled&find=grace": [],
    "status=nonsense&unknown=1": [1004, 1003, 1002, 1001],
    "to=2001-01-01": [],
    "from=2001-01-01": [1004, 1003, 1002, 1001],
    "from=yesterday": [],
}
"""The orders that each query finds, in order."""


def test_orders_are_found(client: FlaskClient) -> None:
    """By number, name or part of it, status and day."""
    for name in ("Ada Lovelace", "Grace Hopper", "Ada Byron", "Zo\u00eb"):
        place(client, name, tea=1)
    client.post("/order/1003/cancel")
    assert {query: numbers(orders_page(client, query)) for query in FOUND} == FOUND


def test_an_order_is_found_by_its_email(client: FlaskClient) -> None:
    """The whole address, in any case."""
    request = {"customer_name": "A", "items": [{"product": "tea", "quantity": 1}]}
    client.post("/order", json=request | {"customer_email": "ada@example.org"})
    place(client, "B", tea=1)
    assert numbers(orders_page(client, "find=ADA@example.org")) == [1001]


@pytest.mark.parametrize("query", ["", "find=ada", "find=ad"])
def test_the_list_is_paged(client: FlaskClient, query: str) -> None:
    """Each order is on one of the pages; also those of a search by a whole name or a part."""
    for _ in range(PAGE_SIZE + 3):
        place(client, "Ada" if query != "find=ad" else "Ad Ada", tea=1)
    first = orders_page(client, query)
    assert f"1–{PAGE_SIZE} of {PAGE_SIZE + 3}" in first.text
    [address] = [link for link in first.links if "page=" in link]
    second = orders_page(client, address.removeprefix("?"))
    assert f"{PAGE_SIZE + 1}–{PAGE_SIZE + 3} of {PAGE_SIZE + 3}" in second.text
    assert numbers(first) + numbers(second) == list(range(1000 + PAGE_SIZE + 3, 1000, -1))
    [back] = [link for link in second.links if "page=" in link]
    assert numbers(orders_page(client, back.removeprefix("?"))) == numbers(first)


@pytest.mark.parametrize("page", ["0", "-1", "two", "99", "9" * 30])
def test_a_page_that_there_is_not(client: FlaskClient, page: str) -> None:
    """The nearest one is shown."""
    place(client, tea=1)
    assert numbers(orders_page(client, f"page={page}")) == [1001]


def test_words_are_searched_in_the_newest_orders_only(
    client: FlaskClient, runtime: Runtime
) -> None:
    """The page says so and leads on to older ones; a whole name is found in all orders at once."""
    old = place(client, "Ada Lovelace", tea=1)
    with transaction(runtime.store) as tx:
        stored = tx.get(ORDERS.name, old["order_id"])
        assert stored
        for n in range(matching.MAX_SCANNED):
            order = {"order_id": f"{n:05}", "number": 2000 + n, "customer_name": "Somebody"}
            tx.put(ORDERS.name, stored | order | {"order_date": "2999-01-01T00:00:00.000Z"})
    page = orders_page(client, "find=lovelace")
    assert numbers(page) == []
    assert "2,000 orders at a time" in page.text
    older = next(link for link in reversed(page.links) if "cursor=" in link)
    assert numbers(orders_page(client, older.removeprefix("?"))) == [1001]
    assert numbers(orders_page(client, "find=ada+lovelace")) == [1001]


SORTED = {
    "": [1003, 1002, 1001],
    "-placed": [1003, 1002, 1001],
    "placed": [1001, 1002, 1003],
    "number": [1001, 1002, 1003],
    "-number": [1003, 1002, 1001],
    "customer": [1002, 1003, 1001],
    "-customer": [1001, 1003, 1002],
    "total": [1001, 1003, 1002],
    "-total": [1002, 1003, 1001],
    "status": [1003, 1002, 1001],
    "-status": [1001, 1003, 1002],
    "nonsense": [1003, 1002, 1001],
}
"""The orders by each `sort`."""


@pytest.fixture
def three_orders(client: FlaskClient, settled: Settled) -> None:
    """Orders of three customers, the first of which is cancelled."""
    place(client, "Zoe Baker", tea=1)
    place(client, "ada Baker", mug=2)
    place(client, "Émile Baker", mug=1)
    client.post("/order/1001/cancel")
    settled()


@pytest.mark.parametrize("find", ["", "baker"])
def test_the_list_is_sorted(client: FlaskClient, three_orders: None, find: str) -> None:
    """By any column in both directions, in a search by words too, and in the same way as CSV."""
    queries = {sort: f"find={find}&sort={sort}" for sort in SORTED}
    pages = {sort: numbers(orders_page(client, query)) for sort, query in queries.items()}
    assert pages == SORTED
    files = {sort: client.get(f"/desk.csv?{query}").text for sort, query in queries.items()}
    rows = {sort: file.splitlines()[1:] for sort, file in files.items()}
    exported = {sort: [int(row.partition(",")[0]) for row in rows[sort]] for sort in SORTED}
    assert exported == SORTED


def test_a_heading_sorts_and_sorts_back(client: FlaskClient, three_orders: None) -> None:
    """Its link keeps the search, and leads the other way once the list is sorted by it."""
    page = orders_page(client, "find=baker&status=open")
    assert "?find=baker&status=open&sort=placed" in page.links
    assert "?find=baker&status=open&sort=customer" in page.links
    assert "?find=baker&status=open&sort=-total" in page.links
    assert "?find=baker&status=open&sort=-customer" in (
        orders_page(client, "find=baker&status=open&sort=customer").links
    )
    assert "?find=baker&status=open" not in orders_page(client, "sort=placed").links


def test_a_long_list_is_sorted_by_day_alone(
    client: FlaskClient, three_orders: None, runtime: Runtime
) -> None:
    """So that no request reads all orders; the page says so, and CSV has the same order."""
    stored = read(client, "/order/1003")
    with transaction(runtime.store) as tx:
        for n in range(matching.MAX_SCANNED):
            order = {"order_id": f"{n:05}", "number": 2000 + n, "status": "delivered"}
            tx.put(ORDERS.name, stored | order | {"order_date": "2001-01-01T00:00:00.000Z"})
    page = orders_page(client, "sort=customer")
    assert numbers(page)[:3] == [1003, 1002, 1001]
    assert "Narrow the search" in page.text
    assert "?sort=-customer" not in page.links
    assert client.get("/desk.csv?sort=customer").text.splitlines()[1].startswith("1003,")
    assert numbers(orders_page(client, "sort=customer&status=open")) == [1002, 1003]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "all 3 open 2 confirmed 2 cancelled 1"),
        ("status=open", "all 3 open 2 confirmed 2 cancelled 1"),
        ("status=failed", "all 3 open 2 confirmed 2 cancelled 1 failed 0"),
        ("find=baker", "all 3 open 2 confirmed 2 cancelled 1"),
        ("find=ada+baker", "all 1 open 1 confirmed 1"),
        ("find=ada", "all 1 open 1 confirmed 1"),
        ("find=1001", "all 1 open 0 cancelled 1"),
        ("to=2001-01-01", "all 0 open 0"),
    ],
)
def test_tabs_count_what_the_search_finds(
    client: FlaskClient, three_orders: None, query: str, expected: str
) -> None:
    """In every status, whichever is shown."""
    assert f" {expected} " in orders_page(client, query).text + " "


def test_csv_is_what_the_page_shows(
    client: FlaskClient, three_orders: None, settled: Settled
) -> None:
    """The search of the page, and all of its pages; a cell that begins a formula is escaped."""
    place(client, "=1+1", tea=1)
    settled()
    assert "/desk.csv?find=baker&status=open" in orders_page(client, "find=baker&status=open").links
    answer = client.get("/desk.csv?status=confirmed")
    assert answer.mimetype == "text/csv"
    assert [row.partition(",")[0] for row in answer.text.splitlines()] == [
        "order", "1004", "1003", "1002",
    ]  # fmt: skip
    assert ",'=1+1," in answer.text
    assert client.get("/desk.csv?from=yesterday").status_code == 400


class CountingView:
    """A view of the store that counts the documents it lists in `read`."""

    def __init__(self, view: View, read: list[int]) -> None:
        self._view, self._read = view, read
        self.count = view.count

    def find(self, *args: Any, **options: Any) -> StorePage:
        found = self._view.find(*args, **options)
        self._read.append(len(found.documents))
        return found


class CountingStore(JsonFileStore):
    """The store of `shop`, which counts the documents that its views list."""

    def __init__(self, shop: Store) -> None:
        self._shop = shop
        self.listed: list[int] = []

    @contextmanager
    def read(self) -> Iterator[View]:
        with self._shop.read() as view:
            yield cast(View, CountingView(view, self.listed))


@pytest.mark.parametrize("query", ["sort=total", "sort=total&find=baker", "sort=-placed"])
def test_csv_reads_each_order_once(three_orders: None, runtime: Runtime, query: str) -> None:
    """Sorted or not."""
    store = CountingStore(runtime.store)
    search = OrderSearch.parse(dict(parse_qsl(query)))
    assert len(list(search.export(store, UTC))) == 3
    assert sum(store.listed) == 3


def test_a_line_without_a_price_keeps_its_own(client: FlaskClient, settled: Settled) -> None:
    """An emptied price is that of the line, not the list price of today."""
    place(client, tea=2)
    settled()
    client.patch("/product/tea", json={"price": "9.00"})
    page = Page(client.get("/desk/1001/edit"))
    send(client, page, "/desk/1001", **{"amount.1": "", "quantity.1": "3"})
    assert read(client, "/order/1001")["total_amount"] == "13.50"


def test_a_clerk_changes_an_order(client: FlaskClient, settled: Settled) -> None:
    """Quantities, customer, a line added and one removed; the stock follows."""
    place(client, tea=2, mug=1)
    settled()
    page = Page(client.get("/desk/1001/edit"))
    form = page.form("/desk/1001")
    assert [form.fields[f"product.{n}"]["value"] for n in (1, 2, 3)] == ["tea", "mug", ""]
    after = send(client, page, "/desk/1001", **{
        "quantity.1": "5", "quantity.2": "", "product.3": "pot", "quantity.3": "1",
        "customer_name": "Grace", "customer_email": "g@example.org",
    })  # fmt: skip
    assert after.status == 200
    settled()
    order = read(client, "/order/1001")
    assert [(line["product"], line["quantity"]) for line in order["items"]] == [
        ("tea", 5),
        ("pot", 1),
    ]
    assert (order["customer_name"], order["customer_email"]) == ("Grace", "g@example.org")
    assert order["total_amount"] == "52.50"
    assert read(client, "/product/mug")["reserved"] == 0


def test_errors_are_beside_their_fields_and_values_stay(
    client: FlaskClient, settled: Settled
) -> None:
    """422; the order is unchanged."""
    place(client, tea=2)
    settled()
    before = read(client, "/order/1001")
    page = Page(client.get("/desk/1001/edit"))
    after = send(client, page, "/desk/1001", customer_email="nobody", **{"quantity.1": "many"})
    assert after.status == 422
    assert after.fields["customer_email"]["value"] == "nobody"
    assert after.by_id["customer_email-error"].strip() == "E-mail is not a valid e-mail address."
    assert after.fields["quantity.1"]["value"] == "many"
    assert read(client, "/order/1001") == before


def test_errors_of_lines_are_beside_their_fields(client: FlaskClient, settled: Settled) -> None:
    """422; each names its line as the page counts them, and the first has the focus."""
    place(client, tea=2, mug=1)
    settled()
    page = Page(client.get("/desk/1001/edit"))
    typed = {"quantity.1": "", "quantity.2": "two", "amount.3": "cheap", "product.3": "gold"}
    refused = send(client, page, "/desk/1001", **typed | {"quantity.3": "1", "quantity.4": "5"})
    assert refused.status == 422
    for name, error in {
        "quantity.2": "Line 2: quantity must be a whole number.",
        "amount.3": "Line 3: price must be a decimal number such as 4.50, not negative.",
        "product.4": "Line 4: product is required.",
    }.items():
        field = refused.fields[name]
        assert field["aria-invalid"] == "true"
        assert refused.by_id[field["aria-describedby"]] == error
        assert f"#{name}" in refused.links
    assert [n for n, field in refused.fields.items() if "autofocus" in field] == ["quantity.2"]
    assert refused.fields["quantity.2"]["value"] == "two"
    assert "items" not in refused.text


def test_errors_of_the_customer_are_beside_their_fields(
    client: FlaskClient, settled: Settled
) -> None:
    """In the page's words, not in those of the API."""
    place(client, tea=2)
    settled()
    page = Page(client.get("/desk/1001/edit"))
    refused = send(client, page, "/desk/1001", customer_name=" ", customer_email="ada")
    assert refused.by_id["customer_name-error"] == "Name must have 1 to 200 characters."
    assert refused.by_id["customer_email-error"] == "E-mail is not a valid e-mail address."


def test_a_shortage_is_reported_beside_the_line(client: FlaskClient, settled: Settled) -> None:
    """409, with the pieces that are left for this order."""
    place(client, tea=1, mug=2)
    settled()
    refused = send(
        client, Page(client.get("/desk/1001/edit")), "/desk/1001", **{"quantity.2": "11"}
    )
    assert refused.status == 409
    assert refused.by_id["quantity.2-error"] == "Line 2: only 10 left."


def test_an_order_without_lines_is_refused(client: FlaskClient, settled: Settled) -> None:
    """422, with what to do."""
    place(client, tea=1)
    settled()
    refused = send(client, Page(client.get("/desk/1001/edit")), "/desk/1001", **{"quantity.1": "0"})
    assert refused.status == 422
    assert refused.by_id["quantity.1-error"] == "Give at least one line a quantity."


@pytest.mark.parametrize(("typed", "total"), [("1,10", "2.20"), ("1,5", "3.00"), ("2.00", "4.00")])
def test_a_price_may_have_a_decimal_comma(
    client: FlaskClient, settled: Settled, typed: str, total: str
) -> None:
    """One or two digits after a comma cannot be thousands."""
    place(client, tea=2)
    settled()
    send(client, Page(client.get("/desk/1001/edit")), "/desk/1001", **{"amount.1": typed})
    assert read(client, "/order/1001")["total_amount"] == total


def test_an_ambiguous_price_is_refused(client: FlaskClient, settled: Settled) -> None:
    """1,100 is eleven hundred to some and one point one to others."""
    place(client, tea=2)
    settled()
    refused = send(
        client, Page(client.get("/desk/1001/edit")), "/desk/1001", **{"amount.1": "1,100"}
    )
    assert refused.status == 422
    assert refused.fields["amount.1"]["value"] == "1,100"


def test_a_refused_cancellation_keeps_the_reason(client: FlaskClient, settled: Settled) -> None:
    """422, with the error in the opened form, and the order's own fields as they are."""
    place(client, tea=2)
    settled()
    refused = send(client, Page(client.get("/desk/1001")), "/cancel", reason="a" * 501)
    assert refused.status == 422
    assert refused.by_id["reason-error"] == "Reason must have 1 to 500 characters."
    assert refused.fields["reason"]["value"] == "a" * 501
    assert "Customer Ada" in refused.text


def test_two_clerks_do_not_overwrite_each_other(client: FlaskClient, settled: Settled) -> None:
    """The second gets 412, with the typed values kept."""
    place(client, tea=2)
    settled()
    page = Page(client.get("/desk/1001/edit"))
    assert client.patch("/order/1001", json={"customer_name": "Grace"}).status_code == 200
    after = send(client, page, "/desk/1001", **{"quantity.1": "7"})
    assert after.status == 412
    assert "has changed meanwhile" in after.text
    assert after.fields["quantity.1"]["value"] == "7"
    assert send(client, after, "/desk/1001").status == 200
    assert read(client, "/order/1001")["items"][0]["quantity"] == 7


def test_a_clerk_cancels_an_order(client: FlaskClient, settled: Settled) -> None:
    """Afterwards it cannot be changed."""
    place(client, tea=2)
    settled()
    after = send(client, Page(client.get("/desk/1001")), "/cancel", reason="ordered twice")
    assert "Order 1001 cancelled" in after.text
    assert "ordered twice" in after.text
    assert list(after.forms) == []


def test_a_cancelled_paid_order_shows_why_it_was_cancelled(
    client: FlaskClient, settled: Settled
) -> None:
    """The reason is the cancellation's, also after the refund, whose detail is the payment's."""
    place(client, tea=2)
    settled()
    client.post("/order/1001/cancel", json={"reason": "ordered twice"})
    settled()
    facts = Page(client.get("/desk/1001")).text
    assert "Reason ordered twice" in facts
    assert "Payment refunded 0.00 EUR paid" in facts
    assert "The payment was returned." in facts


def test_a_failed_order_shows_why_it_failed(client: FlaskClient, settled: Settled) -> None:
    """The reason, whatever the history's last entry is."""
    client.post("/order", json=request_for(tea=2) | {"payment_method": DECLINE})
    settled()
    facts = Page(client.get("/desk/1001")).text
    assert "Reason payment declined" in facts


def test_deleting_must_be_confirmed(client: FlaskClient, settled: Settled) -> None:
    """The page says that it is final; afterwards the list says that the order was deleted."""
    order = place(client, tea=2)
    settled()
    page = Page(client.get("/desk/1001/delete"))
    assert "Deleting it is final" in page.text
    assert read(client, "/order/1001")["status"] == "confirmed"
    assert "The order was deleted." in send(client, page, "/delete").text
    assert client.get("/order/1001").status_code == 404
    for path in ("/desk/1001", "/desk/1001/delete"):
        gone = Page(client.get(path))
        assert gone.status == 404
        assert "Order 1001 was deleted." in gone.text
    assert "Order 1001 was deleted." in send(client, page, "/delete").text
    event = read(client, f"/order/{order['order_id']}/events")["events"][-1]
    assert "About order 1001, deleted" in Page(client.get(f"/events/{event['id']}")).text


def test_a_shipped_order_cannot_be_changed_or_deleted(
    client: FlaskClient, settled: Settled
) -> None:
    """A confirmation page opened before the handover deletes nothing."""
    place(client, tea=2)
    settled()
    before = Page(client.get("/desk/1001/delete"))
    parcel = {"carrier": "DHL", "tracking_number": "JD0146"}
    assert client.post("/shipment/1001/ship", json=parcel).status_code == 200
    answer = client.get("/desk/1001")
    assert "/desk/1001/delete" not in answer.text
    assert list(Page(answer).forms) == []
    settled()
    version = str(read(client, "/order/1001")["version"])
    refused = send(client, before, "/delete", version=version)
    assert refused.status == 409
    assert "Please check this Order 1001 is shipped" in refused.text
    assert client.get("/order/1001").status_code == 200
