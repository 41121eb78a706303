"""Products and their stock: add, change, archive; book deliveries and stock-takes. For managers."""

import secrets
from typing import Any

from flask import Blueprint, Response, request
from markupsafe import Markup

from app.http.requests.idempotency import execute_once, scoped_key
from app.http.responses.json_response import json_bytes
from app.http.security.identity import current
from app.inventory import schemas, service
from app.inventory.documents import LEDGER, PRODUCTS
from app.inventory.queries import ProductSearch, find_product
from app.kernel.errors import Conflict, Invalid, Malformed
from app.kernel.text_search import words_of
from app.schema.validation import load
from app.store import Document, IndexValue, Transaction
from app.store.matching import find_matching
from app.web.layout.context import PageContext, local_day, page
from app.web.layout.cursors import find_page, read_cursor, write_cursor
from app.web.layout.form import (
    NO_FORM,
    SubmittedForm,
    decimal_point,
    parse_integer,
    submitted_form,
)
from app.web.layout.redirects import redirect_to
from app.web.manager.charts import line

PAGE_SIZE = 50
LEDGER_PAGE_SIZE = 25
CHART_SIZE = 100
"""The number of ledger entries, the newest, in a product's chart."""

FILTERS = ("", *schemas.STOCK_STATUSES, "archived")


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""
    pages = StockPages(context)
    blueprint.get("/stock")(pages.show_stock)
    blueprint.post("/stock")(pages.add_product)
    blueprint.get("/stock/<path:sku>")(pages.show_product)
    blueprint.post("/stock/<path:sku>")(pages.change_product)


class StockPages:
    """The views. A product's forms share its address; their field `do` names the action."""

    def __init__(self, context: PageContext) -> None:
        self._context, self._store = context, context.store
        self._new_product = schemas.product_request_schema(context.rules.currency)
        self._product_change = schemas.product_change_schema(context.rules.currency)
        self._stock = {"change": schemas.StockChangeSchema(), "count": schemas.StockCountSchema()}

    def show_stock(self, form: SubmittedForm = NO_FORM) -> Response:
        find, status = request.args.get("find", "").strip()[:100], request.args.get("status", "")
        status = status if status in FILTERS else ""
        list_name = f"stock {find} {status}"
        after = read_cursor(request.args.get("cursor", ""), list_name)
        search = _search(status, find)
        products = find_matching(
            self._store, search.find, search.is_match, after=after, limit=PAGE_SIZE
        )
        with self._store.read() as view:
            counts = {each: view.count(PRODUCTS.name, _search(each).where) for each in FILTERS}
        return page(
            "manager/stock.html",
            form,
            live=["products"],
            search={"find": find, "status": status},
            counts=counts,
            products=products.documents,
            next=write_cursor(products.next, list_name),
        )

    def add_product(self) -> Response:
        form = submitted_form()
        try:
            product = load(self._new_product, _product_fields(form) | form.filled("sku"))
            with self._store.transaction() as tx:
                sku = service.create_product(tx, product, current().name)["sku"]
        except (Invalid, Conflict) as error:
            return self.show_stock(form.refused(error))
        return _product_redirect(sku)

    def show_product(self, sku: str, form: SubmittedForm = NO_FORM) -> Response:
        ledger = LEDGER.name
        with self._store.read() as view:
            product = find_product(view, sku)
            where: dict[str, IndexValue] = {"sku": product["sku"]}
            newest = view.find(ledger, where, limit=CHART_SIZE, descending=True).documents
            entries, next_ = find_page(
                view,
                ledger,
                where,
                request.args.get("cursor", ""),
                f"ledger {sku}",
                limit=LEDGER_PAGE_SIZE,
                descending=True,
            )
        return page(
            "manager/product.html",
            form,
            live=["products"],
            product=product,
            entries=entries,
            next=next_,
            chart=self._chart(product, newest[::-1]),
            token=secrets.token_urlsafe(16),
        )

    def change_product(self, sku: str) -> Response:
        form = submitted_form()
        action = form.get("do")
        try:
            if action == "edit":
                patch = load(self._product_change, _product_fields(form))
                return self._change(sku, patch, [form.get("version")])
            if action in ("archive", "restore"):
                return self._change(sku, {"archived": action == "archive"})
            if action in self._stock:
                return self._book(sku, action, form)
        except (Invalid, Conflict) as error:
            return self.show_product(sku, form.refused(error))
        raise Malformed("This form does not say what to do; load the page again.")

    def _change(self, sku: str, patch: Document, versions: list[str] | None = None) -> Response:
        with self._store.transaction() as tx:
            service.change_product(tx, sku, patch, versions, by=current().name)
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

    def _chart(self, product: Document, entries: list[Document]) -> Markup | str:
        """Draw the stock on hand after each of the entries, oldest first."""
        if not entries:
            return ""
        days = [local_day(each["at"], self._context) for each in entries]
        values = [entries[0]["before"], *(each["after"] for each in entries)]
        title = f"On hand of {product['name']}, change by change"
        return line(title, ["before", *days], values)


def _product_fields(form: SubmittedForm) -> dict[str, Any]:
    """Return the product fields that the form sets."""
    return {
        **form.filled("name"),
        **{name: decimal_point(price) for name, price in form.filled("price").items()},
        "category": form.get("category"),
        "backorder": form.get("backorder") == "yes",
        **form.filled_integers("low_stock_threshold", "quantity"),
    }


def _search(status: str, find: str = "") -> ProductSearch:
    """The search for products of one of FILTERS with the words of `find`."""
    is_archived = status == "archived"
    filters: dict[str, IndexValue] = {}
    if status and not is_archived:
        filters["stock_status"] = status
    return ProductSearch(words_of(find), filters, is_archived)


def _product_redirect(sku: str) -> Response:
    return redirect_to("web.manager.show_product", sku=sku)
