"""Charts as inline SVG; their colours come from the pages' style sheet."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

import leather
from markupsafe import Markup, escape

Place = TypeVar("Place")

_WIDTH, _HEIGHT = 360, 220
_LABELS_MAX_CHARS = 35
"""The length of all labels under a chart together; more would overlap."""


def bars(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a vertical bar for each label. The labels must differ."""
    chart = leather.Chart()
    chart.add_columns(list(zip(labels, values, strict=True)))
    chart.add_x_axis(ticks=_spread(labels, labels))
    return _render_with_y_axis(chart, title, values)


def rows(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a horizontal bar for each label, the first on top. The labels must differ."""
    chart = leather.Chart()
    chart.add_bars(list(zip(values, labels, strict=True)))
    top = max(*values, 1)
    chart.add_x_scale(0, top)
    chart.add_x_axis(ticks=_whole_ticks(top), tick_formatter=_format_number)
    return _render(chart, title)


def line(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a line through two or more successive values. Labels may repeat."""
    chart = leather.Chart()
    chart.add_line(list(enumerate(values)))
    chart.add_x_scale(0, len(values) - 1)
    chart.add_x_axis(
        ticks=_spread(range(len(values)), labels), tick_formatter=lambda place, *_: labels[place]
    )
    return _render_with_y_axis(chart, title, values)


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
