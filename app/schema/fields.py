"""marshmallow fields without type coercion: "1", 1.0 and true are not integers.

Each field checks its limits in the same call that reads the value, which is faster than
marshmallow's validators. Its metadata has the same limits, for the OpenAPI contract, and the
options `description` and `examples`.
"""

import re
import unicodedata
from datetime import date, tzinfo
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.kernel import clock, shop_day
from app.kernel.countries import COUNTRIES
from app.kernel.email_address import mail_address
from app.kernel.money import Currency
from app.kernel.tax_rate import TAX_RATE_PATTERN, parse_tax_rate

_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, lone surrogates, line and paragraph separators."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_ANY_TEXT = f"^[^{_CONTROLS}]*$"
_NOT_BLANK = rf"^[^{_CONTROLS}]*[^{_CONTROLS}\s][^{_CONTROLS}]*$"

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DAY_PATTERN = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME_PATTERN = (
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
"""For the contract; they also take the 30th of February and the year 0."""

_TIME = r"[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
"""RFC 3339, 5.6, at most six digits of a second; Python's fromisoformat accepts more forms."""

_DOCUMENTATION = ("description", "examples")


class Text(fields.String):
    """Text in Unicode NFC, without control characters; surrounding spaces are removed.

    Its length is in characters, and the limit counts the surrounding spaces.
    """

    def __init__(self, *, max_length: int, min_length: int = 1, **options: Any) -> None:
        self._min_length, self._max_length = min_length, max_length
        pattern = _NOT_BLANK if min_length else _ANY_TEXT
        limits = {"minLength": min_length, "maxLength": max_length, "pattern": pattern}
        super().__init__(**_with_metadata(options, limits))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if len(value) > self._max_length:  # first: normalize takes quadratic time
            raise self._wrong_length()
        if not value.isprintable() and any(unicodedata.category(c) in _FORBIDDEN for c in value):
            raise ValidationError("must not have control characters or lone surrogates")
        text = unicodedata.normalize("NFC", value).strip()
        if not self._min_length <= len(text) <= self._max_length:
            raise self._wrong_length()
        return text

    def _wrong_length(self) -> ValidationError:
        return ValidationError(f"must have {self._min_length} to {self._max_length} characters")


class EmailAddress(Text):
    """An e-mail address that mail can be sent to, of at most 254 characters (RFC 5321)."""

    def __init__(self, **options: Any) -> None:
        shape = {"format": "email", "pattern": r"^\s*\S+@[^\s@]+\s*$"}
        super().__init__(max_length=254, **_with_metadata(options, shape))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value)
        try:
            mail_address(text)
        except ValueError:
            raise ValidationError("is not a valid e-mail address") from None
        return text


class Integer(fields.Integer):
    """A whole number in a range, both ends included."""

    def __init__(self, *, minimum: int, maximum: int, **options: Any) -> None:
        self._minimum, self._maximum = minimum, maximum
        super().__init__(**_with_metadata(options, {"minimum": minimum, "maximum": maximum}))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("must be a whole number")
        if not self._minimum <= value <= self._maximum:
            raise ValidationError(f"must be from {self._minimum} to {self._maximum}")
        return value


class Flag(fields.Boolean):
    """true or false, nothing else."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("must be true or false")
        return value


class Choice(fields.String):
    """One of a set of strings."""

    def __init__(self, *choices: str, **options: Any) -> None:
        self._choices = choices
        super().__init__(**_with_metadata(options, {"enum": list(choices)}))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or value not in self._choices:
            raise ValidationError(f"must be {' or '.join(self._choices)}")
        return value


class Country(Choice):
    """A country by its two-letter code (ISO 3166-1 alpha-2), in capitals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(*sorted(COUNTRIES), description="ISO 3166-1 alpha-2", **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        try:
            return super()._deserialize(value, *args, **kwargs)
        except ValidationError:
            raise ValidationError(
                "must be a country's two-letter code (ISO 3166-1 alpha-2), such as DE"
            ) from None


class Items(fields.List[Any]):
    """A list whose length is checked before any of its entries is read."""

    def __init__(
        self, entry: fields.Field[Any], *, min_length: int, max_length: int, **options: Any
    ) -> None:
        self._length = validate.Length(
            min_length, max_length, error="must have {min} to {max} entries"
        )
        super().__init__(entry, validate=self._length, **_with_metadata(options, {}))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list):
            self._length(value)
        return super()._deserialize(value, *args, **kwargs)


class Choices(Items):
    """Some of a set of strings, in query text with commas between them."""

    def __init__(self, *choices: str, **options: Any) -> None:
        super().__init__(Choice(*choices), min_length=1, max_length=len(choices), **options)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[Any]:
        return super()._deserialize(value.split(","), attr, data, **kwargs)


class Money(fields.String):
    """An amount as a decimal string with the currency's digits; "4.5" becomes "4.50"."""

    def __init__(self, currency: Currency, **options: Any) -> None:
        self.currency = currency
        super().__init__(**_with_metadata(options, {"pattern": f"^{currency.pattern}$"}))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError('must be a decimal in text, such as "4.50"')
        try:
            return self.currency.format(self.currency.parse(value))
        except ValueError as error:
            raise ValidationError(str(error)) from None


class TaxRate(fields.String):
    """A tax rate in percent as text, such as "19" or "5.5"; "19.0" becomes "19"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_with_metadata(options, {"pattern": TAX_RATE_PATTERN}))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError('must be a percentage in text, such as "19"')
        try:
            return parse_tax_rate(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Timestamp(fields.String):
    """A date, or a date and time with its zone (RFC 3339); read as UTC text of clock.format_time.

    A date is a day of the shop in `zone` and means its first millisecond, or with `end_of_day` its
    last. Times that are not plausible are refused with `has_happened`.
    """

    def __init__(
        self,
        zone: tzinfo,
        *,
        end_of_day: bool = False,
        has_happened: bool = False,
        **options: Any,
    ) -> None:
        self._zone, self._end_of_day, self._has_happened = zone, end_of_day, has_happened
        # without a format: generators of clients have no type for one of two formats
        shape = {"pattern": f"^{_DAY_PATTERN}({_TIME_PATTERN})?$"}
        super().__init__(**_with_metadata(options, shape))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        try:
            stored = self._parse(value)
        except (TypeError, ValueError, OverflowError):
            raise ValidationError(
                "must be a date (2026-11-21) or a date and time (2026-11-21T08:00:00Z)"
            ) from None
        if self._has_happened and not clock.is_plausible(stored):
            raise ValidationError(clock.PLAUSIBLE_RULE)
        return stored

    def _parse(self, text: str) -> str:
        if re.fullmatch(_DAY, text):
            return shop_day.bounds(date.fromisoformat(text), self._zone)[self._end_of_day]
        if not re.fullmatch(_DAY + _TIME, text):
            raise ValueError("not RFC 3339")
        return clock.format_time(clock.parse_time(text.upper()))


def _with_metadata(options: dict[str, Any], json_schema: dict[str, Any]) -> dict[str, Any]:
    """The options of a field, with `json_schema` in its metadata unless they say otherwise."""
    documented = {name: options.pop(name) for name in _DOCUMENTATION if name in options}
    return options | {"metadata": json_schema | documented | options.get("metadata", {})}
