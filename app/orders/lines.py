"""Order lines: prices, totals, and the check of the stock before an order is taken."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from app.kernel.errors import Conflict, Invalid, Problem
from app.kernel.money import Currency
from app.kernel.quantities import quantities
from app.store import Document

Products = Mapping[str, Document | None]
"""Product by sku; None for a sku that is not in the catalogue."""


def skus(lines: Iterable[Document]) -> set[str]:
    """The skus that the lines name."""
    return {line["product"] for line in lines}


def price_lines(
    products: Products, currency: Currency, requested: list[Document], *, unlisted: bool
) -> list[Document]:
    """The requested lines with name, price and total; a line without an amount gets the product's.

    Raises Invalid for archived products, and for products outside the catalogue unless `unlisted`.
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
            total = line["quantity"] * Decimal(amount)
            lines.append(
                {
                    "product": line["product"],
                    "name": product["name"] if product else line["product"],
                    "quantity": line["quantity"],
                    "amount": amount,
                    "line_total": currency.format(total),
                }
            )
    if problems:
        raise Invalid(problems)
    return lines


def total_amount(currency: Currency, items: list[Document]) -> str:
    """The exact sum of the lines' totals."""
    return currency.format(sum((Decimal(line["line_total"]) for line in items), Decimal()))


def refuse_insufficient_stock(
    products: Products, items: list[Document], reserved: Mapping[str, int] | None = None
) -> None:
    """Raise Conflict when too little is available of a product that cannot be back-ordered.

    `reserved` counts as available: it is held for this order already. The check spares a customer
    an order that would fail at once; inventory's handler decides.
    """
    reserved = reserved or {}
    short = []
    for sku, wanted in quantities(items).items():
        product = products[sku]
        if product is None or product["backorder"]:
            continue
        available = product["available"] + reserved.get(sku, 0)
        if wanted > available:
            short.append({"product": sku, "wanted": wanted, "available": available})
    if short:
        texts = [
            f"{each['wanted']} of {each['product']} ({each['available']} available)"
            for each in short
        ]
        raise Conflict(f"Not enough in stock: wanted {', '.join(texts)}.", short=short)
