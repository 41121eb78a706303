"""The time, and how it is written: RFC 3339 in UTC with milliseconds and Z.

So the order of texts is the order of times.
"""

from datetime import UTC, datetime, timedelta, tzinfo

__all__ = ["UTC", "ago", "now", "parsed", "read", "written"]

EARLIEST_YEAR = 1900


def now() -> str:
    """The present moment."""
    return _text(datetime.now(UTC))


def written(moment: datetime) -> str:
    """`moment` (with a zone) as text."""
    return _text(moment.astimezone(UTC))


def parsed(text: str) -> datetime:
    """The moment that a text of ours stands for. Raises ValueError for other text."""
    return datetime.fromisoformat(text)


def ago(seconds: float) -> str:
    """The moment `seconds` before now."""
    return _text(datetime.now(UTC) - timedelta(seconds=seconds))


def read(text: str, zone: tzinfo) -> str:
    """What a person or another system wrote (ISO 8601, a date or a time) as text of ours.

    A time without a zone is taken in `zone`. Raises ValueError with a sentence.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.year < EARLIEST_YEAR:
            raise ValueError
        return written(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        raise ValueError("must be a date or time such as 2010-12-01 08:26:00") from None


def _text(in_utc: datetime) -> str:
    return in_utc.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
