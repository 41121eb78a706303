"""The order form: what was typed, what is wanted with it, and what is wrong with it."""

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from app.kernel.errors import Conflict, DaybookError, Invalid, Malformed
from app.web.layout.form import SubmittedForm, whole

QUANTITY = "quantity."
"""What the names of quantity fields begin with; the sku follows."""

_TOKEN = re.compile("[A-Za-z0-9_-]{16,64}")
_USED = (
    "You have placed an order with this form already. Press “Place order” once more if you want "
    "this one besides."
)
_NAMES = frozenset({"token", "name", "email", "payment", "find", "after", "place"})


def _new_token() -> str:
    return secrets.token_urlsafe(16)


@dataclass(frozen=True)
class OrderForm:
    """The form as a person has it before them; every value is text, as it was typed.

    `quantities` are by sku, in the order of the page, without those left empty. `token` stays the
    same however often the form is sent, so that it orders once.
    """

    name: str = ""
    email: str = ""
    payment: str = ""
    quantities: dict[str, str] = field(default_factory=dict)
    find: str = ""
    after: str = ""
    is_placed: bool = False
    token: str = field(default_factory=_new_token)

    @classmethod
    def sent(cls, sent: SubmittedForm) -> "OrderForm":
        """The form that was sent. Raises Malformed when no form of ours would send that."""
        values = dict(sent.fields)
        quantities = {
            name.removeprefix(QUANTITY): values.pop(name).strip()
            for name in list(values)
            if name.startswith(QUANTITY)
        }
        if values.keys() - _NAMES or not _TOKEN.fullmatch(values.get("token", "")):
            raise Malformed("This is not the order form as we sent it; please load it again.")
        is_placed = values.pop("place", None) is not None
        typed = {sku: quantity for sku, quantity in quantities.items() if quantity}
        return cls(quantities=typed, is_placed=is_placed, **values)

    def after_refusal(self, error: DaybookError) -> "OrderForm":
        """The form to show again: with a new token when this one has ordered something already."""
        return replace(self, token=_new_token()) if _is_used(error) else self

    def request(self) -> dict[str, Any]:
        """The order request that the form stands for; numbers that are none are left as typed."""
        request: dict[str, Any] = {
            "items": [
                {"product": sku, "quantity": whole(quantity)}
                for sku, quantity in self.quantities.items()
            ]
        }
        if self.name.strip():
            request["customer_name"] = self.name
        if self.email.strip():
            request["customer_email"] = self.email
        if self.payment:
            request["payment_method"] = self.payment
        return request


def faults_of(error: DaybookError, form: OrderForm) -> dict[str, str]:
    """What is wrong, as sentences by field; under "" what belongs to none. At most one for each."""
    if _is_used(error):
        return {"": _USED}
    if isinstance(error, Invalid):
        return dict(_fault(problem.pointer, problem.message, form) for problem in error.problems)
    if isinstance(error, Conflict) and "short" in error.members:
        short: Any = error.members["short"]
        return {
            QUANTITY + each["product"]: f"Only {max(each['available'], 0)} left." for each in short
        }
    return {"": str(error)}


def _is_used(error: DaybookError) -> bool:
    """Whether the token has ordered something else: then no single field is at fault."""
    return isinstance(error, Invalid) and error.problems[0].pointer == ""


def _fault(pointer: str, message: str, form: OrderForm) -> tuple[str, str]:
    parts = pointer.split("/")
    if pointer == "/customer_name":
        return "name", f"Your name {message}."
    if pointer == "/customer_email":
        return "email", f"This {message}."
    if pointer == "/payment_method":
        return "payment", f"This {message}."
    if pointer == "/items":
        return "find", "Choose at least one product: give it a quantity."
    if len(parts) > 2 and parts[1] == "items":
        what = "The quantity" if parts[-1] == "quantity" else "This"
        return QUANTITY + list(form.quantities)[int(parts[2])], f"{what} {message}."
    return "", message
