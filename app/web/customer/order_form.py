"""The order form: its fields as typed, the order request it makes, and its field errors."""

import re
import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from app.kernel.errors import Conflict, DaybookError, Invalid, Malformed
from app.kernel.shipping_address import ADDRESS
from app.web.layout.address_form import MEMBERS, address_error, typed_address
from app.web.layout.form import SubmittedForm, parse_integer

QUANTITY = "quantity."
"""The prefix of a quantity field's name; the sku follows."""

_TOKEN = re.compile("[A-Za-z0-9_-]{16,64}")
_FORM_USED = (
    "You have placed an order with this form already. Press “Place order” once more if you want "
    "this one besides."
)
CUSTOMER_FIELDS = ("name", "email", *MEMBERS, "payment")
SEARCH_FIELDS = {"find": 100, "category": 100, "after": 1000}
"""The fields of the search, which addresses have too; how many characters of each count."""

_FIELDS = frozenset({*CUSTOMER_FIELDS, *SEARCH_FIELDS, "token", "choose", "place"})
_SUBJECTS = {
    "/customer_name": ("name", "Your name"),
    "/customer_email": ("email", "This"),
    "/payment_method": ("payment", "This"),
}
"""For each JSON pointer its field, and the subject of the sentence about it."""


def _new_token() -> str:
    return secrets.token_urlsafe(16)


@dataclass(frozen=True)
class OrderForm:
    """The form as the customer filled it in; every value is text, as typed.

    `quantities` are by sku, in the order of the page, without empty ones. `token` is the
    idempotency key: the same form orders once, however often it is sent. `places_order` is
    true for the button “Place order”, false for the others.
    """

    name: str = ""
    email: str = ""
    recipient: str = ""
    street: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""
    payment: str = ""
    quantities: dict[str, str] = field(default_factory=dict)
    find: str = ""
    category: str = ""
    after: str = ""
    places_order: bool = False
    token: str = field(default_factory=_new_token)

    @classmethod
    def parse(cls, form: SubmittedForm) -> "OrderForm":
        """Return the submitted form. Raises Malformed for fields that the form does not have."""
        values = dict(form.fields)
        quantities = {
            name.removeprefix(QUANTITY): values.pop(name).strip()
            for name in form.fields
            if name.startswith(QUANTITY)
        }
        if values.keys() - _FIELDS or not _TOKEN.fullmatch(values.get("token", "")):
            raise Malformed("This is not the order form as we sent it; please load it again.")
        places_order = values.pop("place", None) is not None
        if (chosen := values.pop("choose", None)) is not None:
            values["category"] = chosen
        values |= {name: values.get(name, "")[:most] for name, most in SEARCH_FIELDS.items()}
        filled = {sku: quantity for sku, quantity in quantities.items() if quantity}
        return cls(quantities=filled, places_order=places_order, **values)

    @classmethod
    def from_cookie(
        cls, cookie: str, find: str = "", category: str = "", after: str = ""
    ) -> "OrderForm":
        """Return the form with what was typed last; an empty one for any other cookie."""
        try:
            typed = dict(parse_qsl(cookie, strict_parsing=True, errors="strict")) if cookie else {}
        except ValueError:
            typed = {}
        quantities = {
            name.removeprefix(QUANTITY): text
            for name, text in typed.items()
            if name.startswith(QUANTITY)
        }
        customer: dict[str, Any] = {field: typed.get(field, "") for field in CUSTOMER_FIELDS}
        return cls(quantities=quantities, find=find, category=category, after=after, **customer)

    def as_cookie(self) -> str:
        """Return what was typed, but for the search, as the text of a cookie."""
        quantities = {QUANTITY + sku: quantity for sku, quantity in self.quantities.items()}
        customer = {name: getattr(self, name) for name in CUSTOMER_FIELDS}
        return urlencode({name: text for name, text in (quantities | customer).items() if text})

    def to_correct(self, error: DaybookError) -> "OrderForm":
        """Return the form to show again; with a new token when this one has placed an order."""
        return replace(self, token=_new_token()) if _is_token_used(error) else self

    def request(self) -> dict[str, Any]:
        """Return the order request; a quantity that is no integer stays text."""
        items = [
            {"product": sku, "quantity": parse_integer(quantity)}
            for sku, quantity in self.quantities.items()
        ]
        optional: dict[str, Any] = {
            "customer_name": self.name if self.name.strip() else "",
            "customer_email": self.email if self.email.strip() else "",
            "payment_method": self.payment,
            ADDRESS: typed_address(asdict(self), self.name),
        }
        return {"items": items} | {name: value for name, value in optional.items() if value}

    def errors(self, error: DaybookError, fields: list[str]) -> dict[str, str]:
        """Return a sentence for each field in error, in the order of `fields`.

        The one under "" belongs to no field.
        """
        errors = self._errors(error)
        return {name: errors[name] for name in fields if name in errors} | errors

    def _errors(self, error: DaybookError) -> dict[str, str]:
        if _is_token_used(error):
            return {"": _FORM_USED}
        if isinstance(error, Invalid):
            return dict(self._field_error(*problem) for problem in error.problems)
        if isinstance(error, Conflict) and "short" in error.members:
            short: Any = error.members["short"]
            return {
                QUANTITY + each["product"]: f"Only {max(each['available'], 0)} left."
                for each in short
            }
        return {"": str(error)}

    def _field_error(self, pointer: str, message: str) -> tuple[str, str]:
        if pointer in _SUBJECTS:
            name, subject = _SUBJECTS[pointer]
            return name, f"{subject} {message}."
        if pointer == "/items" and self.quantities:
            return "", f"Your basket {message}."
        if pointer == "/items":
            return "find", "Choose at least one product: give it a quantity."
        match pointer.split("/"):
            case ["", "shipping_address", member, *_]:
                return address_error(member, message)
            case ["", "items", place, *rest]:
                subject = "The quantity" if rest == ["quantity"] else "This"
                return QUANTITY + list(self.quantities)[int(place)], f"{subject} {message}."
        return "", message


def _is_token_used(error: DaybookError) -> bool:
    """Return whether the token has placed another order; no single field is in error then."""
    return isinstance(error, Invalid) and error.problems[0].pointer == ""
