"""Claims of an ID token: the user's name, and their role by a mapping in the settings."""

from collections.abc import Mapping
from typing import Any, Protocol

from app.http.security.identity import ROLES
from app.kernel.errors import Forbidden

_NAME_CLAIMS = ("preferred_username", "email", "sub")
_MAX_NAME_LENGTH = 60


class RoleMapping(Protocol):
    """The claim that has a person's roles at the provider, and the role here of each value."""

    @property
    def role_claim(self) -> str:
        """The claim's name; dots lead into nested claims, as Keycloak has them."""

    @property
    def roles(self) -> Mapping[str, str]:
        """Role by value of the claim."""


def name_from(claims: Mapping[str, Any]) -> str:
    """The name under which a person's actions are recorded. Raises Forbidden without one."""
    for claim in _NAME_CLAIMS:
        name = claims.get(claim)
        if isinstance(name, str) and name.strip() and name.isprintable():
            return name.strip()[:_MAX_NAME_LENGTH]
    raise Forbidden(f"The identity provider sent no name for you ({', '.join(_NAME_CLAIMS)}).")


def role_from(claims: Mapping[str, Any], name: str, mapping: RoleMapping) -> str:
    """The highest role that the claim gives. Raises Forbidden when it gives none."""
    roles = {mapping.roles.get(value) for value in _values(claims, mapping.role_claim)}
    for role in reversed(ROLES):
        if role in roles:
            return role
    raise Forbidden(
        f"You are signed in at the identity provider as {name}, but have no role in this shop. The "
        "provider's administrator can give you one."
    )


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts of a claim; "cognito:groups" and URLs are names, "realm_access.roles" is a path."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str)]
