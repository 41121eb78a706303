"""Charts as SVG, drawn here and put into the page; their colours come from its style sheet."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import leather
from markupsafe import Markup, escape

Label = TypeVar("Label")

_WIDTH, _HEIGHT = 360, 220
_MOST_LABELS = 5
"""So many labels stand under a chart; more would run into each other."""


def bars(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """One bar for each label, side by side. The labels have to differ."""
    chart = leather.Chart()
    chart.add_columns(list(zip(labels, values, strict=True)))
    chart.add_x_axis(ticks=_spread(labels))
    return _with_values(chart, title, values)


def rows(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """One bar for each label, one above the other, the first on top. The labels have to differ."""
    chart = leather.Chart()
    chart.add_bars(list(zip(values, labels, strict=True)))
    chart.add_x_scale(0, _top(values))
    chart.add_x_axis(tick_formatter=_written)
    return _drawn(chart, title)


def line(title: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """A line through two or more values that follow each other. Labels may repeat."""
    chart = leather.Chart()
    chart.add_line(list(enumerate(values)))
    chart.add_x_scale(0, len(values) - 1)
    chart.add_x_axis(ticks=_spread(range(len(values))), tick_formatter=_label_of(labels))
    return _with_values(chart, title, values)


def _with_values(chart: leather.Chart, title: str, values: Sequence[float]) -> Markup:
    """The drawing, with an axis from zero up on its left."""
    chart.add_y_scale(0, _top(values))
    chart.add_y_axis(tick_formatter=_written)
    return _drawn(chart, title)


def _drawn(chart: leather.Chart, title: str) -> Markup:
    """The drawing, as wide as its place in the page; `title` is for those who don't see it."""
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    frame = (
        f'class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    )
    drawn = chart.to_svg(width=_WIDTH, height=_HEIGHT).replace(size, frame, 1)
    return Markup(drawn)  # noqa: S704  (leather escapes what it is given)  # nosec B704


def _top(values: Sequence[float]) -> float:
    return max(*values, 1)


def _spread(labels: Sequence[Label]) -> list[Label]:
    """A few of the labels, at even distances; the last one stays."""
    every = max(-(-len(labels) // _MOST_LABELS), 1)
    return list(labels[::-1][::every])[::-1]


def _label_of(labels: Sequence[str]) -> Callable[[int, int, int], str]:
    return lambda place, _number, _count: labels[place]


def _written(value: float, _number: int, _count: int) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
