"""Idempotency-Key on a POST that creates (draft-ietf-httpapi-idempotency-key-header).

The first response is stored in the same transaction as its change, for 24 hours. The same key with
the same content gets that response again; with other content it is refused. A request that fails
does not use its key up, because its transaction is rolled back. A key belongs to its caller: those
of two callers have nothing to do with each other.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from flask import Response, request
from marshmallow import fields

from app.http.requests.body import body_bytes
from app.http.security.identity import current
from app.kernel import clock
from app.kernel.errors import Conflict, Invalid, Malformed, Problem
from app.schema.fields import Integer
from app.schema.validation import stored_document_check
from app.store import Collection, Document, Store, Transaction
from app.store.expiry import Expiry
from app.store.matching import scan_all

RETENTION_S = 24 * 60 * 60
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_STORED_HEADERS = ("Content-Type", "Location", "ETag", "Preference-Applied")
WITHHELD = 409
"""The status in place of a response that had a customer who was erased. No response of a request
that was carried out has it."""

KEY_PATTERN = r'"[\x20\x21\x23-\x5b\x5d-\x7e]{1,255}"|[\x21\x23-\x5b\x5d-\x7e]{1,255}'
"""A quoted string of RFC 9651, or the same without quotes; neither may contain a quote or a
backslash."""

IDEMPOTENCY = Collection(
    name="idempotency",
    key="key",
    sort=lambda entry: str(entry["at"]),
    listed=True,
    check=stored_document_check(
        at=fields.String(required=True),
        fingerprint=fields.String(required=True),
        status=Integer(minimum=200, maximum=599, required=True),
        headers=fields.Dict(keys=fields.String(), values=fields.String(), required=True),
        body=fields.String(required=True),
    ),
)
IDEMPOTENCY_EXPIRY = Expiry(IDEMPOTENCY, after_s=RETENTION_S, max_ahead_s=RETENTION_S)


class Key(NamedTuple):
    """`name` is the scope and the key of a request; `fingerprint` the SHA-256 of its content."""

    name: str
    fingerprint: str


def request_key() -> Key | None:
    """The key of this request, scoped to its caller and address, or None. Raises Malformed."""
    header = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    header = header.strip()
    if not re.fullmatch(KEY_PATTERN, header):
        raise Malformed(
            f"{HEADER} must be 1 to 255 printable ASCII characters, without quotes or backslashes."
        )
    caller, path = current(), quote(request.path.rstrip("/"))
    scope = f"{caller.role} {quote(caller.id, safe='')} {request.method} {path}"
    return scoped_key(scope, header.strip('"'), body_bytes())


def scoped_key(scope: str, key: str, content: bytes) -> Key:
    """`key` as used in `scope` by a request for `content`."""
    return Key(f"{scope} {key}", hashlib.sha256(content).hexdigest())


def execute_once(
    store: Store,
    key: Key | None,
    respond: Callable[[Transaction], Response],
    pending_s: float = 0.0,
) -> Response:
    """The response of `respond`, durable; or the stored one, where the key was used before.

    A caller that completes the response after the transaction passes how long that takes at most
    as `pending_s`, and ends it with `store_response`. Raises Invalid when the key was used
    with other content, and Conflict while the first request is in progress.
    """

    def respond_once(tx: Transaction) -> Response:
        first = tx.get(IDEMPOTENCY.name, key.name) if key else None
        if key and first and clock.is_within(first["at"], RETENTION_S):
            return _stored_response(key, first)
        response = respond(tx)
        if key:
            store_response(tx, key, response, pending_s)
        return response

    response = store.run_in_transaction(respond_once)
    if is_repeated(response):
        store.make_durable()
    return response


def store_response(tx: Transaction, key: Key, response: Response, pending_s: float = 0.0) -> None:
    """Store the response under `key`."""
    headers = {name: response.headers[name] for name in _STORED_HEADERS if name in response.headers}
    entry: Document = {
        "key": key.name,
        "at": clock.now(),
        "fingerprint": key.fingerprint,
        "status": response.status_code,
        "headers": headers,
        "body": response.get_data(as_text=True),
    }
    if pending_s:
        entry["under_way_until"] = clock.ago(-pending_s)
    tx.put(IDEMPOTENCY.name, entry)


def find_responses(store: Store, texts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each name in `texts`, the keys of the responses in which one of its texts occurs.

    Reads all responses, batch by batch.
    """
    found: dict[str, list[str]] = {}
    for entry in scan_all(store, IDEMPOTENCY):
        for name in texts:
            if _has_text(entry, texts[name]):
                found.setdefault(name, []).append(entry["key"])
    return found


def withhold_responses(
    tx: Transaction, keys: Iterable[str], texts: Sequence[str], since: str
) -> None:
    """Replace these responses, and those stored `since` in which one of `texts` occurs.

    A repeated request is then refused, so it is still not carried out again.
    """
    newer = tx.find(IDEMPOTENCY.name, low=since).documents
    known = filter(None, (tx.get(IDEMPOTENCY.name, key) for key in keys))
    for entry in (*known, *(each for each in newer if _has_text(each, texts))):
        tx.put(IDEMPOTENCY.name, entry | {"status": WITHHELD, "headers": {}, "body": ""})


def is_repeated(response: Response) -> bool:
    """Whether this response was stored by an earlier request."""
    return REPLAYED in response.headers


def _has_text(entry: Document, texts: Iterable[str]) -> bool:
    stored = f"{entry['headers'].get('Location')} {entry['body']}"
    return any(text in stored for text in texts)


def _stored_response(key: Key, first: Document) -> Response:
    if first["fingerprint"] != key.fingerprint:
        detail = f"This {HEADER} was used with another body; use a new key for a new request."
        raise Invalid([Problem("", detail)])
    if first["status"] == WITHHELD:
        raise Conflict(
            f"The first request with this {HEADER} was carried out, and its customer has been "
            "erased since; its response is no longer kept."
        )
    if first["at"] <= clock.now() < first.get("under_way_until", ""):
        raise Conflict(f"The first request with this {HEADER} is in progress.", retry_after_s=1)
    response = Response(first["body"], first["status"], first["headers"])
    response.headers[REPLAYED] = "true"
    return response
