"""Adding, changing and archiving products."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.server.runtime import Runtime
from app.store import Document, matching
from tests.over_http import body, place, read
from tests.transactions import transaction

PEN = {"sku": "pen", "name": "Pen, blue", "price": "1.2", "quantity": 40, "category": "pens"}


@pytest.fixture
def product_events(runtime: Runtime) -> Callable[[str], list[Document]]:
    """A function that reads the product.* events of a sku, oldest first: type and product."""

    def read_events(sku: str) -> list[Document]:
        with runtime.store.read() as view:
            ids = sorted({*view.keys("events"), *view.keys("outbox")})
            records = [view.get("events", id_) or view.get("outbox", id_) for id_ in ids]
        events = [record["event"] for record in records if record]
        return [
            {"type": each["type"]} | each["data"]["product"]
            for each in events
            if each["subject"] == sku and each["type"].startswith("product.")
        ]

    return read_events


def test_a_new_product_can_be_read_ordered_and_found(client: FlaskClient) -> None:
    """A new product answers 201 with address and version, and default values for omitted fields."""
    answer = client.post("/product", json=PEN)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/product/pen")
    assert answer.headers["ETag"] == '"1"'
    product = body(answer)
    assert (product["price"], product["quantity"], product["available"]) == ("1.20", 40, 40)
    assert (product["low_stock_threshold"], product["backorder"]) == (0, False)
    assert read(client, "/product/pen") == product
    assert read(client, "/product?category=pens")["products"] == [product]
    assert place(client, pen=2)["total_amount"] == "2.40"


def test_location_escapes_the_sku(client: FlaskClient) -> None:
    """A product with special characters in its sku is found at the address in Location."""
    answer = client.post("/product", json=PEN | {"sku": "a b/100%é"})
    assert read(client, answer.headers["Location"])["sku"] == "a b/100%é"


def test_a_sku_is_unique(client: FlaskClient) -> None:
    """A second product with the sku is refused with 409, also when the first one is archived."""
    client.post("/product", json=PEN)
    before = read(client, "/product/pen")
    answer = client.post("/product", json=PEN | {"price": "9.00"})
    assert (answer.status_code, body(answer)["archived"]) == (409, False)
    assert read(client, "/product/pen") == before
    client.delete("/product/pen")
    answer = client.post("/product", json=PEN)
    assert (answer.status_code, body(answer)["archived"]) == (409, True)
    assert '{"archived": false}' in body(answer)["detail"]


def test_adding_a_product_is_idempotent_by_key(client: FlaskClient) -> None:
    """A repeated Idempotency-Key answers the first response; with another body it is refused."""
    headers = {"Idempotency-Key": "one"}
    first = client.post("/product", json=PEN, headers=headers)
    again = client.post("/product", json=PEN, headers=headers)
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = client.post("/product", json=PEN | {"sku": "pin"}, headers=headers)
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"sku": "/pen"}, "/sku"),
        ({"sku": "pen/stock"}, "/sku"),
        ({"price": 1.2}, "/price"),
        ({"price": "-1"}, "/price"),
        ({"quantity": -1}, "/quantity"),
        ({"reserved": 1}, "/reserved"),
        ({"version": 7}, "/version"),
        ({"archived": True}, "/archived"),
    ],
)
def test_an_invalid_product_is_refused(
    client: FlaskClient, change: dict[str, Any], pointer: str
) -> None:
    """A 422 names the faulty field, and nothing is stored."""
    answer = client.post("/product", json=PEN | change)
    assert answer.status_code == 422
    assert [each["pointer"] for each in body(answer)["errors"]] == [pointer]
    assert read(client, "/product")["products"] == []


@pytest.mark.usefixtures("catalogue")
class TestChanging:
    """PATCH /product/{sku}."""

    def test_a_new_price_applies_to_new_orders(self, client: FlaskClient) -> None:
        place(client, tea=1)
        answer = client.patch("/product/tea", json={"price": "5.00", "name": "Assam"})
        assert (answer.status_code, answer.headers["ETag"]) == (200, f'"{body(answer)["version"]}"')
        assert place(client, tea=1)["total_amount"] == "5.00"
        assert read(client, "/order/1001")["total_amount"] == "4.50"

    def test_no_change_is_no_new_version(
        self, client: FlaskClient, product_events: Callable[[str], list[Document]]
    ) -> None:
        before, events = read(client, "/product/tea"), product_events("tea")
        answer = client.patch("/product/tea", json={"price": "4.5", "category": "tea"})
        assert (answer.status_code, body(answer)) == (200, before)
        assert product_events("tea") == events

    def test_a_stale_version_is_refused(self, client: FlaskClient) -> None:
        """Every method that changes a product honours If-Match; a change of stock makes a new
        version too, which is not stale for an edit.
        """
        assert client.patch("/product/tea", json={"name": "Assam"}).status_code == 200
        stale = {"If-Match": '"1"'}
        for answer in (
            client.patch("/product/tea", json={"price": "5.00"}, headers=stale),
            client.post("/product/tea/stock", json={"count": 80}, headers=stale),
            client.delete("/product/tea", headers=stale),
        ):
            assert (answer.status_code, body(answer)["version"]) == (412, 2)
        assert client.post("/product/tea/stock", json={"count": 90}).status_code == 200
        counted = {"If-Match": '"2"'}
        for answer in (
            client.post("/product/tea/stock", json={"count": 80}, headers=counted),
            client.delete("/product/tea", headers=counted),
        ):
            assert (answer.status_code, body(answer)["version"]) == (412, 3)
        assert (
            client.patch("/product/tea", json={"price": "5.00"}, headers=counted).status_code == 200
        )
        known = client.get("/product/tea", headers={"If-None-Match": '"4"'})
        assert known.status_code == 304

    @pytest.mark.parametrize("field", ["quantity", "reserved", "sku", "version"])
    def test_derived_fields_cannot_be_patched(self, client: FlaskClient, field: str) -> None:
        assert client.patch("/product/tea", json={field: 1}).status_code == 422

    def test_an_unknown_product_is_not_found(self, client: FlaskClient) -> None:
        assert client.patch("/product/none", json={"price": "1.00"}).status_code == 404

    def test_changes_of_name_price_and_status_emit_product_updated(
        self,
        client: FlaskClient,
        product_events: Callable[[str], list[Document]],
        settled: Callable[[], None],
    ) -> None:
        """A change of any other field emits no product.updated."""
        client.patch("/product/mug", json={"price": "11.00"})
        client.patch("/product/mug", json={"name": "Big mug"})
        client.patch("/product/mug", json={"category": "china"})
        place(client, mug=1)
        settled()
        place(client, mug=7)
        settled()
        said = [
            (each["name"], each["price"], each["stock_status"])
            for each in product_events("mug")[:4]
        ]
        assert said == [
            ("Mug", "12.00", "in_stock"),
            ("Mug", "11.00", "in_stock"),
            ("Big mug", "11.00", "in_stock"),
            ("Big mug", "11.00", "low_stock"),
        ]
        assert [each["type"] for each in product_events("mug")] == [
            *["product.updated"] * 4,
            "product.low_stock",
        ]
        assert product_events("mug")[-1]["available"] == 2


@pytest.mark.usefixtures("catalogue")
class TestArchiving:
    """DELETE /product/{sku}."""

    def test_an_archived_product_is_kept_but_not_sold(
        self, client: FlaskClient, product_events: Callable[[str], list[Document]]
    ) -> None:
        answer = client.delete("/product/tea")
        assert (answer.status_code, body(answer)["archived"]) == (200, True)
        assert read(client, "/product/tea")["archived"] is True
        assert product_events("tea")[-1]["archived"] is True
        request = {"customer_name": "Ann", "items": [{"product": "tea", "quantity": 1}]}
        refused = client.post("/order", json=request)
        assert (refused.status_code, body(refused)["errors"]) == (
            422,
            [{"pointer": "/items/0/product", "message": "is no longer sold"}],
        )

    def test_an_archived_product_is_listed_only_on_request(self, client: FlaskClient) -> None:
        client.delete("/product/tea")
        found = {
            query: [each["sku"] for each in read(client, f"/product?{query}")["products"]]
            for query in (
                "",
                "category=tea",
                "stock_status=in_stock",
                "q=assam",
                "archived=true",
                "archived=true&category=tea",
                "archived=true&stock_status=out_of_stock",
                "archived=true&q=assam",
            )
        }
        assert found == {
            "": ["mug", "pot", "tin"],
            "category=tea": [],
            "stock_status=in_stock": ["mug", "pot"],
            "q=assam": [],
            "archived=true": ["tea"],
            "archived=true&category=tea": ["tea"],
            "archived=true&stock_status=out_of_stock": [],
            "archived=true&q=assam": ["tea"],
        }

    def test_an_archived_product_can_be_restored(self, client: FlaskClient) -> None:
        client.delete("/product/tea")
        assert client.patch("/product/tea", json={"archived": False}).status_code == 200
        assert place(client, tea=1)["number"] == 1001

    def test_archiving_is_idempotent(
        self, client: FlaskClient, product_events: Callable[[str], list[Document]]
    ) -> None:
        """Archiving a product again changes nothing."""
        first, again = client.delete("/product/tea"), client.delete("/product/tea")
        assert (again.status_code, again.data) == (200, first.data)
        assert len([each for each in product_events("tea") if each["archived"]]) == 1

    @pytest.mark.parametrize("quantity", [1, 9])
    @pytest.mark.parametrize("is_settled", [False, True])
    def test_a_product_of_open_orders_cannot_be_archived(
        self, client: FlaskClient, settled: Callable[[], None], quantity: int, is_settled: bool
    ) -> None:
        """A product that is reserved, waited for or in a placed order can be archived once that
        order has ended.
        """
        place(client, pot=quantity)
        if is_settled:
            settled()
        for answer in (
            client.delete("/product/pot"),
            client.patch("/product/pot", json={"archived": True}),
        ):
            assert (answer.status_code, body(answer)["sku"]) == (409, "pot")
        assert read(client, "/product/pot")["archived"] is False
        client.post("/order/1001/cancel")
        settled()
        assert client.delete("/product/pot").status_code == 200


@pytest.mark.usefixtures("catalogue")
class TestSearching:
    """GET /product?q=words."""

    @pytest.mark.parametrize(
        ("query", "skus"),
        [
            ("q=TEA", ["pot", "tea", "tin"]),
            ("q=mug%20100", []),
            ("q=assam%20100", ["tea"]),
            ("q=eapo", ["pot"]),
            ("q=mug&stock_status=in_stock", ["mug"]),
            ("q=tea&stock_status=out_of_stock", ["tin"]),
            ("q=tea&category=tea", ["tea"]),
            ("q=nothing", []),
        ],
    )
    def test_search_requires_every_word_in_name_or_sku(
        self, client: FlaskClient, query: str, skus: list[str]
    ) -> None:
        """Words match in any case and inside words, together with filters."""
        assert [each["sku"] for each in read(client, f"/product?{query}")["products"]] == skus

    @pytest.mark.parametrize("limit", [1, 2, 3, 50])
    def test_pages_have_every_match_once(
        self, client: FlaskClient, runtime: Runtime, limit: int
    ) -> None:
        """Pages of any size have every match once, however far apart the matches are."""
        pens = [f"{n:05d}{'-pen' if n % 77 == 0 else ''}" for n in range(matching.BATCH_SIZE * 2)]
        for sku in pens:
            with transaction(runtime.store) as tx:
                tx.put("products", read_product(runtime) | {"sku": sku})
        found, path = [], f"/product?q=PEN&limit={limit}"
        while path:
            page = read(client, path)
            assert len(page["products"]) <= limit
            found += [each["sku"] for each in page["products"]]
            cursor = page["next"]
            path = cursor and f"/product?q=PEN&limit={limit}&cursor={cursor}"
        assert found == [sku for sku in pens if sku.endswith("-pen")]

    def test_a_page_scans_a_bounded_number_of_products(
        self, client: FlaskClient, runtime: Runtime
    ) -> None:
        """A match beyond the bound is on the next page."""
        with transaction(runtime.store) as tx:
            for n in range(matching.MAX_SCANNED):  # which have the parts of the word, apart
                part = read_product(runtime) | {"sku": f"a{n:05d}", "name": "Smug uga"}
                tx.put("products", part)
            tx.put("products", read_product(runtime) | {"sku": "b", "name": "Muga"})
        page = read(client, "/product?q=muga")
        assert page["products"] == []
        (muga,) = read(client, f"/product?q=muga&cursor={page['next']}")["products"]
        assert muga["sku"] == "b"

    def test_a_rare_word_is_found_at_once_in_a_large_catalogue(
        self, client: FlaskClient, runtime: Runtime
    ) -> None:
        """An index leads to it; only products with its rarest part are read."""
        with transaction(runtime.store) as tx:
            for n in range(matching.MAX_SCANNED):
                tx.put("products", read_product(runtime) | {"sku": f"a{n:05d}"})
        page = read(client, "/product?q=thing+mug")
        assert page == {"products": [], "next": None}
        (mug,) = read(client, "/product?q=mug")["products"]
        assert mug["sku"] == "mug"

    def test_accents_do_not_matter(self, client: FlaskClient) -> None:
        """Also after a change of the name, and not for an archived product."""
        product = {"sku": "cup", "name": "Caf\u00e9 au lait", "price": "3.00"}
        client.post("/product", json=product)
        assert [each["sku"] for each in read(client, "/product?q=cafe")["products"]] == ["cup"]
        client.patch("/product/cup", json={"name": "Th\u00e9"})
        assert read(client, "/product?q=cafe")["products"] == []
        assert len(read(client, "/product?q=TH%C3%88")["products"]) == 1
        client.delete("/product/cup")
        assert read(client, "/product?q=the+cup")["products"] == []
        assert len(read(client, "/product?q=the+cup&archived=true")["products"]) == 1


def read_product(runtime: Runtime) -> Document:
    """A renamed copy of a stored product, as a template for others."""
    with runtime.store.read() as view:
        tea = view.get("products", "tea")
    assert tea is not None
    return tea | {"name": "Thing"}
