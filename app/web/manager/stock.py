"""The stock room: products added and changed, deliveries and stock-takes booked. For managers."""

import secrets
from typing import Any

from flask import Blueprint, Response, request, url_for

from app.http.requests.idempotency import key_of, once
from app.http.requests.paging import decoded, encoded
from app.http.responses import problems
from app.http.responses.json_response import json_bytes, see_other
from app.http.security.identity import current
from app.inventory import schemas, service
from app.inventory.search import has_words, search
from app.kernel.errors import Conflict, DaybookError, Invalid, Malformed, Stale
from app.schema.validation import load
from app.store import Document, IndexValue, Transaction, View
from app.web.layout.context import PageContext, day_of, page
from app.web.layout.form import SubmittedForm, faults_of, submitted_form
from app.web.manager.charts import line

PAGE = 50
LEDGER_PAGE = 25
CHARTED = 100
"""The newest changes of a product's stock that its chart shows."""

_NAMES = ("sku", "name", "category", "price")
_FIELDS = {
    f"/{name}": name
    for name in (*_NAMES, "quantity", "low_stock_threshold", "change", "count", "reason")
}


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The list, a new product, and a product with all that can be done to it."""
    store = site.store
    new_product = schemas.product_request_schema(site.rules.currency)
    product_change = schemas.product_change_schema(site.rules.currency)
    stock_change, stock_count = schemas.StockChangeSchema(), schemas.StockCountSchema()

    @pages.get("/stock")
    def show_stock() -> Response:
        return _list_page()

    @pages.post("/stock")
    def add_product() -> Response:
        sent = submitted_form()
        try:
            wanted = load(new_product, _product_of(sent) | sent.given("sku"))
            with store.transaction() as tx:
                product = service.create_product(tx, wanted, current().name)
        except (Invalid, Conflict) as error:
            return _list_page(error, sent)
        return _to_product(product["sku"])

    @pages.get("/stock/<path:sku>")
    def show_product(sku: str) -> Response:
        return _product_page(sku)

    @pages.post("/stock/<path:sku>")
    def change_product(sku: str) -> Response:
        sent = submitted_form()
        try:
            return doings[sent.get("do")](sku, sent)
        except KeyError:
            raise Malformed("This form does not say what to do; load the page again.") from None
        except (Invalid, Conflict) as error:
            return _product_page(sku, error, sent)

    def _edit(sku: str, sent: SubmittedForm) -> Response:
        patch = load(product_change, _product_of(sent))
        with store.transaction() as tx:
            service.change_product(tx, sku, patch, [sent.get("version")], who=current().name)
        return _to_product(sku)

    def _archive(sku: str, sent: SubmittedForm) -> Response:
        with store.transaction() as tx:
            service.change_product(
                tx, sku, {"archived": sent.get("do") == "archive"}, who=current().name
            )
        return _to_product(sku)

    def _book(sku: str, sent: SubmittedForm) -> Response:
        """Book a delivery or a stock-take, once however often the form is sent."""
        name = sent.get("do")
        wanted = load(
            stock_count if name == "count" else stock_change,
            {name: sent.number(name)} | sent.given("reason"),
        )

        def respond(tx: Transaction) -> Response:
            service.change_stock(tx, sku, wanted, current().name)
            return _to_product(sku)

        return once(
            store, key_of(f"POST /stock/{sku}", sent.get("token"), json_bytes(wanted)), respond
        )

    doings = {
        "edit": _edit,
        "archive": _archive,
        "restore": _archive,
        "change": _book,
        "count": _book,
    }

    def _list_page(
        error: DaybookError | None = None, sent: SubmittedForm | None = None
    ) -> Response:
        asked = _asked(request.args.to_dict())
        found = _found(site, asked)
        with store.read() as view:
            counts = _counts(view)
        return page(
            "manager/stock.html",
            problems.status_of(error) if error else 200,
            live=["products"],
            section="Stock",
            asked=asked,
            counts=counts,
            products=found.documents,
            next=found.next and encoded(found.next, _list_name(asked)),
            faults=faults_of(error, _FIELDS) if error else {},
            typed=sent.fields if sent else {},
        )

    def _product_page(
        sku: str, error: DaybookError | None = None, sent: SubmittedForm | None = None
    ) -> Response:
        with store.read() as view:
            product = service.find_product(view, sku)
            where: dict[str, IndexValue] = {"sku": product["sku"]}
            recent = view.find(service.LEDGER.name, where, limit=CHARTED, descending=True).documents
            lines = view.count(service.LEDGER.name, where)
        return page(
            "manager/product.html",
            problems.status_of(error) if error else 200,
            live=["products"],
            section="Stock",
            product=product,
            ledger=recent[:LEDGER_PAGE],
            lines=lines,
            chart=_chart(recent, product),
            faults=_faults(error) if error else {},
            doing=sent.get("do") if sent else "",
            typed=sent.fields if sent else {},
            token=secrets.token_urlsafe(16),
        )

    def _chart(recent: list[Document], product: Document) -> Any:
        oldest_first = recent[::-1]
        if not oldest_first:
            return ""
        labels = ["before", *(day_of(each["at"], site.zone) for each in oldest_first)]
        values = [oldest_first[0]["before"], *(each["after"] for each in oldest_first)]
        return line(f"On hand of {product['name']}, change by change", labels, values)


def _product_of(sent: SubmittedForm) -> dict[str, Any]:
    """What can be set of a product, as the form has it."""
    product: dict[str, Any] = sent.given("name", "price") | {
        "category": sent.get("category"),
        "backorder": sent.get("backorder") == "yes",
    }
    numbers = ("low_stock_threshold", "quantity")
    return product | {name: sent.number(name) for name in numbers if sent.get(name)}


def _asked(arguments: dict[str, str]) -> dict[str, str]:
    status = arguments.get("status", "")
    return {
        "find": arguments.get("find", "").strip()[:100],
        "status": status if status in (*schemas.STOCK_STATUSES, "archived") else "",
        "cursor": arguments.get("cursor", ""),
    }


def _list_name(asked: dict[str, str]) -> str:
    return f"stock {asked['find']} {asked['status']}"


def _found(site: PageContext, asked: dict[str, str]) -> Any:
    """The products of the list, a page of them."""
    try:
        after = decoded(asked["cursor"], _list_name(asked)) if asked["cursor"] else None
    except Malformed:
        after = None
    where = _where(asked["status"])
    return search(site.store, where, lambda each: has_words(each, asked["find"]), after, PAGE)


def _where(status: str) -> dict[str, IndexValue]:
    if status == "archived":
        return {"archived": 1}
    return {"stock_status": status} if status else {"archived": 0}


def _counts(view: View) -> dict[str, int]:
    statuses = ("", *schemas.STOCK_STATUSES, "archived")
    return {each: view.count(service.PRODUCTS.name, _where(each)) for each in statuses}


def _faults(error: DaybookError) -> dict[str, str]:
    if isinstance(error, Stale):
        return {"": "This product has changed meanwhile. Look at how it is now, and save again."}
    return faults_of(error, _FIELDS)


def _to_product(sku: str) -> Response:
    location = url_for("web.manager.show_product", sku=sku)
    return see_other(location)
