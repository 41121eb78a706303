"""The name of a person who signs in by a provider."""

from typing import Any

import pytest

from app.auth.claims import name_from


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "ada@example.org", "email_verified": True, "sub": "7"}, "ada@example.org"),
        ({"email": "ada@example.org", "email_verified": "true", "sub": "7"}, "ada@example.org"),
        ({"email": "ada@example.org", "email_verified": False, "sub": "7"}, "7"),
        ({"email": "ada@example.org", "sub": "7"}, "7"),
        ({"email": "ada@example.org", "name": "Ada Lovelace"}, "Ada Lovelace"),
        ({"preferred_username": "ada", "name": "Ada Lovelace"}, "ada"),
        ({"preferred_username": "\uff41da"}, "ada"),
        ({"preferred_username": "\u00a0grace\u00a0"}, "7"),
        ({"preferred_username": "g\u0301" * 9_000}, "\u01f5" * 30),
    ],
)
def test_a_name_is_verified_and_in_one_form(claims: dict[str, Any], name: str) -> None:
    """An e-mail address that anybody may claim is no name, and names that look alike are equal."""
    assert name_from({"sub": "7"} | claims) == name
