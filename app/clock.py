"""The time, and how it is written: RFC 3339 in UTC with milliseconds and Z, so that text order is time order."""

from datetime import UTC, datetime, timedelta

__all__ = ["UTC", "ago", "now", "parsed", "written"]


def now() -> str:
    """The present moment."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    """`moment` (with a zone) as text."""
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    )


def parsed(text: str) -> datetime:
    """The moment that a text of ours stands for. Raises ValueError for other text."""
    return datetime.fromisoformat(text)


def ago(seconds: float) -> str:
    """The moment `seconds` before now."""
    return written(datetime.now(UTC) - timedelta(seconds=seconds))
