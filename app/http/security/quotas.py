"""Quotas: how much one caller may do within a window of time, counted for all processes together.

Counts are in the store and part of the caller's transaction, so parallel requests all count, a
request that fails does not, and beyond a quota nothing is written. Names and addresses are stored
as hashes only: people type passwords into the field of the name.
"""

import hashlib
from datetime import UTC, datetime
from math import ceil
from typing import NamedTuple

from marshmallow import fields

from app.kernel import clock
from app.kernel.errors import TooMany
from app.schema.fields import Integer
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Transaction
from app.store.expiry import Expiry

MAX_WINDOW_S = 24 * 60 * 60.0
"""The longest window of any quota: a day."""

COUNTS = Collection(
    name="attempts",
    key="of",
    sort=lambda window: str(window["ends"]),
    listed=True,
    check=stored_document_check(
        count=Integer(minimum=0, maximum=10**9, required=True), ends=fields.String(required=True)
    ),
)
COUNTS_EXPIRY = Expiry(COUNTS, after_s=0, max_ahead_s=2 * MAX_WINDOW_S)


class Quota(NamedTuple):
    """At most `limit` for each subject in `window_s` seconds from the first one on.

    `kind` begins the keys of its counts in the store; `refusal` is the sentence for the caller.
    """

    kind: str
    limit: int
    window_s: float
    refusal: str


def count(tx: Transaction, quota: Quota, subject: str, amount: int = 1) -> None:
    """Count `amount` for the subject. Raises TooMany when it exceeds the quota."""
    window = _window(tx, quota, subject)
    if window["count"] + amount > quota.limit:
        left = clock.parse_time(window["ends"]) - datetime.now(UTC)
        raise TooMany(quota.refusal, retry_after_s=max(1, ceil(left.total_seconds())))
    tx.put(COUNTS.name, window | {"count": window["count"] + amount})


def take_back(tx: Transaction, quota: Quota, subject: str) -> None:
    """Take one off the count of the subject."""
    window = _window(tx, quota, subject)
    tx.put(COUNTS.name, window | {"count": max(0, window["count"] - 1)})


def reset(tx: Transaction, quota: Quota, subject: str) -> None:
    """Forget the count of the subject."""
    tx.delete(COUNTS.name, _key(quota, subject))


def _window(tx: Transaction, quota: Quota, subject: str) -> Document:
    """The current window of the subject, or a new one.

    A window that ends later than a new one would was begun while the clock was ahead.
    """
    key = _key(quota, subject)
    window, new_end = tx.get(COUNTS.name, key), clock.ago(-quota.window_s)
    if window is None or not clock.now() < window["ends"] <= new_end:
        return {"of": key, "count": 0, "ends": new_end}
    return window


def _key(quota: Quota, subject: str) -> str:
    digest = hashlib.sha256(subject.encode("utf-8", "replace")).hexdigest()
    return f"{quota.kind} {digest}"
