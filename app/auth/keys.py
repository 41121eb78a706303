"""API keys: created by an operator, sent as a Bearer token (RFC 6750), stored as a hash only.

A key is `daybook_PREFIX_SECRET`. The prefix, 8 characters, names it in lists and in the log. The
secret has 256 random bits, so a plain SHA-256 of it is safe from guessing.
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
    """Raise Invalid when a stored document is not an API key."""
    texts = [key.get(name) for name in ("prefix", "name", "created", "hash")]
    is_valid = (
        all(isinstance(text, str) and text for text in texts)
        and key.get("role") in KEY_ROLES
        and _HASH.fullmatch(key["hash"])
    )
    if not is_valid:
        raise Invalid([Problem("", "is not an API key as `flask key create` makes it")])


KEYS = Collection(
    name="keys", key="prefix", sort=lambda key: str(key["created"]), listed=True, check=check_key
)


def create_key(tx: Transaction, name: str, role: str) -> str:
    """Create and return a key, which cannot be read again. `role` is one of KEY_ROLES."""
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = f"daybook_{prefix}_{secret}"
    document = {"prefix": prefix, "name": name, "role": role, "created": clock.now()}
    tx.put(KEYS.name, document | {"hash": _hash(key)})
    return key


def revoke_key(tx: Transaction, prefix: str) -> Document:
    """Revoke a key from the next request on; returns its document. Raises NotFound."""
    key = tx.get(KEYS.name, prefix)
    if key is None:
        raise NotFound(f"There is no key {prefix[:40]}; `flask key list` lists the keys.")
    tx.delete(KEYS.name, prefix)
    return key


def identity_of(view: View, key: str) -> Identity | None:
    """The identity of a key; None when it is unknown or revoked."""
    match = _KEY.fullmatch(key)
    stored = view.get(KEYS.name, match[1]) if match else None
    if stored is None or not hmac.compare_digest(stored["hash"], _hash(key)):
        return None
    return Identity(stored["name"], stored["role"])


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
