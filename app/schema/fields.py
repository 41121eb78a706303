"""marshmallow fields that take JSON at its word: "1", 1.0 and true are not integers.

Each field checks its own limits while it reads, in one call, because requests go through here by
the thousand; the same limits stand in its metadata, from where app/openapi/ takes them.
"""

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.kernel import clock
from app.kernel.money import Currency

_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode: controls, lone surrogates, separators of lines and of paragraphs."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_ANY_TEXT = f"^[^{_CONTROLS}]*$"
_NOT_BLANK = rf"^[^{_CONTROLS}]*[^{_CONTROLS}\s][^{_CONTROLS}]*$"

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
"""RFC 3339, 5.6; more than Python's fromisoformat would take is refused."""


class Text(fields.String):
    """Text in NFC, without control characters; spaces around it are dropped."""

    def __init__(
        self,
        *,
        longest: int,
        shortest: int = 1,
        metadata: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self._shortest, self._longest = shortest, longest
        limits = {"minLength": shortest, "maxLength": longest}
        pattern = {"pattern": _NOT_BLANK if shortest else _ANY_TEXT}
        super().__init__(metadata=limits | pattern | (metadata or {}), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if not value.isprintable() and any(unicodedata.category(c) in _FORBIDDEN for c in value):
            raise ValidationError("must not have control characters or half characters")
        text = unicodedata.normalize("NFC", value).strip()
        if len(text) < self._shortest or max(len(text), len(value)) > self._longest:
            raise ValidationError(f"must have {self._shortest} to {self._longest} characters")
        return text


class EmailAddress(Text):
    """An e-mail address; as `Text`, and at most 254 characters (RFC 5321)."""

    _check = validate.Email(error="is not a valid e-mail address")

    def __init__(self, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        shape = {"format": "email", "pattern": r"^\s*\S+@[^\s@]+\s*$"}
        super().__init__(longest=254, metadata=shape | (metadata or {}), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        return self._check(super()._deserialize(value))


class Count(fields.Integer):
    """A whole number in a range."""

    def __init__(
        self, *, least: int, most: int, metadata: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self._least, self._most = least, most
        limits = {"minimum": least, "maximum": most}
        super().__init__(metadata=limits | (metadata or {}), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("must be a whole number")
        if not self._least <= value <= self._most:
            raise ValidationError(f"must be from {self._least} to {self._most}")
        return value


class Flag(fields.Boolean):
    """true or false, nothing else."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("must be true or false")
        return value


class Choice(fields.String):
    """One of a few words."""

    def __init__(
        self, *choices: str, metadata: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self._choices = choices
        super().__init__(metadata={"enum": list(choices)} | (metadata or {}), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or value not in self._choices:
            raise ValidationError(f"must be {' or '.join(self._choices)}")
        return value


class Money(fields.String):
    """An amount as decimal text with the currency's digits; "4.5" is kept as "4.50"."""

    def __init__(
        self, currency: Currency, metadata: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self.currency = currency
        pattern = {"pattern": f"^{currency.pattern}$"}
        super().__init__(metadata=pattern | (metadata or {}), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError('must be a decimal in text, such as "4.50"')
        try:
            return self.currency.format(self.currency.parse(value))
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Moment(fields.String):
    """A day or a moment with its zone (RFC 3339), read as clock.format_time writes it.

    A day means its first moment, or with `end_of_day` its last.
    """

    def __init__(
        self, *, end_of_day: bool = False, metadata: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self._end_of_day = end_of_day
        shape = {
            "pattern": f"^{_DAY}({_CLOCK})?$",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
        }
        super().__init__(metadata=shape | (metadata or {}), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        try:
            return clock.format_time(self._moment(value))
        except (TypeError, ValueError, OverflowError):
            raise ValidationError(
                "must be a day (2026-11-21) or a moment (2026-11-21T08:00:00Z)"
            ) from None

    def _moment(self, text: str) -> datetime:
        if re.fullmatch(_DAY, text):
            day = datetime.combine(date.fromisoformat(text), time(), clock.UTC)
            return day + timedelta(days=1, milliseconds=-1) if self._end_of_day else day
        if not re.fullmatch(_DAY + _CLOCK, text):
            raise ValueError("not a moment")
        return clock.parse_time(text.upper())
