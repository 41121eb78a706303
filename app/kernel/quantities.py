"""How many of each product some lines name, be they of an order, a reservation or a shipment."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def quantities(lines: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """The pieces by sku; a product that several lines name counts once, with their sum."""
    total: Counter[str] = Counter()
    for line in lines:
        total[line["product"]] += line["quantity"]
    return total
