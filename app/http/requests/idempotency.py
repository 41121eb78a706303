"""Idempotency-Key on a POST that creates (draft-ietf-httpapi-idempotency-key-header).

The first answer is stored in the same transaction as what it tells of, and kept for 24 hours. The
same key with the same content repeats it; with other content it is refused. A refused request does
not use its key up, because its transaction is undone.
"""

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from flask import Response, request
from marshmallow import fields

from app.http.requests.body import body_bytes
from app.kernel import clock
from app.kernel.errors import Conflict, Invalid, Malformed, Problem
from app.schema.fields import Count
from app.schema.validation import kept
from app.store import Collection, Document, Store, Transaction

KEPT_S = 24 * 60 * 60
FORGOTTEN_AT_ONCE = 50
"""A request that has a key forgets at most so many old ones: about a millisecond of work."""
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Preference-Applied")
KEY_PATTERN = r'"[\x20\x21\x23-\x5b\x5d-\x7e]{1,255}"|[\x21\x23-\x5b\x5d-\x7e]{1,255}'
"""A quoted string of RFC 9651, or the same bare; no key of sense needs a quote or a backslash."""

IDEMPOTENCY = Collection(
    name="idempotency",
    key="key",
    sort=lambda entry: str(entry["at"]),
    listed=True,
    check=kept(
        at=fields.String(required=True),
        fingerprint=fields.String(required=True),
        status=Count(least=200, most=599, required=True),
        headers=fields.Dict(keys=fields.String(), values=fields.String(), required=True),
        body=fields.String(required=True),
    ),
)


class Key(NamedTuple):
    """What makes two requests the same: route and key; and the SHA-256 of what they ask for."""

    name: str
    fingerprint: str


def requested_key() -> Key | None:
    """The key of this request, or None. Raises Malformed when it is not a sound one."""
    header = request.headers.get(HEADER)
    if header is None:
        return None
    header = header.strip()
    if not re.fullmatch(KEY_PATTERN, header):
        raise Malformed(
            f"{HEADER} must be 1 to 255 printable ASCII characters, without quotes or backslashes."
        )
    return key_of(f"{request.method} {request.path.rstrip('/')}", header.strip('"'))


def key_of(scope: str, key: str, content: bytes | None = None) -> Key:
    """`key` as used in `scope`; what is asked for is `content`, or else the body."""
    content = body_bytes() if content is None else content
    return Key(f"{scope} {key}", hashlib.sha256(content).hexdigest())


def once(
    store: Store,
    key: Key | None,
    respond: Callable[[Transaction], Response],
    under_way_s: float = 0.0,
) -> Response:
    """The answer of `respond`, durable; where the key was used before, the first answer again.

    When more than the transaction goes into the answer, `under_way_s` bounds how long that takes;
    `remember` ends it. Raises Invalid for other content, Conflict while the first is under way.
    """
    with store.transaction() as tx:
        first = tx.get(IDEMPOTENCY.name, key.name) if key else None
        if key is None or first is None or first["at"] < clock.ago(KEPT_S):
            response = respond(tx)
            if key:
                remember(tx, key, response, under_way_s)
            return response
    store.make_durable()
    return _repeated(key, first)


def remember(tx: Transaction, key: Key, response: Response, under_way_s: float = 0.0) -> None:
    """Keep the answer under `key`."""
    _forget_old(tx)
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    entry: Document = {
        "key": key.name,
        "at": clock.now(),
        "fingerprint": key.fingerprint,
        "status": response.status_code,
        "headers": headers,
        "body": response.get_data(as_text=True),
    }
    if under_way_s:
        entry["under_way_until"] = clock.ago(-under_way_s)
    tx.put(IDEMPOTENCY.name, entry)


def is_repeated(response: Response) -> bool:
    """Whether this is the first answer again."""
    return REPLAYED in response.headers


def _repeated(key: Key, first: Document) -> Response:
    if first["fingerprint"] != key.fingerprint:
        sentence = f"This {HEADER} was used with another body; use a new key for a new request."
        raise Invalid([Problem("", sentence)])
    if first.get("under_way_until", "") > clock.now():
        raise Conflict(f"The first request with this {HEADER} is still under way.", retry_after_s=1)
    response = Response(first["body"], first["status"], first["headers"])
    response.headers[REPLAYED] = "true"
    return response


def _forget_old(tx: Transaction) -> None:
    """Drop the oldest keys that are over age: many more than come in, so that a pile soon goes."""
    over_age = tx.find(IDEMPOTENCY.name, high=clock.ago(KEPT_S), limit=FORGOTTEN_AT_ONCE)
    for entry in over_age.documents:
        tx.delete(IDEMPOTENCY.name, entry["key"])
