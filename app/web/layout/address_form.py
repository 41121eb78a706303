"""The fields of a shipping address on a form, and the address that they make."""

from collections.abc import Mapping

from app.kernel.shipping_address import ADDRESS
from app.store import Document

MEMBERS = {
    "recipient": "name",
    "street": "lines",
    "postal_code": "postal_code",
    "city": "city",
    "country": "country",
}
"""The member of the address that each field sets, in the order of the form."""

_FIELDS = {member: field for field, member in MEMBERS.items()}


def address_fields(order: Document) -> dict[str, str]:
    """Return the order's address as text for each field; all are empty without one."""
    address = order.get(ADDRESS, {})
    texts = {field: address.get(member, "") for field, member in MEMBERS.items()}
    return texts | {"street": "\n".join(address.get("lines", []))}


def typed_address(fields: Mapping[str, str], customer: str) -> Document | None:
    """Return the address that was typed, for a request; None when all its fields are empty.

    The street has a line for each line of the address. Without a recipient it is the customer.
    """
    typed = {field: fields.get(field, "").strip() for field in MEMBERS}
    if not any(typed.values()):
        return None
    lines = [line.strip() for line in typed["street"].splitlines() if line.strip()]
    address: Document = {member: typed[field] for field, member in MEMBERS.items()}
    address |= {"name": typed["recipient"] or customer.strip(), "lines": lines}
    return {member: value for member, value in address.items() if value}


def address_error(member: str, message: str) -> tuple[str, str]:
    """Return the field of a member in error, and the sentence about it."""
    field = _FIELDS[member]
    return field, f"{field.replace('_', ' ').capitalize()} {message.replace('entries', 'lines')}."
