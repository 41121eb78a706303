"""Products and their stock: add, change, archive; book deliveries and stock-takes. For managers."""

import secrets
from typing import Any

from flask import Blueprint, Response, request
from markupsafe import Markup

from app.http.requests.idempotency import execute_once, scoped_key
from app.http.responses.csv_response import csv_response
from app.http.responses.json_response import json_bytes
from app.http.security.identity import current
from app.inventory import csv_export, schemas, service
from app.inventory.documents import LEDGER
from app.inventory.pictures import Pictures, draw
from app.inventory.queries import find_product
from app.kernel import clock, shop_day
from app.kernel.errors import Conflict, Invalid, Malformed, Unavailable
from app.kernel.versions import Versions
from app.schema.validation import load
from app.store import Document, Page, Transaction
from app.store.matching import all_of, find_matching
from app.web.layout.context import PageContext, page
from app.web.layout.form import (
    NO_FORM,
    UPLOAD_MEDIA_TYPE,
    SubmittedForm,
    decimal_point,
    parse_integer,
    submitted_file,
    submitted_form,
)
from app.web.layout.positions import PAGE_SIZE, Position, parse_page
from app.web.layout.redirects import redirect_to
from app.web.manager.charts import steps
from app.web.manager.stock_search import MAX_SORTED, StockSearch


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""
    pages = StockPages(context)
    blueprint.get("/stock")(pages.show_stock)
    blueprint.get("/stock.csv")(pages.export_products)
    blueprint.post("/stock")(pages.add_product)
    blueprint.get("/stock/<path:sku>")(pages.show_product)
    blueprint.post("/stock/<path:sku>")(pages.change_product)


class StockPages:
    """The views. A product's forms share its address; their field `do` names the action."""

    def __init__(self, context: PageContext) -> None:
        self._context, self._store = context, context.store
        self._pictures = Pictures(context.config.data)
        self._new_product = schemas.product_request_schema(context.rules.currency)
        self._product_change = schemas.product_change_schema(context.rules.currency)
        self._stock = {"change": schemas.StockChangeSchema(), "count": schemas.StockCountSchema()}

    def show_stock(self, form: SubmittedForm = NO_FORM) -> Response:
        search = StockSearch.parse(request.args)
        result = search.run(self._store)
        return page(
            "manager/stock.html",
            form,
            live=["products"],
            search=search,
            result=result,
            max_sorted=MAX_SORTED,
        )

    def export_products(self) -> Response:
        """Return the products of the search as CSV, as the API's list has them."""
        search = StockSearch.parse(request.args).selection

        def read(after: str | None, limit: int) -> Page:
            return find_matching(
                self._store, search.find, search.is_match, after=after, limit=limit
            )

        columns = csv_export.PRODUCT_HEADINGS
        rows = csv_export.rows(all_of(read), columns)
        return csv_response("products.csv", columns, rows)

    def add_product(self) -> Response:
        form = submitted_form()
        try:
            product = load(self._new_product, _product_fields(form) | form.filled("sku"))
            created = self._store.run_in_transaction(
                lambda tx: service.create_product(tx, product, current().name)
            )
        except (Invalid, Conflict) as error:
            return self.show_stock(form.refused(error))
        return _product_redirect(created["sku"])

    def show_product(self, sku: str, form: SubmittedForm = NO_FORM) -> Response:
        number = parse_page(request.args.get("page", ""))
        with self._store.read() as view:
            product = find_product(view, sku)
            where = {"sku": product["sku"]}
            position = Position.of_page(number, view.count(LEDGER.name, where))
            entries = view.find(
                LEDGER.name, where, skip=position.first - 1, limit=PAGE_SIZE, descending=True
            ).documents
        end = entries[0]["at"] if position.page > 1 else clock.now()
        return page(
            "manager/product.html",
            form,
            live=["products"],
            product=product,
            entries=entries,
            position=position,
            chart=self._chart(product, entries[::-1], end),
            token=secrets.token_urlsafe(16),
        )

    def change_product(self, sku: str) -> Response:
        if request.mimetype == UPLOAD_MEDIA_TYPE:
            return self._upload_picture(sku)
        form = submitted_form()
        action = form.get("do")
        try:
            if action == "edit":
                patch = load(self._product_change, _product_fields(form))
                return self._change(sku, patch, form.expected_versions())
            if action in ("archive", "restore"):
                self._change(sku, {"archived": action == "archive"})
                return redirect_to("web.manager.show_product", sku=sku, flash=f"{action}d")
            if action == "remove-picture":
                return self._set_picture(sku, None)
            if action in self._stock:
                return self._book(sku, action, form)
        except (Invalid, Conflict) as error:
            return self.show_product(sku, form.refused(error))
        raise Malformed("This form does not say what to do; load the page again.")

    def _change(self, sku: str, patch: Document, expected: Versions = None) -> Response:
        self._store.run_in_transaction(
            lambda tx: service.change_product(tx, sku, patch, expected, by=current().name)
        )
        return _product_redirect(sku)

    def _upload_picture(self, sku: str) -> Response:
        try:
            return self._set_picture(sku, draw(submitted_file("picture")))
        except (Invalid, Unavailable) as error:
            form = SubmittedForm({"do": "picture", "picture": ""}, {})
            return self.show_product(sku, form.refused(error))

    def _set_picture(self, sku: str, picture: bytes | None) -> Response:
        self._store.run_in_transaction(
            lambda tx: service.set_picture(tx, self._pictures, sku, picture, by=current().name)
        )
        return _product_redirect(sku)

    def _book(self, sku: str, action: str, form: SubmittedForm) -> Response:
        """Book a delivery or a stock-take, once for each token however often the form is sent."""
        fields = {action: parse_integer(form.get(action))} | form.filled("reason")
        adjustment = load(self._stock[action], fields)

        def respond(tx: Transaction) -> Response:
            service.change_stock(tx, sku, adjustment, current().name)
            return _product_redirect(sku)

        key = scoped_key(f"POST /stock/{sku}", form.get("token"), json_bytes(adjustment))
        return execute_once(self._store, key, respond)

    def _chart(self, product: Document, entries: list[Document], end: str) -> Markup | str:
        """Draw the stock on hand through the entries, oldest first, until `end`."""
        if not entries:
            return ""
        zone = self._context.config.timezone
        changes = [(shop_day.local_time(each["at"], zone), each["after"]) for each in entries]
        title = f"Stock on hand of {product['name']} over time; the ledger below has the numbers"
        return steps(title, entries[0]["before"], changes, shop_day.local_time(end, zone))


def _product_fields(form: SubmittedForm) -> dict[str, Any]:
    """Return the product fields that the form sets."""
    return {
        **form.filled("name"),
        **{name: decimal_point(price) for name, price in form.filled("price").items()},
        # a form from before there were tax rates leaves the product's as it is
        **({"tax_rate": _tax_rate(form)} if "tax_rate" in form.fields else {}),
        "category": form.get("category"),
        "backorder": form.get("backorder") == "yes",
        **form.filled_integers("low_stock_threshold", "quantity"),
    }


def _tax_rate(form: SubmittedForm) -> str | None:
    """Return the tax rate as typed, with a decimal comma too; None for an empty field."""
    return decimal_point(form.get("tax_rate")) or None


def _product_redirect(sku: str) -> Response:
    return redirect_to("web.manager.show_product", sku=sku)
