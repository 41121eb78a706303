"""Products over HTTP."""

from flask import Blueprint, Response

from app.errors import NotFound
from app.http.answers import answer
from app.http.paging import page_answer, paging, query_parameters
from app.inventory.service import PRODUCTS
from app.store import Store


def blueprint(store: Store) -> Blueprint:
    """The routes, over `store`."""
    routes = Blueprint("inventory", __name__)

    @routes.get("/product")
    def list_products() -> Response:
        parameters = query_parameters(("category", "stock_status", "limit", "cursor"))
        limit, after = paging(parameters)
        where = {
            name: parameters[name] for name in ("category", "stock_status") if name in parameters
        }
        with store.read() as view:
            page = view.find(PRODUCTS.name, where, after=after, limit=limit)
        return page_answer("products", page, page.documents)

    @routes.get("/product/<sku>")
    def get_product(sku: str) -> Response:
        query_parameters(())
        with store.read() as view:
            product = view.get(PRODUCTS.name, sku)
        if product is None:
            raise NotFound(f"There is no product {sku[:64]}.")
        return answer(product)

    return routes
