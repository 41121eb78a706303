"""From marshmallow's errors to ours."""

from collections.abc import Iterator
from typing import Any

from marshmallow import Schema, ValidationError

from app.errors import Invalid, Problem


def load(schema: Schema, document: Any, *, partial: bool = False) -> dict[str, Any]:
    """The document as the schema reads it. Raises Invalid with every problem found."""
    try:
        loaded: dict[str, Any] = schema.load(document, partial=partial)
    except ValidationError as error:
        raise Invalid(list(_problems(error.messages, ""))) from None
    return loaded


def _problems(messages: Any, pointer: str) -> Iterator[Problem]:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            step = "" if name == "_schema" else f"/{_escaped(str(name))}"
            yield from _problems(inner, pointer + step)
    elif isinstance(messages, list):
        for message in messages:
            yield from _problems(message, pointer)
    else:
        yield Problem(pointer, _plain(str(messages)))


def _escaped(name: str) -> str:
    """As RFC 6901 writes a name inside a pointer; an over-long one is cut."""
    return name[:100].replace("~", "~0").replace("/", "~1")


def _plain(message: str) -> str:
    return _WORDS.get(message, message.rstrip("."))


_WORDS = {
    "Missing data for required field.": "is required",
    "Field may not be null.": "must not be null",
    "Unknown field.": "is not a field that can be set here",
    "Not a valid email address.": "is not a valid e-mail address",
    "Not a valid list.": "must be a list",
    "Invalid input type.": "must be an object",
}
