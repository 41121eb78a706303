"""The basket beside the order form, as far as it can be added up before the order is placed."""

from decimal import Decimal
from typing import NamedTuple

from app.kernel.money import Currency
from app.store import Document
from app.web.layout.form import whole


class Line(NamedTuple):
    """One product in the basket."""

    name: str
    quantity: int
    total: str


class Basket(NamedTuple):
    """What is chosen and what it costs, in the shop's currency."""

    lines: list[Line]
    total: str


def basket(currency: Currency, chosen: list[Document], quantities: dict[str, str]) -> Basket:
    """The basket of these products; a quantity that is no number of pieces is left out."""
    lines, total = [], Decimal()
    for product in chosen:
        quantity = whole(quantities[product["sku"]])
        if isinstance(quantity, int) and quantity > 0:
            cost = quantity * Decimal(product["price"])
            total += cost
            lines.append(Line(product["name"], quantity, currency.format(cost)))
    return Basket(lines, currency.format(total))
