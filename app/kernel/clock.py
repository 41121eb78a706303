"""The time as text: RFC 3339 in UTC with milliseconds and Z, so that texts sort as times do."""

from datetime import UTC, datetime, timedelta, tzinfo

__all__ = [
    "UTC",
    "ago",
    "format_time",
    "is_plausible",
    "is_within",
    "now",
    "parse_input",
    "parse_time",
]

MIN_PLAUSIBLE = "1970-01-01T00:00:00.000Z"
MAX_AHEAD_S = 24 * 3600
"""How far the clocks of other systems, or dates of other time zones, may be ahead, in seconds."""

PLAUSIBLE_RULE = "must be from 1970 on, and not in the future"


def now() -> str:
    """The current time."""
    return format_time(datetime.now(UTC))


def ago(seconds: float) -> str:
    """The time `seconds` before now."""
    return format_time(datetime.now(UTC) - timedelta(seconds=seconds))


def is_within(text: str, seconds: float) -> bool:
    """Whether a stored time is at most `seconds` from now, in the past or in the future.

    A time further in the future was stored while the clock was wrong. Nothing may last until then.
    A little in the future it counts, because time servers set clocks back by moments.
    """
    return ago(seconds) <= text <= ago(-seconds)


def is_plausible(text: str) -> bool:
    """Whether a time can be that of something that has happened: PLAUSIBLE_RULE, but for a day."""
    return MIN_PLAUSIBLE <= text <= ago(-MAX_AHEAD_S)


def format_time(moment: datetime) -> str:
    """A time with a zone as text."""
    in_utc = moment.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def parse_time(text: str) -> datetime:
    """The time that a text of this module stands for. Raises ValueError for other text."""
    return datetime.fromisoformat(text)


def parse_input(text: str, zone: tzinfo) -> str:
    """A date or time of a person or another system (ISO 8601) as text of this module.

    A time without a zone is taken in `zone`. Raises ValueError, with a sentence, for other text and
    for times that are not plausible.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        stored = format_time(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        raise ValueError("must be a date or time such as 2010-12-01 08:26:00") from None
    if not is_plausible(stored):
        raise ValueError(PLAUSIBLE_RULE)
    return stored
