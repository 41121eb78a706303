"""The form that changes an order, for clerks. A long order is edited by pages of lines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request
from markupsafe import escape

from app.http.security.identity import current
from app.inventory.documents import PRODUCTS
from app.kernel.countries import COUNTRIES
from app.kernel.errors import Conflict, Invalid, Stale
from app.kernel.shipping_address import ADDRESS
from app.kernel.versions import details_version
from app.orders import service
from app.orders.queries import find_order
from app.orders.schemas import MAX_LINES, edit_schema
from app.schema.validation import load
from app.shipping.queries import can_be_changed
from app.store import Document
from app.web.layout.address_form import (
    MEMBERS,
    address_error,
    address_fields,
    typed_address,
)
from app.web.layout.context import PageContext, page
from app.web.layout.form import (
    NO_FORM,
    SubmittedForm,
    decimal_point,
    parse_integer,
    submitted_form,
)
from app.web.layout.html_size import first_that_fit
from app.web.layout.positions import Position
from app.web.layout.redirects import redirect_to

LINE_FIELDS = ("product", "quantity", "amount")
"""An order line's fields; in the form, a dot and the line's place follow each name."""

_LINE_WORDS = {"amount": "price"}
"""The page's word for a field of a line, where it is not the field's name."""

EDITED_LINES = 25
"""The lines of an order in one form."""

MAX_SUGGESTIONS = 500
MAX_SUGGESTIONS_BYTES = 30_000
"""The size of the suggested products in the page."""

_SUGGESTION_BYTES = 140
"""The size of a suggestion without its sku; the template shortens the name."""

_EMPTY_LINES = 3
_LINES_MOVED = (
    "This order has changed meanwhile, and its lines may have moved. Open it again to edit it."
)

ShowOrder = Callable[[str, SubmittedForm], Response]


def add_to(blueprint: Blueprint, context: PageContext, show_order: ShowOrder) -> None:
    """Register the form. `show_order` answers when an order can no longer be changed."""
    pages = OrderEditPages(context, show_order)
    blueprint.get("/desk/<name>/edit")(pages.edit_order)
    blueprint.post("/desk/<name>")(pages.change_order)


class OrderEditPages:
    """The views. `name` in an address is an order's number or id."""

    def __init__(self, context: PageContext, show_order: ShowOrder) -> None:
        self._store, self._rules = context.store, context.rules
        self._edit = edit_schema(context.rules.currency)
        self._show_order = show_order

    def edit_order(self, name: str, form: SubmittedForm = NO_FORM) -> Response:
        """The form that changes the order, with what was typed; for an open order only.

        A long order is edited by pages of lines; `lines` is the page's number.
        """
        with self._store.read() as view:
            order = find_order(view, name)
            is_open = can_be_changed(view, order)
            products = view.find(PRODUCTS.name, {"archived": 0}, limit=MAX_SUGGESTIONS).documents
        position = _position(order, form.fields or request.args)
        if not is_open:
            return (
                self._show_order(name, form)
                if form.error
                else redirect_to("web.clerk.show_order", name=name)
            )
        return page(
            "clerk/edit_order.html",
            form,
            live=["orders"],
            order=order,
            products=_suggestions(products),
            position=position,
            version=_version(order, position, form),
            lines=_lines(order, position, form),
            values=form.fields or order,
            address=form.fields or address_fields(order),
            countries=COUNTRIES,
            errors=_errors(form, position),
        )

    def change_order(self, name: str) -> Response:
        form = submitted_form()
        with self._store.read() as view:  # an edit meanwhile is refused by the form's version
            order = find_order(view, name)
        position = _position(order, form.fields)
        try:
            patch = load(self._edit, _patch(form, order, position))
            if address := patch.get(ADDRESS):
                patch[ADDRESS] = {"postal_code": None} | address  # the form has all of it
            expected, who = form.expected_versions(), current().name
            self._store.run_in_transaction(
                lambda tx: service.change_order(tx, self._rules, name, patch, expected, by=who)
            )
        except (Invalid, Conflict) as error:
            return self.edit_order(name, form.refused(error))
        if following := form.get("next"):
            return redirect_to("web.clerk.edit_order", name=name, lines=following)
        return redirect_to("web.clerk.show_order", name=name, saved="1")


