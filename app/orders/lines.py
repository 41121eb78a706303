"""The lines of an order: what they name, what they cost, and whether the shelf has it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.kernel.errors import Conflict, Invalid, Problem
from app.kernel.money import Currency
from app.kernel.quantities import quantities
from app.store import Document, View

Products = Mapping[str, Document | None]


def listed(view: View, requested: list[Document]) -> dict[str, Document | None]:
    """The products that the lines name; None for one that the catalogue has not got."""
    return {sku: view.get("products", sku) for sku in {line["product"] for line in requested}}


def priced(
    products: Products, currency: Currency, requested: list[Document], *, unlisted: bool
) -> list[Document]:
    """The lines with name, price and total.

    Raises Invalid for products that are archived, or not listed unless `unlisted` allows them.
    """
    lines, problems = [], []
    for place, line in enumerate(requested):
        product = products[line["product"]]
        amount = line.get("amount") or (product["price"] if product else None)
        if product is not None and product["archived"]:
            problems.append(Problem(f"/items/{place}/product", "is no longer sold"))
        elif product is None and not unlisted:
            problems.append(Problem(f"/items/{place}/product", "is not a product of this shop"))
        elif amount is None:
            problems.append(
                Problem(f"/items/{place}/amount", "is required: the product has no price")
            )
        else:
            lines.append(_line(currency, line, product, amount))
    if problems:
        raise Invalid(problems)
    return lines


def total(currency: Currency, items: list[Document]) -> str:
    """What the lines cost together."""
    return currency.write(sum((Decimal(line["line_total"]) for line in items), Decimal()))


def refuse_short(products: Products, items: list[Document], held: dict[str, int]) -> None:
    """Raise Conflict where the shelf is plainly short; `held` is reserved for this order already.

    The inventory handler has the last word.
    """
    short = []
    for sku, wanted in quantities(items).items():
        product = products[sku]
        if product is None or product["backorder"]:
            continue
        available = product["available"] + held.get(sku, 0)
        if wanted > available:
            short.append({"product": sku, "wanted": wanted, "available": available})
    if short:
        texts = [
            f"{each['wanted']} of {each['product']} ({each['available']} available)"
            for each in short
        ]
        raise Conflict(f"The shelf is short: wanted {', '.join(texts)}.", short=short)


def _line(
    currency: Currency, line: Document, product: Document | None, amount: str
) -> dict[str, Any]:
    return {
        "product": line["product"],
        "name": product["name"] if product else line["product"],
        "quantity": line["quantity"],
        "amount": amount,
        "line_total": currency.write(line["quantity"] * Decimal(amount)),
    }
