"""Throttle of sign-in attempts, by user name and by address, for all processes together.

An attempt is counted in the store before its password is verified, or the provider is asked, so
concurrent ones count too. Over a limit nothing is written, no hash is computed and nobody is asked.
The limit of a name protects one password from guessing; that of an address, which many people may
share behind a router, protects many names.
A known device (devices.py) has a limit of its own instead, so that strangers cannot lock it out.
Names and addresses are stored as hashes only: people type passwords into the field of the name.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil

from marshmallow import fields

from app.http.security.network import network_of
from app.kernel import clock
from app.kernel.errors import TooMany
from app.schema.fields import Integer
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Transaction

WINDOW_S = 900.0
MAX_ATTEMPTS_PER_NAME = 10
"""Attempts in WINDOW_S from all unknown devices together, and from each known one."""
MAX_ATTEMPTS_PER_ADDRESS = 100

_MAX_EXPIRED_PER_ATTEMPT = 10

ATTEMPTS = Collection(
    name="attempts",
    key="of",
    sort=lambda attempts: str(attempts["ends"]),
    listed=True,
    check=stored_document_check(
        count=Integer(minimum=0, maximum=10**9, required=True), ends=fields.String(required=True)
    ),
)


def count_attempt(tx: Transaction, name: str, address: str, device: str = "") -> None:
    """Count an attempt of `name` from `address`. Raises TooMany when it exceeds a limit.

    `device` is the id of a device that this user is known by; then only its attempts count.
    """
    limits = {
        _key("name", name): MAX_ATTEMPTS_PER_NAME,
        _address_key(address): MAX_ATTEMPTS_PER_ADDRESS,
    }
    if device:
        limits = {_key("device", device): MAX_ATTEMPTS_PER_NAME}
    _count(tx, limits)


def record_success(tx: Transaction, name: str, address: str, device: str = "") -> None:
    """Reset the count of the name, and take the successful attempt off that of the address.

    For a known device, reset its own count only: the others are those of strangers.
    """
    if device:
        tx.delete(ATTEMPTS.name, _key("device", device))
        return
    tx.delete(ATTEMPTS.name, _key("name", name))
    uncount_address(tx, address)


def count_callback(tx: Transaction, address: str) -> None:
    """Count a provider's callback from `address`. Raises TooMany when it exceeds the limit."""
    _count(tx, {_address_key(address): MAX_ATTEMPTS_PER_ADDRESS})


def uncount_address(tx: Transaction, address: str) -> None:
    """Take an attempt that succeeded off the count of its address."""
    window = _window(tx, _address_key(address))
    tx.put(ATTEMPTS.name, window | {"count": max(0, window["count"] - 1)})


def _count(tx: Transaction, limits: Mapping[str, int]) -> None:
    """Count an attempt in each window of `limits`, after some expired ones are deleted."""
    for low, high in (("", clock.now()), (clock.ago(-2 * WINDOW_S), None)):
        expired = tx.find(ATTEMPTS.name, low=low, high=high, limit=_MAX_EXPIRED_PER_ATTEMPT)
        for window in expired.documents:
            tx.delete(ATTEMPTS.name, window["of"])
    for key, limit in limits.items():
        window = _window(tx, key)
        if window["count"] >= limit:
            left = clock.parse_time(window["ends"]) - datetime.now(UTC)
            raise TooMany(
                "There were too many attempts to sign in; wait before you try again.",
                retry_after_s=max(1, ceil(left.total_seconds())),
            )
        tx.put(ATTEMPTS.name, window | {"count": window["count"] + 1})


def _address_key(address: str) -> str:
    return _key("address", network_of(address))


def _key(kind: str, text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"{kind} {digest}"


def _window(tx: Transaction, key: str) -> Document:
    """The current window of a name or an address, or a new one.

    A window that ends later than a new one would was begun while the clock was ahead.
    """
    window, new_end = tx.get(ATTEMPTS.name, key), clock.ago(-WINDOW_S)
    if window is None or not clock.now() < window["ends"] <= new_end:
        return {"of": key, "count": 0, "ends": new_end}
    return window
