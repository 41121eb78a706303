"""marshmallow fields that take JSON at its word: "1", 1.0 and true are not integers."""

import unicodedata
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.money import Currency

_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories no text of ours may have: controls, lone surrogates, line and paragraph separators."""


class Text(fields.String):
    """Text in NFC, without control characters; spaces around it are dropped."""

    def __init__(self, *, longest: int, shortest: int = 1, **options: Any) -> None:
        super().__init__(validate=validate.Length(shortest, longest), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if not value.isprintable() and any(unicodedata.category(c) in _FORBIDDEN for c in value):
            raise ValidationError("must not have control characters or half characters")
        return unicodedata.normalize("NFC", value).strip()


class EmailAddress(fields.Email):
    """An e-mail address; as `Text`, and at most 254 characters (RFC 5321)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators = [*self.validators, validate.Length(max=254)]

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if not value.isprintable():
            raise ValidationError("must not have control characters or half characters")
        return unicodedata.normalize("NFC", value).strip()


class Count(fields.Integer):
    """A whole number in a range."""

    def __init__(self, *, least: int, most: int, **options: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("must be a whole number")
        return value


class Flag(fields.Boolean):
    """true or false, nothing else."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("must be true or false")
        return value


class Money(fields.String):
    """An amount as decimal text with the currency's digits; "4.5" is kept as "4.50"."""

    def __init__(self, currency: Currency, **options: Any) -> None:
        self.currency = currency
        super().__init__(**options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError('must be a decimal in text, such as "4.50"')
        try:
            return self.currency.write(self.currency.parse(value))
        except ValueError as error:
            raise ValidationError(str(error)) from None