def _position(order: Document, fields: Mapping[str, str]) -> Position:
    """Return which of the order's lines are in the form: those of the page in the field `lines`."""
    return Position.of_list(order["items"], fields.get("lines", ""), EDITED_LINES)


def _patch(form: SubmittedForm, order: Document, position: Position) -> dict[str, Any]:
    """Return the merge patch that the form makes, of the lines to keep; others stay."""
    stored = [{field: line[field] for field in LINE_FIELDS} for line in order["items"]]
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
        "items": stored[: position.first - 1] + items + stored[position.last :],
        **_address_patch(form),
    }


def _address_patch(form: SubmittedForm) -> dict[str, Any]:
    """Return the patch of the address; none for a form that was loaded before it had addresses."""
    if MEMBERS.keys() - form.fields.keys():
        return {}
    return {ADDRESS: typed_address(form.fields, form.get("customer_name"))}


def _submitted_lines(form: SubmittedForm) -> list[dict[str, str]]:
    """Return the order lines of the form as typed, in its order."""
    places = [name.partition(".")[2] for name in form.fields if name.startswith("product.")]
    return [{name: form.get(f"{name}.{place}") for name in LINE_FIELDS} for place in places]


def _kept_lines(form: SubmittedForm, first: int = 1) -> list[tuple[int, dict[str, str]]]:
    """Return the lines whose quantity is neither empty nor 0, each with its place from `first`."""
    return [
        (place, line)
        for place, line in enumerate(_submitted_lines(form), first)
        if line["quantity"] not in ("", "0")
    ]


def _errors(form: SubmittedForm, position: Position) -> dict[str, str]:
    """Return a sentence for each field in error, those of the lines under the lines' fields."""
    error, lines = form.error, _kept_lines(form, position.first)
    before = position.first - 1
    if isinstance(error, Stale) and _is_part(form, position):
        return {"": _LINES_MOVED}
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
            case ["", "items"] if lines:
                errors[""] = f"An order can have {MAX_LINES:,} lines at most."
            case ["", "items"]:
                errors[f"quantity.{position.first}"] = "Give at least one line a quantity."
            case ["", "items", index, field] if 0 <= int(index) - before < len(lines):
                place, _ = lines[int(index) - before]
                subject = _LINE_WORDS.get(field, field)
                errors[f"{field}.{place}"] = f"Line {place}: {subject} {problem.message}."
            case ["", "shipping_address", member, *_]:
                name, sentence = address_error(member, problem.message)
                errors[name] = sentence
            case _:
                others.append(problem)
    return errors | form.refused(Invalid(others)).errors()


def _lines(order: Document, position: Position, form: SubmittedForm) -> list[dict[str, str]]:
    """Return the order lines to edit: as typed, or as stored with some empty ones at the end."""
    if form.fields:
        names = {line["product"]: line["name"] for line in order["items"]}
        return [line | {"name": names.get(line["product"], "")} for line in _submitted_lines(form)]
    fields = ("product", "name", "quantity", "amount")
    stored = position.cut(order["items"])
    lines = [{field: str(line[field]) for field in fields} for line in stored]
    return lines + [dict.fromkeys(fields, "")] * (_EMPTY_LINES if position.is_last else 0)


def _is_part(form: SubmittedForm, position: Position) -> bool:
    """Return whether the form had some lines of the order only, or would have them now."""
    return bool(form.get("lines")) or not position.is_all


def _version(order: Document, position: Position, form: SubmittedForm) -> Any:
    """Return the version that the form is based on.

    A refused form is based on the order as it is now, if it has all lines. A part of them may have
    moved, so that form stays with its version.
    """
    if form.error and _is_part(form, position):
        return form.get("version")
    return details_version(order)


def _suggestions(products: Sequence[Document]) -> Sequence[Document]:
    """Return the products offered while one types; as many as the page has room for."""

    def size_of(product: Document) -> int:
        return _SUGGESTION_BYTES + len(escape(product["sku"]).encode())

    return first_that_fit(products, size_of, MAX_SUGGESTIONS_BYTES)
