"""Products and their stock over HTTP."""

from urllib.parse import quote

from flask import Blueprint, Response
from marshmallow import Schema
from werkzeug.routing import PathConverter

from app.http.operation import IDEMPOTENCY_KEY, IF_NONE_MATCH, KEYED_CHANGE, Change, Operation
from app.http.requests import idempotency
from app.http.requests.body import MERGE_PATCH, PATCH_TYPES, json_object
from app.http.requests.conditions import expected_versions
from app.http.requests.paging import Total, load_query, page_request, page_response, total_of
from app.http.responses import csv_response
from app.http.responses.json_response import etag_response, prefers
from app.http.security.identity import current
from app.inventory import csv_export, schemas, service
from app.inventory.documents import LEDGER, PRODUCTS
from app.inventory.queries import ProductSearch, find_product
from app.kernel.errors import Invalid, Problem
from app.kernel.money import Currency
from app.kernel.text_search import words_of
from app.schema.validation import load
from app.store import Document, IndexValue, Page, Store, Transaction, View
from app.store.matching import all_of, find_matching, read_all


class SkuConverter(PathConverter):
    """A sku in a path. It may contain slashes; a path that ends in /stock is another resource.

    After such a converter werkzeug accepts a trailing slash only where a rule has one.
    """

    regex = r"(?!.*/stock/?$)[^/].*?"


def blueprint(store: Store, currency: Currency) -> Blueprint:
    """The routes."""
    routes = Blueprint("inventory", __name__)
    routes.record_once(lambda setup: setup.app.url_map.converters.update(sku=SkuConverter))
    product_request = schemas.product_request_schema(currency)
    product_change = schemas.product_change_schema(currency)
    stock_change, stock_count = schemas.StockChangeSchema(), schemas.StockCountSchema()
    product = schemas.ProductSchema

    @routes.post("/product")
    @Operation(
        product, 201, body=(product_request,), headers=(IDEMPOTENCY_KEY,), errors=(409,), etag=True
    )
    def post_product() -> Response:
        """Add a product to the catalogue."""
        key = idempotency.request_key()
        wanted = load(product_request, json_object())

        def add(tx: Transaction) -> Response:
            added = service.create_product(tx, wanted, current().name)
            return etag_response(added, 201, Location=f"/product/{quote(added['sku'])}")

        return idempotency.execute_once(store, key, add)

    @routes.get("/product")
    @Operation(
        schemas.ProductPageSchema,
        query=schemas.LIST_QUERY,
        other_media_types=(csv_response.MEDIA_TYPE,),
    )
    def list_products() -> Response:
        """A page of products by sku; all as CSV. With `q` it may be short, and have a `next`."""
        wanted = load_query(schemas.LIST_QUERY)
        limit, after = page_request(wanted)

        def read(after: str | None, limit: int) -> Page:
            return _page(store, wanted, after, limit)[0]

        if prefers(csv_response.MEDIA_TYPE):
            columns = csv_export.PRODUCT_HEADINGS
            rows = csv_export.rows(all_of(read), columns)
            return csv_response.csv_response("products.csv", columns, rows)
        page, total = _page(store, wanted, after, limit)
        return page_response("products", page, page.documents, total)

    @routes.get("/product/<sku:sku>")
    @Operation(product, headers=(IF_NONE_MATCH,), etag=True)
    def get_product(sku: str) -> Response:
        """One product with its stock, archived or not."""
        with store.read() as view:
            found = find_product(view, sku)
        return etag_response(found)

    @routes.patch("/product/<sku:sku>")
    @Change(product, body=(product_change,), consumes=MERGE_PATCH)
    def patch_product(sku: str) -> Response:
        """Change a product by a merge patch (RFC 7396). The stock has its own resource."""
        patch, expected = load(product_change, json_object(*PATCH_TYPES)), expected_versions()
        changed = store.run_in_transaction(
            lambda tx: service.change_product(tx, sku, patch, expected, by=current().name)
        )
        return etag_response(changed)

    @routes.delete("/product/<sku:sku>")
    @Change(product)
    def delete_product(sku: str) -> Response:
        """Archive a product. It can no longer be ordered, and only `archived=true` lists it."""
        expected = expected_versions()
        archived = store.run_in_transaction(
            lambda tx: service.archive_product(tx, sku, expected, by=current().name)
        )
        return etag_response(archived)

    @routes.post("/product/<path:sku>/stock")
    @routes.post("/product/<path:sku>/stock/")
    @Change(product, body=(stock_change, stock_count), headers=KEYED_CHANGE)
    def post_stock(sku: str) -> Response:
        """Record a change or a count of the quantity on hand; returns the product."""
        key, expected = idempotency.request_key(), expected_versions()
        adjustment = _adjustment(json_object(), stock_change, stock_count)

        def adjust(tx: Transaction) -> Response:
            changed = service.change_stock(tx, sku, adjustment, current().name, expected)
            return etag_response(changed)

        return idempotency.execute_once(store, key, adjust)

    @routes.get("/product/<path:sku>/stock")
    @routes.get("/product/<path:sku>/stock/")
    @Operation(
        schemas.StockPageSchema,
        query=schemas.LEDGER_QUERY,
        other_media_types=(csv_response.MEDIA_TYPE,),
    )
    def list_stock(sku: str) -> Response:
        """The stock ledger of a product, newest line first; all of it as CSV."""
        wanted = load_query(schemas.LEDGER_QUERY)
        limit, cursor = page_request(wanted)

        def where(view: View) -> dict[str, IndexValue]:
            return {"sku": find_product(view, sku)["sku"]}

        def find(view: View, after: str | None, limit: int) -> Page:
            return view.find(LEDGER.name, where(view), after=after, limit=limit, descending=True)

        if prefers(csv_response.MEDIA_TYPE):
            columns = csv_export.LEDGER_COLUMNS
            rows = csv_export.rows(read_all(store, find), columns)
            return csv_response.csv_response("stock.csv", columns, rows)
        with store.read() as view:
            page = find(view, cursor, limit)
            total = total_of(wanted, lambda: view.count(LEDGER.name, where(view)))
        return page_response("stock", page, page.documents, total)

    return routes


def _page(store: Store, wanted: Document, after: str | None, limit: int) -> tuple[Page, Total]:
    """The page of products that the query parameters `wanted` select, and its total."""
    filters: dict[str, IndexValue] = {
        name: wanted[name] for name in ("category", "stock_status") if name in wanted
    }
    search = ProductSearch(words_of(wanted.get("q", "")), filters, wanted["archived"] == "true")
    if search.needs_reading:
        page = find_matching(store, search.find, search.is_match, after=after, limit=limit)
        return page, total_of(wanted, None)
    with store.read() as view:
        total = total_of(wanted, lambda: view.count(PRODUCTS.name, search.where))
        return search.find(view, after, limit), total


def _adjustment(body: Document, change: Schema, count: Schema) -> Document:
    """The body, which is a change or a count. Raises Invalid."""
    if ("change" in body) == ("count" in body):
        raise Invalid([Problem("", "must have either change or count")])
    return load(count if "count" in body else change, body)
