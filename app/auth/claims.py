"""What a provider says of a person: their name, and from one claim the role that they have here."""

from collections.abc import Mapping
from typing import Any, Protocol

from app.kernel.errors import Forbidden
from app.kernel.identity import ROLES

_NAMES = ("preferred_username", "email", "sub")
_LONGEST_NAME = 60


class Mapped(Protocol):
    """Which claim tells the role, and which of its values mean which."""

    @property
    def role_claim(self) -> str:
        """The claim's name; dots lead into claims within claims, as Keycloak has them."""

    @property
    def roles(self) -> Mapping[str, str]:
        """Role by value."""


def name_in(claims: Mapping[str, Any]) -> str:
    """The name under which the books keep what this person does. Raises Forbidden without one."""
    for claim in _NAMES:
        name = claims.get(claim)
        if isinstance(name, str) and name.strip() and name.isprintable():
            return name.strip()[:_LONGEST_NAME]
    raise Forbidden("The provider does not say who you are: it sends no name.")


def role_in(claims: Mapping[str, Any], name: str, mapped: Mapped) -> str:
    """The highest role that the claim gives. Raises Forbidden when it gives none."""
    roles = {mapped.roles.get(value) for value in _values(claims, mapped.role_claim)}
    for role in reversed(ROLES):
        if role in roles:
            return role
    raise Forbidden(
        f"The provider knows {name}, but gives no role in this shop. Whoever runs the provider "
        "can give one."
    )


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts of a claim; "cognito:groups" and URLs are names, "realm_access.roles" is a path."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str)]
