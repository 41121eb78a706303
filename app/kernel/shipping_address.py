"""The shipping address of an order, as a member of its document and as the lines on a parcel."""

from typing import Any

from app.kernel.countries import country_name

ADDRESS = "shipping_address"


def address_of(order: dict[str, Any] | None) -> dict[str, Any]:
    """The order's address as a member of an order; empty when it has none, or there is no order."""
    return {ADDRESS: order[ADDRESS]} if order and order.get(ADDRESS) else {}


def address_lines(order: dict[str, Any]) -> list[str]:
    """The order's address, line by line, as on a parcel; empty when it has none."""
    if ADDRESS not in order:
        return []
    address = order[ADDRESS]
    city = " ".join(filter(None, (address.get("postal_code"), address["city"])))
    return [address["name"], *address["lines"], city, country_name(address["country"])]
