"""The days of a shop: where each begins and ends in the shop's time zone (DAYBOOK_TIMEZONE).

Filters, pages and statistics find the bounds of a day here only. A day may have 23 or 25 hours,
begin later than at midnight, or be left out, as the zone's clocks say.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from app.kernel import clock

_MILLISECOND = timedelta(milliseconds=1)


def bounds(day: date, zone: tzinfo) -> tuple[str, str]:
    """The first and the last millisecond of a day, as stored times.

    Each moment belongs to one day: the last millisecond is that before the next day begins. A day
    that the zone left out has none, its first millisecond is after its last.
    """
    if day == date.max:
        end = datetime.max.replace(tzinfo=UTC)
    else:
        end = _begin(day + timedelta(days=1), zone) - _MILLISECOND
    return clock.format_time(_begin(day, zone)), clock.format_time(end)


def local_time(text: str, zone: tzinfo) -> datetime:
    """A stored time in the zone; in UTC at the ends of the calendar, where the zone has no date."""
    moment = clock.parse_time(text)
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def label(day: date, zone: tzinfo) -> str:
    """A day as lists and charts show it: 21 Nov, with the year unless it is this one."""
    text = f"{day.day} {day:%b}"
    return text if day.year == datetime.now(zone).year else f"{text} {day.year}"


def _begin(day: date, zone: tzinfo) -> datetime:
    """The moment from which on the clocks of the zone never again show an earlier day, in UTC."""
    midnight = datetime.combine(day, time())
    if day.year in (date.min.year, date.max.year):
        return midnight.replace(tzinfo=UTC)
    # two moments when clocks go back over midnight; when they skip it, one is before the change
    low, high = sorted(midnight.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _is_earlier(high - _MILLISECOND, day, zone):
        return high
    while low < high:
        middle = low + (high - low) // (2 * _MILLISECOND) * _MILLISECOND
        if _is_earlier(middle, day, zone):
            low = middle + _MILLISECOND
        else:
            high = middle
    return low


def _is_earlier(moment: datetime, day: date, zone: tzinfo) -> bool:
    return moment.astimezone(zone).date() < day
