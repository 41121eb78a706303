"""The back office's order pages, under /desk: search, view, change, cancel, delete. For clerks."""

from typing import Any

from flask import Blueprint, Response, request

from app.events.outbox import timeline
from app.http.security.identity import current
from app.inventory.documents import PRODUCTS
from app.kernel import order_states as states
from app.kernel.errors import Conflict, Invalid
from app.orders import service
from app.orders.documents import HISTORY
from app.orders.queries import find_order
from app.orders.schemas import CancellationSchema, change_schema
from app.schema.validation import load
from app.shipping.documents import SHIPMENTS
from app.shipping.queries import has_left as goods_have_left
from app.store import Document
from app.web.clerk.order_search import OrderSearch, count_by_status
from app.web.customer.order_page import PAID
from app.web.layout.context import PageContext, page
from app.web.layout.form import (
    NO_FORM,
    SubmittedForm,
    decimal_point,
    parse_integer,
    submitted_form,
)
from app.web.layout.redirects import redirect_to

LINE_FIELDS = ("product", "quantity", "amount")
"""An order line's fields; in the form, a dot and the line's place follow each name."""

_LINE_WORDS = {"amount": "price"}
"""The page's word for a field of a line, where it is not the field's name."""

MAX_SUGGESTIONS = 500
_EMPTY_LINES = 3


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the pages."""
    pages = OrderPages(context)
    blueprint.get("/desk")(pages.show_orders)
    blueprint.get("/desk/<name>")(pages.show_order)
    blueprint.post("/desk/<name>")(pages.change_order)
    blueprint.post("/desk/<name>/cancel")(pages.cancel_order)
    blueprint.get("/desk/<name>/delete")(pages.confirm_delete)
    blueprint.post("/desk/<name>/delete")(pages.delete_order)


class OrderPages:
    """The views. `name` in an address is an order's number or id."""

    def __init__(self, context: PageContext) -> None:
        self._store, self._rules = context.store, context.rules
        self._zone = context.config.timezone
        self._change = change_schema(context.rules.currency)
        self._cancellation = CancellationSchema()

    def show_orders(self) -> Response:
        search = OrderSearch.parse(request.args)
        result, counts = search.run(self._store, self._zone), count_by_status(self._store)
        return page(
            "clerk/orders.html", live=["orders"], search=search, result=result, counts=counts
        )

    def show_order(
        self, name: str, form: SubmittedForm = NO_FORM, cancellation: SubmittedForm = NO_FORM
    ) -> Response:
        with self._store.read() as view:
            order = HISTORY.read_all(view, find_order(view, name))
            events = list(timeline(view, order["order_id"]))
            shipment = view.get(SHIPMENTS.name, order["order_id"])
            has_left = goods_have_left(view, order["order_id"])
            products = view.find(PRODUCTS.name, {"archived": 0}, limit=MAX_SUGGESTIONS).documents
        return page(
            "clerk/order.html",
            form if form.error else cancellation,
            live=["orders", "events", "shipments"],
            order=order,
            events=events,
            shipment=shipment,
            products=products,
            lines=_lines(order, form),
            values=form.fields or order,
            errors=_errors(form) | cancellation.errors(),
            reason=cancellation.get("reason"),
            has_receipt=order["payment_status"] in PAID,
            is_open=order["status"] in states.OPEN and not has_left,
            has_left=has_left,
        )

    def change_order(self, name: str) -> Response:
        form = submitted_form()
        try:
            patch, versions = load(self._change, _patch(form)), [form.get("version")]
            with self._store.transaction() as tx:
                service.change_order(tx, self._rules, name, patch, versions, by=current().name)
        except (Invalid, Conflict) as error:
            return self.show_order(name, form.refused(error))
        return redirect_to("web.clerk.show_order", name=name)

    def cancel_order(self, name: str) -> Response:
        form = submitted_form()
        try:
            reason = load(self._cancellation, form.filled("reason")).get("reason", "")
            with self._store.transaction() as tx:
                service.cancel_order(tx, name, reason, by=current().name)
        except (Invalid, Conflict) as error:
            return self.show_order(name, cancellation=form.refused(error))
        return redirect_to("web.clerk.show_order", name=name)

    def confirm_delete(self, name: str, form: SubmittedForm = NO_FORM) -> Response:
        with self._store.read() as view:
            order = find_order(view, name)
        return page("clerk/delete_order.html", form, order=order)

    def delete_order(self, name: str) -> Response:
        form = submitted_form()
        try:
            with self._store.transaction() as tx:
                service.delete_order(tx, name, [form.get("version")], by=current().name)
        except Conflict as error:
            return self.confirm_delete(name, form.refused(error))
        return redirect_to("web.clerk.show_orders", flash="deleted")


def _patch(form: SubmittedForm) -> dict[str, Any]:
    """Return the merge patch that the form makes, of the lines to keep."""
    items = []
    for _, line in _kept_lines(form):
        item = {
            **line,
            "quantity": parse_integer(line["quantity"]),
            "amount": decimal_point(line["amount"]),
        }
        items.append({name: value for name, value in item.items() if value != ""})
    return {
        "customer_name": form.get("customer_name"),
        "customer_email": form.get("customer_email") or None,
        "items": items,
    }


def _submitted_lines(form: SubmittedForm) -> list[dict[str, str]]:
    """Return the order lines of the form as typed, in its order."""
    places = [name.partition(".")[2] for name in form.fields if name.startswith("product.")]
    return [{name: form.get(f"{name}.{place}") for name in LINE_FIELDS} for place in places]


def _kept_lines(form: SubmittedForm) -> list[tuple[int, dict[str, str]]]:
    """Return the lines whose quantity is neither empty nor 0, each with its place on the page."""
    return [
        (place, line)
        for place, line in enumerate(_submitted_lines(form), 1)
        if line["quantity"] not in ("", "0")
    ]


def _errors(form: SubmittedForm) -> dict[str, str]:
    """Return a sentence for each field in error, those of the lines under the lines' fields."""
    error, lines = form.error, _kept_lines(form)
    if isinstance(error, Conflict) and "short" in error.members:
        short: Any = error.members["short"]
        left = {each["product"]: max(each["available"], 0) for each in short}
        errors = {
            f"quantity.{place}": f"Line {place}: only {left[line['product']]} left."
            for place, line in lines
            if line["product"] in left
        }
        return errors or form.errors()
    if not isinstance(error, Invalid):
        return form.errors()
    errors = {}
    others = []
    for problem in error.problems:
        match problem.pointer.split("/"):
            case ["", "items"]:
                errors["quantity.1"] = "Give at least one line a quantity."
            case ["", "items", index, field]:
                place, _ = lines[int(index)]
                subject = _LINE_WORDS.get(field, field)
                errors[f"{field}.{place}"] = f"Line {place}: {subject} {problem.message}."
            case _:
                others.append(problem)
    return errors | form.refused(Invalid(others)).errors()


def _lines(order: Document, form: SubmittedForm) -> list[dict[str, str]]:
    """Return the order lines to edit: as typed, or as stored with some empty ones below."""
    if form.fields:
        names = {line["product"]: line["name"] for line in order["items"]}
        return [line | {"name": names.get(line["product"], "")} for line in _submitted_lines(form)]
    fields = ("product", "name", "quantity", "amount")
    lines = [{field: str(line[field]) for field in fields} for line in order["items"]]
    return lines + [dict.fromkeys(fields, "")] * _EMPTY_LINES
