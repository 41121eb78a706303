"""Hooks for schemathesis: what no schema can say, so that a valid request is really one.

They touch nothing that a schema refuses, so wrong requests stay wrong.
"""

import re
from datetime import UTC
from itertools import count
from typing import Any

import schemathesis
from marshmallow import ValidationError
from marshmallow.fields import Field, String
from marshmallow.validate import Regexp

from app.http.requests.idempotency import HEADER, KEY_PATTERN
from app.schema.fields import Text, Timestamp
from app.webhooks.target import URL_MAX_CHARS

SKUS = ("paper-clips", "daybook-2027")
"""Of the sample catalogue: one that is plentiful, and one that may be back-ordered."""

SKU = Text(max_length=64)
URL, RECEIVER = Text(max_length=URL_MAX_CHARS), "https://receiver.example.org/daybook"
CURSORS: dict[str, Field[Any]] = {
    "cursor": String(validate=Regexp("^[A-Za-z0-9_-]{1,2000}$")),
    "after": Text(max_length=200),
}
"""Parameters that only an answer can give, and what the contract says of them."""

MOMENTS = ("from", "to", "since", "delivered_at")
MOMENT, DAY = Timestamp(UTC), "2026-11-21"

_keys = count(1)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Order what the shop has, begin lists at their beginning, and use each key once.

    Webhooks go to an address that may be one.
    """
    for name, cursor in CURSORS.items():
        if is_taken_by(cursor, (case.query or {}).get(name)):
            del case.query[name]
    if re.fullmatch(KEY_PATTERN, str((case.headers or {}).get(HEADER, ""))):
        case.headers[HEADER] = f'"key-{next(_keys)}"'
    for place in (case.query, case.body):
        if isinstance(place, dict):
            place.update({name: DAY for name in MOMENTS if is_no_day(place.get(name))})
    if isinstance(case.body, dict | list):
        case.body = written(case.body)
    if case.operation.path.startswith("/order") and isinstance(case.body, dict):
        for line in listed(case.body.get("items")):
            if is_taken_by(SKU, line.get("product")):
                line["product"] = SKUS[len(line["product"]) % len(SKUS)]
    is_webhook = case.operation.path.startswith("/webhook") and isinstance(case.body, dict)
    if is_webhook and is_taken_by(URL, case.body.get("url")):
        case.body["url"] = RECEIVER


def listed(items: Any) -> list[dict[str, Any]]:
    """The objects in a list, if it is one."""
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def is_no_day(value: Any) -> bool:
    """Whether a text has the pattern of a day or moment, and yet the calendar has none such."""
    pattern = MOMENT.metadata["pattern"]
    is_shaped = isinstance(value, str) and re.search(pattern, value)
    return bool(is_shaped) and not is_taken_by(MOMENT, value)


def is_taken_by(field: Field[Any], value: Any) -> bool:
    """Whether it is a text that the schema of `field` takes."""
    if not isinstance(value, str):
        return False
    try:
        field.deserialize(value)
    except ValidationError:
        return False
    return True


def written(value: Any) -> Any:
    """JSON Schema takes 1.0 for an integer; Daybook takes nothing but 1."""
    if isinstance(value, dict):
        return {name: written(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [written(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
