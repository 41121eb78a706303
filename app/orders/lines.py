"""Order lines: prices, totals, and the check of the stock before an order is taken."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
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


_MATCHES = (
    ("product", "amount", "quantity"),
    ("product", "amount"),
    ("product", "quantity"),
    ("product",),
)
"""The fields by which a requested line is recognised as one of the order, the best match first."""


def price_lines(
    products: Products,
    currency: Currency,
    requested: list[Document],
    *,
    unlisted: bool,
    current: Sequence[Document] = (),
) -> list[Document]:
    """The requested lines with name, price and total.

    A line without an amount keeps that of its line in `current`, the order's lines so far, also for
    more pieces; a new one gets the product's price. A line of `current` keeps name and tax rate,
    too.
    Raises Invalid for archived products, and for products outside the catalogue unless `unlisted`.
    """
    lines, problems = [], []
    matches = _match_lines(requested, current) if current else [None] * len(requested)
    for place, (line, match) in enumerate(zip(requested, matches, strict=True)):
        product = products[line["product"]]
        known = match or _listed(product)
        amount = line.get("amount") or known.get("amount")
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
                    "name": known.get("name", line["product"]),
                    "quantity": line["quantity"],
                    "amount": amount,
                    "line_total": currency.format(total),
                    **({"tax_rate": known["tax_rate"]} if known.get("tax_rate") else {}),
                }
            )
    if problems:
        raise Invalid(problems)
    return lines


def _listed(product: Document | None) -> Document:
    """The fields of a new line that its product has; none without a product."""
    if product is None:
        return {}
    return {
        "name": product["name"],
        "amount": product["price"],
        "tax_rate": product.get("tax_rate"),
    }


def _match_lines(requested: list[Document], current: Sequence[Document]) -> list[Document | None]:
    """For each requested line the line of `current` that it continues; None for a new product.

    Each line of `current` is continued by one line. Further lines of its product have the last one.
    """
    last = {line["product"]: line for line in current}
    matches: dict[int, int] = {}
    for fields in _MATCHES:
        continued = set(matches.values())
        by_key = defaultdict[tuple[object, ...], deque[int]](deque)
        for index, line in enumerate(current):
            if index not in continued:
                by_key[tuple(line[field] for field in fields)].append(index)
        for place, line in enumerate(requested):
            candidates = by_key.get(tuple(line.get(field) for field in fields))
            if place not in matches and candidates:
                matches[place] = candidates.popleft()
    return [
        current[matches[place]] if place in matches else last.get(line["product"])
        for place, line in enumerate(requested)
    ]


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
