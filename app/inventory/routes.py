"""Products over HTTP."""

from flask import Blueprint, Response

from app.errors import NotFound
from app.http.answers import answer
from app.http.operation import Operation
from app.http.paging import page_answer, paging, query
from app.inventory.schemas import LIST_QUERY, ProductPageSchema, ProductSchema
from app.inventory.service import PRODUCTS
from app.store import IndexValue, Store


def blueprint(store: Store) -> Blueprint:
    """The routes, over `store`."""
    routes = Blueprint("inventory", __name__)

    @routes.get("/product")
    @Operation(ProductPageSchema, query=LIST_QUERY)
    def list_products() -> Response:
        """A page of products with their stock, by sku."""
        wanted = query(LIST_QUERY)
        limit, after = paging(wanted)
        where: dict[str, IndexValue] = {
            name: wanted[name] for name in ("category", "stock_status") if name in wanted
        }
        with store.read() as view:
            page = view.find(PRODUCTS.name, where, after=after, limit=limit)
        return page_answer("products", page, page.documents)

    # a sku may have slashes in it
    @routes.get("/product/<path:sku>")
    @Operation(ProductSchema)
    def get_product(sku: str) -> Response:
        """One product with its stock."""
        with store.read() as view:
            product = view.get(PRODUCTS.name, sku) or view.get(PRODUCTS.name, sku.rstrip("/"))
        if product is None:
            raise NotFound(f"There is no product {sku[:64]}.")
        return answer(product)

    return routes
