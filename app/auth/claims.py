"""Claims of a provider: a person's label, and their role by a mapping in the settings."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from app.kernel.errors import Forbidden
from app.kernel.identity import ROLES

_NAME_CLAIMS = ("preferred_username", "name", "email", "sub")
_MAX_NAME_LENGTH = 60


def name_from(claims: Mapping[str, Any]) -> str:
    """The label of a person, whom issuer and subject identify. Raises Forbidden without one."""
    for claim in _NAME_CLAIMS:
        name = claims.get(claim)
        if claim == "email" and claims.get("email_verified") not in (True, "true"):
            continue  # anybody may claim it
        if isinstance(name, str) and name.strip() and name.isprintable():
            # names that look alike are one; cut first, because normalize takes quadratic time
            cut = unicodedata.normalize("NFKC", name.strip()[:_MAX_NAME_LENGTH])
            return cut[:_MAX_NAME_LENGTH]
    raise Forbidden(f"The identity provider sent no name for you ({', '.join(_NAME_CLAIMS)}).")


def find_role(claims: Mapping[str, Any], claim: str, roles: Mapping[str, str]) -> str | None:
    """The highest role that a claim gives, or None; `roles` is the role by value of the claim.

    Dots in the name `claim` lead into nested claims, as Keycloak has them.
    """
    given = {roles.get(value) for value in _values(claims, claim)}
    return next((role for role in reversed(ROLES) if role in given), None)


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts of a claim; "cognito:groups" and URLs are names, "realm_access.roles" is a path."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str)]
