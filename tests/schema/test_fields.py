"""The schema fields: which values they accept, and how they normalise them."""

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from marshmallow import ValidationError, fields

from app.kernel.money import Currency
from app.schema.fields import (
    Choice,
    Choices,
    EmailAddress,
    Flag,
    Integer,
    Items,
    Money,
    Text,
    Timestamp,
)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (" Ada ", "Ada"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("\u6771\u4eac \U0001f375", "\u6771\u4eac \U0001f375"),
        ("\u00a0a\u00a0b", "a\u00a0b"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_text_is_normalised_to_nfc_and_stripped(sent: str, read: str) -> None:
    """Joiners within the text stay."""
    assert Text(max_length=20).deserialize(sent) == read


@pytest.mark.parametrize(
    "address",
    ["ada@example.org", " ada@example.org", "a.b+c@x.co", "m\u00fcller@b\u00fccher.example"],
)
def test_real_email_addresses_are_accepted(address: str) -> None:
    """Also with a tag, or in other alphabets."""
    assert EmailAddress().deserialize(address) == address.strip()


@pytest.mark.parametrize(
    ("currency", "sent", "read"),
    [
        ("EUR", "4.5", "4.50"),
        ("EUR", "4", "4.00"),
        ("EUR", "004.5000", "4.50"),
        ("EUR", "0", "0.00"),
        ("EUR", "999999999999.99", "999999999999.99"),
        ("JPY", "450", "450"),
        ("JPY", "450.0", "450"),
        ("KWD", "4.505", "4.505"),
    ],
)
def test_money_gets_the_digits_of_its_currency(currency: str, sent: str, read: str) -> None:
    """Missing digits are added; superfluous zeros are dropped."""
    assert Money(Currency(currency)).deserialize(sent) == read


@pytest.mark.parametrize(("currency", "sent"), [("JPY", "4.5"), ("KWD", "4.5055"), ("EUR", "4.")])
def test_money_with_too_many_digits_is_refused(currency: str, sent: str) -> None:
    """It is never rounded."""
    with pytest.raises(ValidationError):
        Money(Currency(currency)).deserialize(sent)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("1234567890123.00", "has more than 12 digits before the point"),
        ("4.505", "has more than the 2 decimal places of EUR"),
        ("4.123456", "has more than the 2 decimal places of EUR"),
        ("-4", "must be a decimal number such as 4.50"),
        ("4,50", "must be a decimal number such as 4.50"),
    ],
)
def test_the_reason_says_what_is_wrong_with_the_money(sent: str, reason: str) -> None:
    """The message names the rule that the text breaks."""
    with pytest.raises(ValidationError, match=reason):
        Money(Currency("EUR")).deserialize(sent)


@pytest.mark.parametrize(
    ("sent", "end_of_day", "read"),
    [
        ("2026-11-21", False, "2026-11-21T00:00:00.000Z"),
        ("2026-11-21", True, "2026-11-21T23:59:59.999Z"),
        ("2026-11-21T08:00:00Z", True, "2026-11-21T08:00:00.000Z"),
        ("2026-11-21t09:30:00.5+01:30", False, "2026-11-21T08:00:00.500Z"),
        ("0900-01-01", False, "0900-01-01T00:00:00.000Z"),
    ],
)
def test_a_timestamp_is_read_as_utc(sent: str, end_of_day: bool, read: str) -> None:
    """It has the stored form, in which text order is time order."""
    assert Timestamp(UTC, end_of_day=end_of_day).deserialize(sent) == read


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        (Integer(minimum=1, maximum=3), 4),
        (Integer(minimum=1, maximum=3), "2"),
        (Integer(minimum=1, maximum=3), True),
        (Flag(), 1),
        (Flag(), "true"),
        (Choice("a", "b"), "c"),
        (Choice("a", "b"), ["a"]),
        (Timestamp(UTC), 20261121),
        (Timestamp(UTC), "20261121"),
        (Timestamp(UTC), "2026-11-21 08:00:00Z"),
        (Timestamp(UTC), "2026-11-21T25:00:00Z"),
    ],
)
def test_values_of_another_json_type_are_refused(field: Any, sent: object) -> None:
    """Nothing is coerced."""
    with pytest.raises(ValidationError):
        field.deserialize(sent)


@pytest.mark.parametrize("sent", ["1900-01-01", "1969-12-31T23:59:59Z", "2999-01-01", "9999-12-31"])
def test_a_time_of_something_that_happened_is_plausible(sent: str) -> None:
    """It is from 1970 on and not in the future; a filter may name any day."""
    with pytest.raises(ValidationError, match="not in the future"):
        Timestamp(UTC, has_happened=True).deserialize(sent)
    assert Timestamp(UTC).deserialize(sent).startswith(sent[:10])


@pytest.mark.parametrize("end_of_day", [False, True])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue"])
def test_the_ends_of_the_calendar_are_days(zone: str, day: str, end_of_day: bool) -> None:
    """A filter from the first or to the last day of all works in every zone."""
    assert Timestamp(ZoneInfo(zone), end_of_day=end_of_day).deserialize(day).startswith(day)


@pytest.mark.parametrize("sent", [[], [{}] * 3, [1] * 300_000])
def test_the_length_of_a_list_is_checked_before_its_entries(sent: list[object]) -> None:
    """A list of a wrong length has one fault, not one for each entry."""
    with pytest.raises(ValidationError) as refused:
        Items(fields.String(), min_length=1, max_length=2).deserialize(sent)
    assert refused.value.messages == ["must have 1 to 2 entries"]


@pytest.mark.parametrize("sent", [{}, "ab", 5])
def test_a_list_is_a_list(sent: object) -> None:
    """Nothing else is one, of whatever length."""
    with pytest.raises(ValidationError, match="valid list"):
        Items(fields.String(), min_length=1, max_length=2).deserialize(sent)


def test_the_length_of_a_query_list_is_checked_first() -> None:
    """A parameter of a hundred thousand commas has one fault."""
    with pytest.raises(ValidationError) as refused:
        Choices("a", "b").deserialize("," * 100_000)
    assert refused.value.messages == ["must have 1 to 2 entries"]
