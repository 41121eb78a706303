"""Products and their stock over HTTP."""

from urllib.parse import quote

from flask import Blueprint, Response
from marshmallow import Schema
from werkzeug.routing import PathConverter

from app.http.operation import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, Operation
from app.http.requests import idempotency
from app.http.requests.body import PATCH_TYPES, json_object
from app.http.requests.paging import page_response, paging, query
from app.http.responses.json_response import expected_versions, versioned
from app.http.security.identity import current
from app.inventory import schemas, service
from app.kernel.errors import Invalid, Problem
from app.kernel.money import Currency
from app.kernel.text_search import has_words, words_of
from app.schema.validation import load
from app.store import Document, IndexValue, Page, Store, Transaction
from app.store.matching import find_matching


class SkuConverter(PathConverter):
    """A sku, which may have slashes in it, so it may be more than one step of a path.

    What ends in /stock is another resource, whatever the method. After a part that may be of many
    steps werkzeug takes a trailing slash only where a rule of its own has one.
    """

    regex = r"(?!.*/stock/?$)[^/].*?"


def blueprint(store: Store, currency: Currency) -> Blueprint:
    """The routes, over `store`."""
    routes = Blueprint("inventory", __name__)
    routes.record_once(lambda setup: setup.app.url_map.converters.update(sku=SkuConverter))
    product_request = schemas.product_request_schema(currency)
    product_change = schemas.product_change_schema(currency)
    stock_change, stock_count = schemas.StockChangeSchema(), schemas.StockCountSchema()
    product = schemas.ProductSchema

    @routes.post("/product")
    @Operation(
        product,
        201,
        takes=(product_request,),
        reads=(IDEMPOTENCY_KEY,),
        refuses=(409,),
        versioned=True,
    )
    def post_product() -> Response:
        """Add a product to the catalogue."""
        key = idempotency.requested_key()
        wanted = load(product_request, json_object())

        def add(tx: Transaction) -> Response:
            added = service.create_product(tx, wanted, current().name)
            return versioned(added, 201, Location=f"/product/{quote(added['sku'])}")

        return idempotency.once(store, key, add)

    @routes.get("/product")
    @Operation(schemas.ProductPageSchema, query=schemas.LIST_QUERY)
    def list_products() -> Response:
        """A page of products with their stock, by sku; with `q` it may be short, see `next`."""
        wanted = query(schemas.LIST_QUERY)
        limit, after = paging(wanted)
        page = _page(store, wanted, after, limit)
        return page_response("products", page, page.documents)

    @routes.get("/product/<sku:sku>")
    @Operation(product, reads=(IF_NONE_MATCH,), versioned=True)
    def get_product(sku: str) -> Response:
        """One product with its stock, archived or not."""
        with store.read() as view:
            found = service.find_product(view, sku)
        return versioned(found)

    @routes.patch("/product/<sku:sku>")
    @Operation(
        product,
        takes=(product_change,),
        accepts=PATCH_TYPES,
        reads=(IF_MATCH, IF_NONE_MATCH),
        refuses=(409,),
        versioned=True,
    )
    def patch_product(sku: str) -> Response:
        """Change a product by a merge patch (RFC 7396); the stock has its own address."""
        patch, expected = load(product_change, json_object(*PATCH_TYPES)), expected_versions()
        with store.transaction() as tx:
            changed = service.change_product(tx, sku, patch, expected, who=current().name)
        return versioned(changed)

    @routes.delete("/product/<sku:sku>")
    @Operation(product, reads=(IF_MATCH, IF_NONE_MATCH), refuses=(409,), versioned=True)
    def delete_product(sku: str) -> Response:
        """Archive a product: it can no longer be ordered, and is listed only when asked for."""
        expected = expected_versions()
        with store.transaction() as tx:
            archived = service.archive_product(tx, sku, expected, who=current().name)
        return versioned(archived)

    @routes.post("/product/<path:sku>/stock")
    @routes.post("/product/<path:sku>/stock/")
    @Operation(
        product,
        takes=(stock_change, stock_count),
        reads=(IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH),
        refuses=(409,),
        versioned=True,
    )
    def post_stock(sku: str) -> Response:
        """Book a change of what is on hand, or what was counted; answers the product."""
        key, expected = idempotency.requested_key(), expected_versions()
        adjustment = _adjustment(json_object(), stock_change, stock_count)

        def adjust(tx: Transaction) -> Response:
            return versioned(service.change_stock(tx, sku, adjustment, current().name, expected))

        return idempotency.once(store, key, adjust)

    @routes.get("/product/<path:sku>/stock")
    @routes.get("/product/<path:sku>/stock/")
    @Operation(schemas.StockPageSchema, query=schemas.LEDGER_QUERY)
    def list_stock(sku: str) -> Response:
        """The stock ledger of a product, newest line first."""
        limit, after = paging(query(schemas.LEDGER_QUERY))
        with store.read() as view:
            where = {"sku": service.find_product(view, sku)["sku"]}
            page = view.find(service.LEDGER.name, where, after=after, limit=limit, descending=True)
        return page_response("stock", page, page.documents)

    return routes


def _page(store: Store, wanted: Document, after: str | None, limit: int) -> Page:
    """The products that a list asks for."""
    filters: dict[str, IndexValue] = {
        name: wanted[name] for name in ("category", "stock_status") if name in wanted
    }
    is_archived, words = wanted["archived"] == "true", words_of(wanted.get("q", ""))
    # the other indexes have products that are sold, and no others
    where = {"archived": 1} if is_archived else filters or {"archived": 0}
    if not words and not (is_archived and filters):
        with store.read() as view:
            return view.find(service.PRODUCTS.name, where, after=after, limit=limit)

    return find_matching(
        store,
        lambda view, after, limit: view.find(
            service.PRODUCTS.name, where, after=after, limit=limit
        ),
        lambda each: (
            has_words(words, each["name"], each["sku"]) and filters.items() <= each.items()
        ),
        after=after,
        limit=limit,
    )


def _adjustment(body: Document, change: Schema, count: Schema) -> Document:
    """One of the two ways to say it. Raises Invalid."""
    if ("change" in body) == ("count" in body):
        raise Invalid([Problem("", "must have either change or count")])
    return load(count if "count" in body else change, body)
