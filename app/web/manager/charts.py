"""Charts as inline SVG; their colours come from the pages' style sheet."""

from collections.abc import Sequence
from typing import TypeVar

import leather
from markupsafe import Markup, escape

Label = TypeVar("Label")

_WIDTH, _HEIGHT = 360, 220
_MAX_LABELS = 5
"""The number of labels under a chart; more would overlap."""


def bars(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a vertical bar for each label. The labels must differ."""
    chart = leather.Chart()
    chart.add_columns(list(zip(labels, values, strict=True)))
    chart.add_x_axis(ticks=_spread(labels))
    return _render_with_y_axis(chart, title, values)


def rows(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a horizontal bar for each label, the first on top. The labels must differ."""
    chart = leather.Chart()
    chart.add_bars(list(zip(values, labels, strict=True)))
    chart.add_x_scale(0, max(*values, 1))
    chart.add_x_axis(tick_formatter=_format_number)
    return _render(chart, title)


def line(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """Draw a line through two or more successive values. Labels may repeat."""
    chart = leather.Chart()
    chart.add_line(list(enumerate(values)))
    chart.add_x_scale(0, len(values) - 1)
    chart.add_x_axis(
        ticks=_spread(range(len(values))), tick_formatter=lambda place, *_: labels[place]
    )
    return _render_with_y_axis(chart, title, values)


def _render_with_y_axis(chart: leather.Chart, title: str, values: Sequence[float]) -> Markup:
    chart.add_y_scale(0, max(*values, 1))
    chart.add_y_axis(tick_formatter=_format_number)
    return _render(chart, title)


def _render(chart: leather.Chart, title: str) -> Markup:
    """Render the chart in the width of its container; `title` is its text for screen readers."""
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    frame = (
        f'class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    )
    svg = chart.to_svg(width=_WIDTH, height=_HEIGHT).replace(size, frame, 1)
    return Markup(svg)  # noqa: S704  (leather escapes what it is given)  # nosec B704


def _spread(labels: Sequence[Label]) -> list[Label]:
    """Return at most _MAX_LABELS of the labels, evenly spaced, with the last one."""
    every = max(-(-len(labels) // _MAX_LABELS), 1)
    return list(labels[::-1][::every])[::-1]


def _format_number(value: float, _number: int, _count: int) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
