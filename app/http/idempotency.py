"""Idempotency-Key on a POST that creates (draft-ietf-httpapi-idempotency-key-header).

The first answer is stored in the same transaction as what it tells of, and kept for 24 hours. The
same key with the same body repeats it; with another body it is refused. A refused request does not
use its key up, because its transaction is undone.
"""

import hashlib
import re

from flask import Response, request

from app import clock
from app.errors import Invalid, Malformed, Problem
from app.store import Collection, Transaction

KEPT_S = 24 * 60 * 60
HEADER = "Idempotency-Key"
_KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')

IDEMPOTENCY = Collection(
    name="idempotency", key="key", sort=lambda entry: str(entry["at"]), listed=True
)


def requested_key() -> str | None:
    """The key, scoped to this route, or None. Raises Malformed when it is not a sound one."""
    header = request.headers.get(HEADER)
    if header is None:
        return None
    match = _KEY.fullmatch(header.strip())
    if match is None:
        raise Malformed(f"{HEADER} must be 1 to 255 printable characters without spaces or quotes.")
    return f"{request.method} {request.path} {match[1] or match[2]}"


def first_answer(tx: Transaction, key: str) -> Response | None:
    """The answer that this key was given before, or None. Raises Invalid for another body."""
    entry = tx.get(IDEMPOTENCY.name, key)
    if entry is None or entry["at"] < clock.ago(KEPT_S):
        return None
    return _replay(entry)


def remember(tx: Transaction, key: str, response: Response) -> None:
    """Keep the answer under `key`, in the transaction that it tells of."""
    _forget_old(tx)
    tx.put(
        IDEMPOTENCY.name,
        {
            "key": key,
            "at": clock.now(),
            "fingerprint": _fingerprint(),
            "status": response.status_code,
            "headers": {name: response.headers[name] for name in ("Location", "ETag")},
            "body": response.get_data(as_text=True),
        },
    )


def _replay(entry: dict[str, object]) -> Response:
    if entry["fingerprint"] != _fingerprint():
        raise Invalid(
            [
                Problem(
                    "",
                    f"This {HEADER} was used with another body; use a new key for a new request.",
                )
            ]
        )
    response = Response(str(entry["body"]), int(str(entry["status"])), mimetype="application/json")
    response.headers.update(entry["headers"])  # type: ignore[arg-type]  # a JSON object of strings
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _fingerprint() -> str:
    return hashlib.sha256(request.get_data()).hexdigest()


def _forget_old(tx: Transaction) -> None:
    """Drop the two oldest keys if they are over age: more than ever come in, so none pile up."""
    for entry in tx.find(IDEMPOTENCY.name, high=clock.ago(KEPT_S), limit=2).documents:
        tx.delete(IDEMPOTENCY.name, entry["key"])
