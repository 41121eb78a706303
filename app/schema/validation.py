"""Validation by marshmallow schemas; its errors become `Invalid` with a JSON pointer each."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ClassVar

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, missing

from app.kernel.errors import MAX_PROBLEMS, Invalid, Problem, pointer_step


class StrictSchema(Schema):
    """A schema that refuses unknown fields.

    Its `load` leaves out what no schema here uses (hooks, renamed fields, partial loading), so it
    takes half the time of marshmallow's, which would be most of the validation of a POST.
    """

    class Meta:
        """See marshmallow.Schema.Meta."""

        unknown = RAISE

    cross_field_rules: ClassVar[dict[str, Any]] = {}
    """The JSON Schema of rules over several fields, which a `load` of the subclass checks."""

    def load(self, data: Any, **_options: Any) -> dict[str, Any]:
        """The document as its fields read it. Raises ValidationError with every fault."""
        if not isinstance(data, dict):
            raise ValidationError("must be an object", "_schema")
        loaded: dict[str, Any] = {}
        faults: dict[str, Any] = {}
        for name, field in self.load_fields.items():
            try:
                value = field.deserialize(data.get(name, missing), name, data)
            except ValidationError as error:
                faults[name] = error.messages
                continue
            if value is not missing:
                loaded[name] = value
        for name in data.keys() - self.load_fields.keys():
            faults[name] = "is not a field that can be set here"
        if faults:
            raise ValidationError(faults)
        return loaded


def load(schema: Schema, document: Any) -> dict[str, Any]:
    """The document as the schema reads it. Raises Invalid with at most MAX_PROBLEMS problems."""
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise Invalid(list(islice(problems(error.messages), MAX_PROBLEMS))) from None
    return loaded


def stored_document_check(**members: fields.Field[Any]) -> Callable[[dict[str, Any]], None]:
    """A check of stored documents: raises Invalid for wrong `members`, and allows further ones."""
    schema = Schema.from_dict(members)(unknown=INCLUDE)

    def check(document: dict[str, Any]) -> None:
        load(schema, document)

    return check


def problems(messages: Any, pointer: str = "") -> Iterator[Problem]:
    """The nested messages of marshmallow, each with the JSON pointer to its value."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            step = "" if name == "_schema" else pointer_step(str(name))
            yield from problems(inner, pointer + step)
    elif isinstance(messages, list):
        for message in messages:
            yield from problems(message, pointer)
    else:
        yield Problem(pointer, _MESSAGES.get(messages, messages))


_MESSAGES = {
    "Missing data for required field.": "is required",
    "Field may not be null.": "must not be null",
    "Not a valid list.": "must be a list",
    "Not a valid string.": "must be text",
    "Not a valid UUID.": "must be a UUID",
}
