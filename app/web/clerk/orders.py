"""The desk: orders found, opened, changed, cancelled and deleted. For clerks."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request, url_for

from app.events.outbox import timeline
from app.http.responses import problems
from app.http.responses.json_response import see_other
from app.http.security.identity import current
from app.inventory.service import PRODUCTS
from app.kernel.errors import Conflict, DaybookError, Invalid, Stale
from app.orders import service, states
from app.orders.schemas import CancellationSchema, change_schema
from app.schema.validation import load
from app.shipping.service import SHIPMENTS
from app.store import Document
from app.web.clerk import order_search
from app.web.customer.order_page import PAID
from app.web.layout.context import PageContext, page
from app.web.layout.form import SubmittedForm, faults_of, submitted_form, whole

QUANTITY, PRODUCT = "quantity.", "product."
"""What the names of a line's two fields begin with; its place in the order follows."""

_OFFERED = 500
_NEW_LINES = 3
_FIELDS = {"/customer_name": "customer_name", "/customer_email": "customer_email"}


def add_to(pages: Blueprint, site: PageContext) -> None:
    """The list, and an order with all that can be done to it."""
    store = site.store
    order_change = change_schema(site.rules.currency)
    cancellation = CancellationSchema()

    @pages.get("/desk")
    def show_desk() -> Response:
        wanted = order_search.wanted(request.args)
        return page(
            "clerk/orders.html",
            live=["orders"],
            section="Desk",
            wanted=wanted,
            found=order_search.find(store, wanted),
            counts=order_search.counts(store),
            statuses=states.STATUSES,
            told=request.args.get("told"),
        )

    @pages.get("/desk/<name>")
    def show_order(name: str) -> Response:
        return _order_page(name)

    @pages.post("/desk/<name>")
    def change_order(name: str) -> Response:
        sent = submitted_form()
        try:
            patch = load(order_change, _patch(sent))
            with store.transaction() as tx:
                service.change_order(
                    tx, site.rules, name, patch, [sent.get("version")], by=current().name
                )
        except (Invalid, Conflict) as error:
            return _order_page(name, error, sent)
        return _back(name)

    @pages.post("/desk/<name>/cancel")
    def cancel_order(name: str) -> Response:
        sent = submitted_form()
        try:
            reason = load(cancellation, sent.given("reason")).get("reason", "")
            with store.transaction() as tx:
                service.cancel_order(tx, name, reason, by=current().name)
        except (Invalid, Conflict) as error:
            return _order_page(name, error)
        return _back(name)

    @pages.get("/desk/<name>/delete")
    def ask_to_delete(name: str) -> Response:
        with store.read() as view:
            order = service.find_order(view, name)
        return page("clerk/delete_order.html", section="Desk", order=order)

    @pages.post("/desk/<name>/delete")
    def delete_order(name: str) -> Response:
        sent = submitted_form()
        with store.transaction() as tx:
            service.delete_order(tx, name, [sent.get("version")], by=current().name)
        location = url_for("web.clerk.show_desk", told="deleted")
        return see_other(location)

    def _order_page(
        name: str, error: DaybookError | None = None, sent: SubmittedForm | None = None
    ) -> Response:
        with store.read() as view:
            order = service.find_order(view, name)
            events = list(timeline(view, order["order_id"]))
            shipment = view.get(SHIPMENTS.name, order["order_id"])
            has_left = service.has_left(view, order)
            offered = view.find(PRODUCTS.name, {"archived": 0}, limit=_OFFERED).documents
        faults = _faults(error, order) if error else {}
        return page(
            "clerk/order.html",
            problems.status_of(error) if error else 200,
            live=["orders", "events", "shipments"],
            section="Desk",
            order=order,
            events=events,
            shipment=shipment,
            offered=offered,
            rows=_rows(order, sent),
            typed=sent.fields if sent else order,
            faults=faults,
            has_receipt=order["payment_status"] in PAID,
            is_open=order["status"] in states.OPEN and not has_left,
            has_left=has_left,
        )

    def _back(name: str) -> Response:
        return see_other(url_for("web.clerk.show_order", name=name))


def _patch(sent: SubmittedForm) -> dict[str, Any]:
    """The merge patch that the form stands for; a line whose quantity is empty or 0 goes."""
    patch: dict[str, Any] = {
        "customer_name": sent.get("customer_name"),
        "customer_email": sent.get("customer_email") or None,
    }
    lines = [
        _line(product, sent.get(QUANTITY + place), sent.get(f"amount.{place}"))
        for place, product in _products(sent.fields)
        if product.strip() and sent.get(QUANTITY + place) not in ("", "0")
    ]
    return patch | {"items": lines}


def _line(product: str, quantity: str, amount: str) -> dict[str, Any]:
    line: dict[str, Any] = {"product": product.strip(), "quantity": whole(quantity)}
    return line | ({"amount": amount} if amount else {})


def _products(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """(place, sku) of each line of the form, in its order."""
    return [
        (name.removeprefix(PRODUCT), value)
        for name, value in fields.items()
        if name.startswith(PRODUCT)
    ]


def _rows(order: Document, sent: SubmittedForm | None) -> list[dict[str, str]]:
    """The lines to edit, as they were typed or as they stand, and some empty ones."""
    names = {line["product"]: line["name"] for line in order["items"]}
    if sent:
        return [
            {
                "product": product,
                "name": names.get(product, ""),
                "quantity": sent.get(QUANTITY + place),
                "amount": sent.get(f"amount.{place}"),
            }
            for place, product in _products(sent.fields)
        ]
    told = ("product", "name", "quantity", "amount")
    rows = [{field: str(line[field]) for field in told} for line in order["items"]]
    return rows + [dict.fromkeys(told, "")] * _NEW_LINES


def _faults(error: DaybookError, order: Document) -> dict[str, str]:
    if isinstance(error, Stale):
        return {
            "": f"Order {order['number']} has changed meanwhile. Look at how it is "
            "now, and save again if your change is still right."
        }
    return faults_of(error, _FIELDS)
