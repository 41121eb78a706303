"""API keys: made by an operator, sent as a Bearer token (RFC 6750), kept as a hash only.

A key reads `daybook_PREFIX_SECRET`. The prefix, 8 characters, names it in lists and in the log; the
secret has 256 bits from the system's random source, so a plain SHA-256 of it cannot be searched.
"""

import hashlib
import hmac
import re
import secrets

from app.kernel import clock
from app.kernel.errors import Invalid, NotFound, Problem
from app.kernel.identity import KEY_ROLES, Identity
from app.store import Collection, Document, Transaction, View

_KEY = re.compile(r"daybook_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_HASH = re.compile(r"[0-9a-f]{64}")


def check_key(key: Document) -> None:
    """Raise Invalid when a stored key that a person wrote is none."""
    texts = [key.get(name) for name in ("prefix", "name", "created")]
    is_sound = (
        all(isinstance(text, str) and text for text in texts)
        and key.get("role") in KEY_ROLES
        and isinstance(key.get("hash"), str)
        and _HASH.fullmatch(key["hash"]) is not None
    )
    if not is_sound:
        raise Invalid([Problem("", "is not an API key as `flask key create` makes it")])


KEYS = Collection(
    name="keys", key="prefix", sort=lambda key: str(key["created"]), listed=True, check=check_key
)


def create_key(tx: Transaction, name: str, role: str) -> str:
    """Make a key and return it; nobody can see it again. `role` is one of KEY_ROLES."""
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = f"daybook_{prefix}_{secret}"
    tx.put(
        KEYS.name,
        {
            "prefix": prefix,
            "name": name,
            "role": role,
            "created": clock.now(),
            "hash": _hash(key),
        },
    )
    return key


def revoke_key(tx: Transaction, prefix: str) -> Document:
    """End a key, from the next request on; returns what it was. Raises NotFound."""
    key = tx.get(KEYS.name, prefix)
    if key is None:
        raise NotFound(f"There is no key {prefix[:40]}; `flask key list` shows them.")
    tx.delete(KEYS.name, prefix)
    return key


def identity_of(view: View, given: str) -> Identity | None:
    """Whose key this is; None for one that was never made, or is revoked."""
    match = _KEY.fullmatch(given)
    key = view.get(KEYS.name, match[1]) if match else None
    if key is None or not hmac.compare_digest(key["hash"], _hash(given)):
        return None
    return Identity(key["name"], key["role"])


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
