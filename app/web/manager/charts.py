"""Charts as inline SVG; their colours come from the pages' style sheet."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

import leather
from markupsafe import Markup, escape

from app.kernel import shop_day

Place = TypeVar("Place")

_WIDTH, _HEIGHT = 360, 220
_LABELS_MAX_CHARS = 35
"""The length of all labels under a chart together; more would overlap."""

_RECT = re.compile(r'<rect x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"[^>]*>')
_VALUE_GAP = 4
"""Between the end of a bar and its value, in units of the chart."""

_MAX_TIME_TICKS = 4
_MIN_SPAN = timedelta(minutes=1)
"""The shortest time that an axis shows."""

_INTERVALS = (
    *(timedelta(minutes=number) for number in (1, 5, 15, 60, 180, 360, 720)),
    *(timedelta(days=number) for number in (1, 2, 7, 14, 28, 91, 182, 364)),
    *(timedelta(days=364 * number) for number in (2, 5, 20, 100, 3000)),
)
"""Between the ticks of an axis of times; the longest suits any two times of the calendar."""


class Bar(NamedTuple):
    """The rectangle of a bar, in units of the chart."""

    x: float
    y: float
    width: float
    height: float


class _TimeScale(leather.Linear):  # type: ignore[misc]  # leather has no types
    """A scale that ends at the last moment; leather's own ends at the next round number."""

    def project(self, value: float, range_min: float, range_max: float) -> Decimal:
        """See leather.Linear."""
        share: Decimal = (Decimal(value) - self._data_min) / (self._data_max - self._data_min)
        return Decimal(range_min) + share * (Decimal(range_max) - Decimal(range_min))


def bars(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a vertical bar for each label. The labels must differ."""
    chart = leather.Chart()
    chart.add_columns(list(zip(labels, values, strict=True)))
    chart.add_x_axis(ticks=_spread(labels, labels))
    return _with_values(_render_with_y_axis(chart, title, values), values, _column_value)


def rows(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a horizontal bar for each label, the first on top. The labels must differ."""
    chart = leather.Chart()
    chart.add_bars(list(zip(values, labels, strict=True)))
    top = max(*values, 1)
    chart.add_x_scale(0, top)
    chart.add_x_axis(ticks=_whole_ticks(top), tick_formatter=_format_number)
    from_below = values[::-1]  # as leather draws them
    return _with_values(_render(chart, title), from_below, _row_value)


def steps(title: str, start: int, changes: Sequence[tuple[datetime, int]], end: datetime) -> Markup:
    """Draw a value that is `start` at first, then changes at given times, up to `end`, to scale.

    The times are local ones, with a zone; the axis begins at the first of them. A change that is
    earlier than the one before it, because a clock was set back, is drawn at that one's time.
    """
    begin = changes[0][0]
    end = max(end, begin + _MIN_SPAN, *(moment for moment, _ in changes))
    points = [(0, start)]
    for moment, value in changes:
        place = max(_seconds(begin, moment), points[-1][0])
        points += [(place, points[-1][1]), (place, value)]
    width = _seconds(begin, end)
    points.append((width, points[-1][1]))
    ticks = time_ticks(begin, end)
    chart = leather.Chart()
    chart.add_line(points)
    chart.set_x_scale(_TimeScale(0, width))
    chart.add_x_axis(
        ticks=[_seconds(begin, tick) for tick in ticks],
        tick_formatter=lambda _place, number, _count: _time_label(ticks[number]),
    )
    return _render_with_y_axis(chart, title, [value for _, value in points])


def time_ticks(begin: datetime, end: datetime) -> list[datetime]:
    """Return a few round local times from `begin` to `end`: the smallest interval with room."""
    interval = next(each for each in _INTERVALS if end - begin <= _MAX_TIME_TICKS * each)
    midnight = datetime.combine(begin.date(), time())
    count = (end.replace(tzinfo=None) - midnight) // interval
    times = [midnight + number * interval for number in range(count + 1)]
    ticks = [each.replace(tzinfo=begin.tzinfo) for each in times]
    return [each for each in ticks if begin <= each <= end]


def _seconds(begin: datetime, moment: datetime) -> int:
    """Return the time that passed between two moments, also while a zone's clocks were changed."""
    return round(moment.timestamp() - begin.timestamp())


def _time_label(moment: datetime) -> str:
    if moment.time() == time():
        return shop_day.label(moment.date(), moment.tzinfo or UTC)
    return f"{moment:%H:%M}"


def _render_with_y_axis(chart: leather.Chart, title: str, values: Sequence[float]) -> Markup:
    top = max(*values, 1)
    chart.add_y_scale(0, top)
    chart.add_y_axis(ticks=_whole_ticks(top), tick_formatter=_format_number)
    return _render(chart, title)


def _render(chart: leather.Chart, title: str) -> Markup:
    """Render the chart in the width of its container; `title` is its text for screen readers."""
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    frame = (
        f'class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    )
    svg = chart.to_svg(width=_WIDTH, height=_HEIGHT).replace(size, frame, 1)
    return Markup(svg)  # noqa: S704  (leather escapes what it is given)  # nosec B704


def _with_values(svg: Markup, values: Sequence[float], write: Callable[[Bar, bool], str]) -> Markup:
    """Add the value of each bar, in the order of the drawing, unless it is 0.

    It is inside a bar that is longer than half the longest.
    """
    axes, series = svg.split('<g class="series', 1)
    top = max(*values, 1)
    remaining = iter(values)

    def add(rect: re.Match[str]) -> str:
        value = next(remaining)
        if not value:
            return rect[0]
        is_inside = value > top / 2
        place = write(Bar(*map(float, rect.groups())), is_inside)
        kind = "value inside" if is_inside else "value"
        return f'{rect[0]}<text class="{kind}" dy="0.35em" {place}>{value:,.0f}</text>'

    drawn = f'{axes}<g class="series{_RECT.sub(add, series)}'
    return Markup(drawn)  # noqa: S704  (of the drawing and numbers)  # nosec B704


def _column_value(bar: Bar, is_inside: bool) -> str:
    """Return the attributes of a value along a column, which is narrower than most values."""
    x, y = bar.x + bar.width / 2, bar.y + (_VALUE_GAP if is_inside else -_VALUE_GAP)
    anchor = "end" if is_inside else "start"
    return f'x="{x}" y="{y}" text-anchor="{anchor}" transform="rotate(-90 {x} {y})"'


def _row_value(bar: Bar, is_inside: bool) -> str:
    """Return the attributes of a value at the end of a row."""
    x = bar.x + bar.width + (-_VALUE_GAP if is_inside else _VALUE_GAP)
    anchor = "end" if is_inside else "start"
    return f'x="{x}" y="{bar.y + bar.height / 2}" text-anchor="{anchor}"'


def _spread(places: Sequence[Place], labels: Sequence[str]) -> list[Place]:
    """Return some of the places, evenly spaced, with the last one: as many as have room."""
    most = max(_LABELS_MAX_CHARS // max(map(len, labels)), 1)
    every = max(-(-len(places) // most), 1)
    return list(places[::-1][::every])[::-1]


def _whole_ticks(top: float) -> list[Decimal]:
    """Return those ticks of a scale from 0 to `top` that are whole numbers: pieces and orders."""
    return [tick for tick in leather.Linear(0, top).ticks() if tick == int(tick)]


def _format_number(value: float, _number: int, _count: int) -> str:
    return f"{value:,.0f}"
