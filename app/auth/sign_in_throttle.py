"""How often somebody may try to sign in: counted in the store, so for all processes together.

An attempt is counted before its password is looked at, so many at once are counted too. Beyond a
limit nothing is written and nothing is worked out. The limit of a name is what stands between a
guesser and one password; that of an address, which many people may share behind a router, between
a guesser and many names. Only hashes of both are kept: people type passwords into the name's field.
"""

import hashlib
from datetime import UTC, datetime
from math import ceil

from marshmallow import fields

from app.http.security.network import network_of
from app.kernel import clock
from app.kernel.errors import TooMany
from app.schema.fields import Count
from app.schema.validation import kept
from app.store import Collection, Document, Transaction

WINDOW_S = 900.0
MOST_BY_NAME = 10
MOST_BY_ADDRESS = 100

_SWEPT = 10

ATTEMPTS = Collection(
    name="attempts",
    key="of",
    sort=lambda attempts: str(attempts["ends"]),
    listed=True,
    check=kept(count=Count(least=0, most=10**9, required=True), ends=fields.String(required=True)),
)


def count(tx: Transaction, name: str, address: str) -> None:
    """Note an attempt of `name` from `address`. Raises TooMany when it is one too many."""
    _sweep(tx)
    for key, most in _limits(name, address).items():
        found = _window(tx, key)
        if found["count"] >= most:
            raise TooMany(
                "There were too many attempts to sign in; wait a while, and try again.",
                retry_after_s=_seconds_to(found["ends"]),
            )
        tx.put(ATTEMPTS.name, found | {"count": found["count"] + 1})


def forgive(tx: Transaction, name: str, address: str) -> None:
    """The attempt was right: the name begins anew, and the address has one attempt less."""
    tx.delete(ATTEMPTS.name, _key("name", name))
    found = _window(tx, _key("address", network_of(address)))
    tx.put(ATTEMPTS.name, found | {"count": max(0, found["count"] - 1)})


def _limits(name: str, address: str) -> dict[str, int]:
    return {
        _key("name", name): MOST_BY_NAME,
        _key("address", network_of(address)): MOST_BY_ADDRESS,
    }


def _key(kind: str, text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"{kind} {digest}"


def _window(tx: Transaction, key: str) -> Document:
    """The attempts that still count, or a new window of them."""
    found = tx.get(ATTEMPTS.name, key)
    if found is None or found["ends"] <= clock.now():
        return {"of": key, "count": 0, "ends": clock.ago(-WINDOW_S)}
    return found


def _sweep(tx: Transaction) -> None:
    """Remove windows that are over; the oldest stand first."""
    for each in tx.find(ATTEMPTS.name, high=clock.now(), limit=_SWEPT).documents:
        tx.delete(ATTEMPTS.name, each["of"])


def _seconds_to(moment: str) -> int:
    return max(1, ceil((clock.parse_time(moment) - datetime.now(UTC)).total_seconds()))
