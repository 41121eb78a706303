"""Erasing a customer from documents: which fields and texts go, and what is left alone."""

from typing import Any

from app.kernel.money import Currency
from app.kernel.personal_data import ERASED_NAME, erasure_of
from app.orders.schemas import request_schema

ADDRESS = {"name": "Ada", "lines": ["Mill Road 7"], "city": "Sale", "country": "GB"}
ORDER: dict[str, Any] = {
    "order_id": "o1",
    "link": "1001-secret",
    "customer_name": "Sale",
    "customer_email": "ada@love.example",
    "shipping_address": ADDRESS,
    "items": [{"product": "sale", "name": "Sale"}],
    "history": [{"event": "imported", "detail": "for ADA@love.example of Mill Road 7, 1 Salert"}],
}


def test_fields_go_at_any_depth() -> None:
    """A field that documents must have gets a neutral value; the others are removed."""
    erased = erasure_of(ORDER)({"event": {"data": {"order": ORDER}}})["event"]["data"]["order"]
    assert erased == {
        "order_id": "o1",
        "customer_name": ERASED_NAME,
        "customer_email": None,
        "items": ORDER["items"],
        "history": [{"event": "imported", "detail": "for *** of ***, 1 Salert"}],
    }


def test_texts_of_others_lose_the_customer_only() -> None:
    """A masked address loses its domain too; a typed reason goes whole."""
    erase = erasure_of(ORDER)
    delivery = {"error": "Refused: 550 <***@love.example>: no mailbox", "attempts": 3}
    assert erase({"log": [delivery | {"reason": "she moved", "by": "Sale"}]}) == {
        "log": [
            {
                "error": "Refused: 550 <******>: no mailbox",
                "attempts": 3,
                "reason": "",
                "by": "Sale",
            }
        ]
    }


def test_a_name_beside_digits_or_without_spaces_goes() -> None:
    """A reference may join the customer to a number, and Chinese joins words."""
    erase = erasure_of({"customer_name": "Ada", "customer_email": "ada@love.example"})
    assert erase({"note": "Ada_7, 7Ada, ada@love.example_7, Adam"}) == {
        "note": "***_7, 7***, ***_7, Adam"
    }
    assert erasure_of({"customer_name": "王伟"})({"note": "订单王伟7"}) == {"note": "订单***7"}


def test_a_second_erasure_changes_nothing() -> None:
    """What was erased has no customer, so that nothing else is cut out."""
    erased = erasure_of(ORDER)(ORDER)
    again = erasure_of(erased)
    assert again(erased) == erased
    assert again({"detail": f"{ERASED_NAME} in GB"}) == {"detail": f"{ERASED_NAME} in GB"}


def test_every_field_that_a_customer_fills_in_is_erased() -> None:
    """A new field of an order is erased too, or is named here as one without personal data."""
    fields = request_schema(Currency("EUR")).fields.keys() - {"items", "payment_method"}
    assert "customer_name" in fields
    order = dict.fromkeys(fields, "Ada")
    assert "Ada" not in erasure_of(order)(order).values()
