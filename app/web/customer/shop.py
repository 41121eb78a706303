"""The shop at /: products with their stock, and the order form. For customers."""

from flask import Blueprint, Response, request

from app.http.requests.idempotency import execute_once, scoped_key
from app.http.responses.json_response import json_bytes
from app.http.security.cookies import delete_cookie, get_cookie, set_cookie
from app.http.security.identity import current
from app.inventory.documents import PRODUCTS
from app.inventory.pictures import Pictures
from app.kernel.countries import COUNTRIES
from app.kernel.errors import Conflict, DaybookError, Invalid, NotFound, TooMany
from app.kernel.shipping_address import ADDRESS
from app.orders import service
from app.orders.schemas import request_schema
from app.schema.validation import load
from app.store import Transaction
from app.web.customer.basket import basket
from app.web.customer.categories import categories
from app.web.customer.order_form import CUSTOMER_FIELDS, QUANTITY, SEARCH_FIELDS, OrderForm
from app.web.customer.product_picker import ProductPage, product_page
from app.web.customer.public_order import count_order, refuse_large_order
from app.web.customer.public_text import refuse_addresses
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, submitted_form
from app.web.layout.redirects import redirect_to

BASKET_COOKIE = "daybook_basket"
BASKET_MAX_CHARS = 3000
"""The longest basket kept in a cookie, of which browsers keep 4096 bytes (RFC 6265, 6.1)."""

MAX_BADGES = 200
_FOR_GOOD = "public, max-age=31536000, immutable"
"""Cache-Control of a response that never changes under its address (RFC 8246)."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the shop, its form, and the stock badges by which an open shop page is refreshed."""
    store, rules = context.store, context.rules
    pictures = Pictures(context.config.data)
    order_request = request_schema(rules.currency)

    @blueprint.get("/")
    def show_shop(form: OrderForm | None = None, error: DaybookError | None = None) -> Response:
        form = form or _remembered_form()
        found = categories(store, form.category)
        chosen = list(form.quantities)
        products = product_page(store, chosen, form.find, found.chosen, form.after)
        ids = _field_ids(products)
        response = page(
            "customer/shop.html",
            NO_FORM.refused(error),
            live=["products"],
            form=form.to_correct(error) if error else form,
            errors=form.errors(error, list(ids)) if error else {},
            products=products,
            categories=found,
            basket=basket(rules.currency, products.chosen, form.quantities),
            ids=ids,
            prefix=QUANTITY,
            payments=context.payment_titles,
            default_payment=rules.payment_method,
            countries=COUNTRIES,
        )
        response.headers["X-Robots-Tag"] = "all"  # the one page for search engines
        return response

    @blueprint.post("/")
    def submit_order() -> Response:
        form = OrderForm.parse(submitted_form())
        if form.places_order:
            try:
                response = _place(form)
            except (Invalid, Conflict, TooMany) as error:
                return _remember(form, show_shop(form, error))
            delete_cookie(response, BASKET_COOKIE)
            return response
        if len(form.as_cookie()) > BASKET_MAX_CHARS:
            return show_shop(form)
        query = {name: text for name in SEARCH_FIELDS if (text := getattr(form, name))}
        return _remember(form, redirect_to("web.customer.show_shop", **query))

    @blueprint.get("/signs")
    def show_stock_badges() -> Response:
        """The price and stock badge of each `sku`, in the order and markup of the shop's page."""
        skus = request.args.getlist("sku")[:MAX_BADGES]
        with store.read() as view:
            products = [view.get(PRODUCTS.name, sku) for sku in skus]
        return page("customer/stock_badges.html", products=products)

    @blueprint.get("/pictures/<name>")
    def show_picture(name: str) -> Response:
        """A product's picture; it never changes under its name, so browsers may keep it."""
        with store.read() as view:
            is_used = view.count(PRODUCTS.name, {"picture": name}) > 0
        picture = pictures.read(name) if is_used else None
        if picture is None:
            raise NotFound("There is no picture of that name.")
        return Response(picture, mimetype="image/webp", headers={"Cache-Control": _FOR_GOOD})

    def _place(form: OrderForm) -> Response:
        """Place the order, once for each token however often the form is sent."""
        order = load(order_request, form.request())
        refuse_addresses(order, "customer_name", ADDRESS)
        refuse_large_order(context.config, order)
        address = request.remote_addr or ""
        with store.read() as view:
            products = service.products_of(view, order)

        def respond(tx: Transaction) -> Response:
            count_order(tx, context.config, order, address)
            placed = service.place_order(tx, rules, order, products, by=current().name)
            return redirect_to("web.customer.show_order", link=placed["link"])

        return execute_once(store, scoped_key("POST /", form.token, json_bytes(order)), respond)


def _remembered_form() -> OrderForm:
    """Return the form with the basket of this browser, and the search of this address."""
    search = {name: request.args.get(name, "") for name in SEARCH_FIELDS}
    return OrderForm.from_cookie(get_cookie(BASKET_COOKIE), **search)


def _remember(form: OrderForm, response: Response) -> Response:
    """Keep the basket in the browser, until it is closed or the order is placed."""
    if len(basket := form.as_cookie()) <= BASKET_MAX_CHARS:
        set_cookie(response, BASKET_COOKIE, basket)
    return response


def _field_ids(products: ProductPage) -> dict[str, str]:
    """Return the element id of each field by its name, in the order of the page.

    A sku may have characters that ids lack.
    """
    quantities = [QUANTITY + product["sku"] for product in (*products.chosen, *products.others)]
    products_ids = {name: f"product-{place}" for place, name in enumerate(quantities)}
    return {"find": "find"} | products_ids | {name: name for name in CUSTOMER_FIELDS}
