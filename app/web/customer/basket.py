"""The basket beside the order form: the chosen products and their sum, before the order."""

from decimal import Decimal
from typing import NamedTuple

from app.kernel.money import Currency
from app.store import Document
from app.web.layout.form import parse_integer


class Line(NamedTuple):
    """One product in the basket."""

    name: str
    quantity: int
    total: str


class Basket(NamedTuple):
    """The chosen products and what they cost, in the shop's currency."""

    lines: list[Line]
    total: str

    @property
    def pieces(self) -> int:
        """The pieces in the basket."""
        return sum(line.quantity for line in self.lines)


def basket(currency: Currency, chosen: list[Document], quantities: dict[str, str]) -> Basket:
    """Return the basket of these products, without those whose quantity is no positive number."""
    lines, total = [], Decimal()
    for product in chosen:
        quantity = parse_integer(quantities[product["sku"]])
        if isinstance(quantity, int) and quantity > 0:
            cost = quantity * Decimal(product["price"])
            total += cost
            lines.append(Line(product["name"], quantity, currency.format(cost)))
    return Basket(lines, currency.format(total))
