"""The days of a shop, in every time zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from app.kernel import clock, shop_day

FIRST, LAST = datetime(2005, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
WEEK, QUARTER, MS = timedelta(days=7), timedelta(minutes=15), timedelta(milliseconds=1)
DAY = timedelta(days=1)


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """The weeks of thirty years in which the zone's clocks change."""
    moment, offset = FIRST, FIRST.astimezone(zone).utcoffset()
    while moment < LAST:
        after = (moment + WEEK).astimezone(zone).utcoffset()
        if after != offset:
            yield moment
        moment, offset = moment + WEEK, after


def distinct_changes() -> Iterator[tuple[ZoneInfo, datetime]]:
    """Each zone with its changes, without those that another zone makes alike."""
    seen = set()
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for week in changes(zone):
            offsets = (
                week.astimezone(zone).utcoffset(),
                (week + WEEK).astimezone(zone).utcoffset(),
            )
            if (week, offsets) not in seen:
                seen.add((week, offsets))
                yield zone, week


def begin(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day begins."""
    return clock.parse_time(shop_day.bounds(day, zone)[0])


def test_a_day_begins_after_the_last_moment_of_the_day_before_in_every_zone() -> None:
    """Over thirty years, before each beginning the clocks show an earlier day, and never after."""
    checked = 0
    for zone, week in distinct_changes():
        for days in range(-1, 9):
            day = (week + days * DAY).astimezone(zone).date()
            first = begin(day, zone)
            assert (first - MS).astimezone(zone).date() < day
            for moment in (first, first + QUARTER, first + 2 * QUARTER, first + 4 * QUARTER):
                assert moment.astimezone(zone).date() >= day, (zone, day)
            checked += 1
    assert checked > 1000


def test_days_leave_no_moment_out() -> None:
    """The last millisecond of a day is the one before the next day's first."""
    for name in ("America/Santiago", "America/Havana", "America/St_Johns", "Pacific/Apia", "UTC"):
        zone = ZoneInfo(name)
        for days in range(366 * 3):
            day = date(2010, 6, 1) + days * DAY
            end = clock.parse_time(shop_day.bounds(day, zone)[1])
            assert end + MS == begin(day + DAY, zone)


@pytest.mark.parametrize(
    ("name", "day", "low", "high"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00", "2026-03-29T21:59"),
        ("America/Santiago", date(2026, 4, 4), "2026-04-04T03:00", "2026-04-05T03:59"),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T04:00", "2026-09-07T02:59"),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00", "2026-11-02T04:59"),
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30", "1919-04-01T03:59"),
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T03:30", "2010-11-08T03:29"),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00", "2011-12-30T09:59"),
        ("Pacific/Kiritimati", date.max, "9999-12-31T00:00", "9999-12-31T23:59"),
        ("Pacific/Kiritimati", date.min, "0001-01-01T00:00", "0001-01-01T23:59"),
        ("America/Los_Angeles", date.max, "9999-12-31T00:00", "9999-12-31T23:59"),
    ],
)
def test_days_with_odd_bounds(name: str, day: date, low: str, high: str) -> None:
    """Days of 23 and 25 hours, without midnight, with two, left out, and at the calendar's ends."""
    first, last = shop_day.bounds(day, ZoneInfo(name))
    assert (first[:16], last[:16]) == (low, high)


def test_a_time_beyond_the_calendar_is_shown_in_utc() -> None:
    """A stored time of the last day of year 9999 can be shown east of UTC."""
    text = "9999-12-31T23:59:59.000Z"
    assert shop_day.local_time(text, ZoneInfo("Europe/Berlin")) == clock.parse_time(text)
