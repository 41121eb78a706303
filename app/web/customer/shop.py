"""The shop at /: products with their stock, and the order form. For customers."""

from flask import Blueprint, Response, request, url_for

from app.http.requests.idempotency import key_of, once
from app.http.responses import problems
from app.http.responses.json_response import json_bytes, see_other
from app.http.security.identity import current
from app.inventory.service import PRODUCTS
from app.kernel.errors import Conflict, Invalid
from app.kernel.payment_methods import APPROVE, DECLINE, DOWN, INVOICE, TIMEOUT
from app.orders import service
from app.orders.schemas import request_schema
from app.schema.validation import load
from app.store import Transaction
from app.web.customer.basket import basket
from app.web.customer.order_form import QUANTITY, OrderForm, faults_of
from app.web.customer.product_picker import ProductPage, shelf
from app.web.layout.context import PageContext, page
from app.web.layout.form import submitted_form

_MOST_SIGNS = 200

PAYMENTS = {
    APPROVE: "Card (test: approved)",
    DECLINE: "Card (test: declined)",
    TIMEOUT: "Card (test: first answer is lost)",
    DOWN: "Card (test: bank is down for a while)",
    INVOICE: "On invoice",
}
"""What a customer may choose; there is no real gateway yet, so each card is a test."""


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The shop, what its form does, and the stock signs by which an open page stays true."""
    store, rules = site.store, site.rules
    order_request = request_schema(rules.currency)

    @pages.get("/")
    def show_form() -> Response:
        return _form_page(OrderForm(), {}, 200)

    @pages.post("/")
    def take_form() -> Response:
        form = OrderForm.sent(submitted_form())
        if not form.is_placed:
            return _form_page(form, {}, 200)
        try:
            return _place(form)
        except (Invalid, Conflict) as error:
            status = problems.status_of(error)
            return _form_page(form.after_refusal(error), faults_of(error, form), status)

    @pages.get("/signs")
    def show_signs() -> Response:
        """The stock signs of these products, in this order, as the shop's page has them."""
        skus = request.args.getlist("sku")[:_MOST_SIGNS]
        with store.read() as view:
            products = [view.get(PRODUCTS.name, sku) for sku in skus]
        return page("customer/stock_badges.html", products=products)

    def _place(form: OrderForm) -> Response:
        """Order once for each token, however often the form is sent."""
        wanted = load(order_request, form.request())

        def respond(tx: Transaction) -> Response:
            order = service.place_order(tx, rules, wanted, by=current().name)
            location = url_for("web.customer.show_order", link=order["link"])
            return see_other(location)

        return once(store, key_of("POST /", form.token, json_bytes(wanted)), respond)

    def _form_page(form: OrderForm, faults: dict[str, str], status: int) -> Response:
        shown = shelf(store, list(form.quantities), form.find, form.after)
        return page(
            "customer/shop.html",
            status,
            live=["products"],
            form=form,
            faults=faults,
            shelf=shown,
            basket=basket(rules.currency, shown.chosen, form.quantities),
            ids=_ids(shown),
            prefix=QUANTITY,
            payments=PAYMENTS,
        )


def _ids(shown: ProductPage) -> dict[str, str]:
    """The id in the page of each field, by its name; a sku may have what an id must not."""
    quantities = [QUANTITY + product["sku"] for product in (*shown.chosen, *shown.others)]
    fixed = {name: name for name in ("find", "name", "email", "payment")}
    return fixed | {name: f"product-{place}" for place, name in enumerate(quantities)}
