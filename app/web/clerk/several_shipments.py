"""Several orders handed to one carrier at once, each in a transaction of its own. For clerks."""

from collections.abc import Iterable
from typing import NamedTuple

from flask import Blueprint, Response, request

from app.http.security.identity import current
from app.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from app.orders.queries import find_order
from app.schema.validation import load
from app.shipping import service
from app.shipping.queries import get_shipment, is_sent, recent_carriers
from app.shipping.schemas import HandoverSchema
from app.store import Document, Transaction, View
from app.web.layout.context import PageContext, page
from app.web.layout.form import NO_FORM, SubmittedForm, submitted_form
from app.web.layout.redirects import redirect_to

MAX_CHOSEN = 50
"""Orders in one form: a page of the list."""

_FIELD = "tracking_number."
"""The order's number follows, in the name of the field for its tracking number."""


def add_to(blueprint: Blueprint, context: PageContext) -> None:
    """Register the page and its form."""
    pages = SeveralShipmentsPage(context)
    blueprint.get("/shipping/chosen")(pages.show_chosen)
    blueprint.post("/shipping/chosen")(pages.ship_chosen)


class ChosenOrder(NamedTuple):
    """A chosen order: its name in the request, its shipment if it has one, its number if known.

    `obstacle` is the sentence that says why it cannot be shipped; empty when it can be.
    """

    name: str
    shipment: Document | None = None
    number: str = ""
    obstacle: str = ""

    @property
    def field(self) -> str:
        """The name of the field for its tracking number."""
        return _field(self.name)

    def with_outcome(self, error: str | None) -> "ChosenOrder":
        """Return it with the error of its hand-over; one that has left without is no obstacle."""
        return self._replace(obstacle=error or ("" if is_sent(self.shipment) else self.obstacle))


class SeveralShipmentsPage:
    """The views. Each raises Invalid when no order was chosen, or more than MAX_CHOSEN."""

    def __init__(self, context: PageContext) -> None:
        self._store = context.store
        self._policy = service.shipping_policy(context.config)
        self._handover = HandoverSchema()

    def show_chosen(self) -> Response:
        return self._show(chosen_names(request.args.getlist("order")))

    def ship_chosen(self) -> Response:
        """Ship each chosen order; show the page again for those that were refused."""
        form = submitted_form()
        fields = [field for field in form.fields if field.startswith(_FIELD)]
        names = chosen_names(field.removeprefix(_FIELD) for field in fields)
        errors: dict[str, str] = {}
        for name in names:
            try:
                self._ship(name, form)
            except Invalid as error:
                form = form.refused(error)
                errors |= _field_errors(name, error)
            except Conflict as error:
                form = form.refused(error)
                errors[name] = str(error)
            except Unavailable as error:  # the next ones would wait in vain
                form = form.refused(error)
                errors[""] = str(error)
                break
        if errors:
            return self._show(names, form, errors)
        return redirect_to("web.clerk.show_chosen", order=names)

    def _ship(self, name: str, form: SubmittedForm) -> None:
        """Ship one order. Raises Invalid, Conflict and Unavailable."""
        fields = {"carrier": form.get("carrier"), "tracking_number": form.get(_field(name))}
        parcel = load(self._handover, {key: text for key, text in fields.items() if text})

        def ship(tx: Transaction) -> None:
            chosen = find_chosen(tx, self._policy, name)
            if chosen.shipment is None:
                raise Conflict(chosen.obstacle)
            shipment_id = chosen.shipment["shipment_id"]
            service.ship(tx, self._policy, shipment_id, **parcel, by=current().name)

        self._store.run_in_transaction(ship)

    def _show(
        self,
        names: Iterable[str],
        form: SubmittedForm = NO_FORM,
        errors: dict[str, str] | None = None,
    ) -> Response:
        """Show the chosen orders; `errors` are by field, and by order where none is in error."""
        errors = errors or {}
        with self._store.read() as view:
            found = [find_chosen(view, self._policy, name) for name in names]
            carriers = recent_carriers(view)
        chosen = {each.name: each for each in found}.values()
        ready = [each for each in chosen if not each.obstacle]
        fields = ("", "carrier", *(each.field for each in ready))
        return page(
            "clerk/several_shipments.html",
            form,
            live=["shipments"],
            errors={field: errors[field] for field in fields if field in errors},
            ready=ready,
            others=[each.with_outcome(errors.get(each.name)) for each in chosen if each.obstacle],
            carriers=carriers,
        )


def chosen_names(names: Iterable[str]) -> list[str]:
    """Return the chosen orders, each once. Raises Invalid for none, and for too many."""
    chosen = list(dict.fromkeys(names))
    if not chosen:
        raise Invalid([], "Choose at least one order in the list.")
    if len(chosen) > MAX_CHOSEN:
        raise Invalid([], f"Choose at most {MAX_CHOSEN} orders at a time.")
    return chosen


def find_chosen(view: View, policy: service.ShippingPolicy, name: str) -> ChosenOrder:
    """The order of this number or id, under its number, and whether it can be shipped."""
    try:
        order = find_order(view, name)
    except NotFound as error:
        return ChosenOrder(name, obstacle=str(error))
    number = str(order["number"])
    shipment = get_shipment(view, order["order_id"])
    if shipment is None:
        obstacle = f"Order {number} is {order['status']}; it cannot be shipped."
        return ChosenOrder(number, None, number, obstacle)
    try:
        shipment, _ = service.ready_shipment(view, policy, order["order_id"])
    except Conflict as error:
        return ChosenOrder(number, shipment, number, str(error))
    return ChosenOrder(number, shipment, number)


def _field_errors(name: str, error: Invalid) -> dict[str, str]:
    """The sentence for each field in error, of an order that was refused."""
    errors: dict[str, str] = {}
    for pointer, message in error.problems:
        if pointer == "/carrier":
            errors["carrier"] = f"Carrier {message}."
        else:
            errors[_field(name)] = f"Order {name}: tracking number {message}."
    return errors


def _field(name: str) -> str:
    return f"{_FIELD}{name}"
