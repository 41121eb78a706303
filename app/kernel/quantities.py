"""The pieces by sku in the lines of an order, a reservation or a shipment."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def quantities(lines: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """The sum of the quantities for each sku that the lines name."""
    total: Counter[str] = Counter()
    for line in lines:
        total[line["product"]] += line["quantity"]
    return total


def lines_of(pieces: Mapping[str, int]) -> list[dict[str, Any]]:
    """A line of product and quantity for each sku."""
    return [{"product": sku, "quantity": quantity} for sku, quantity in pieces.items()]
