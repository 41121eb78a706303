"""Draws a series as a bar chart in SVG: a bar for the median, a line from minimum to maximum.

The scale is logarithmic, because the rates differ by a factor of up to a thousand; each bar has its
median as text.
"""

import statistics
from html import escape
from math import log10

from bench.report import OURS, Series

WIDTH, ROW, LEFT, RIGHT, TOP = 760, 30, 200, 90, 44
COLOURS = {True: "#1f6f54", False: "#9aa5b1"}

STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2430}.title{font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e9ee}}"
)


def plot(series: Series) -> str:
    """Return the chart as an SVG document."""
    rates = {service: [run.per_second for run in runs] for service, runs in series.rounds.items()}
    top = max(max(each) for each in rates.values())
    height = TOP + ROW * len(rates) + 10
    rows = [
        _row(service, each, TOP + ROW * n, log10(1 + top))
        for n, (service, each) in enumerate(sorted(rates.items(), key=_median, reverse=True))
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(series.title)}"><style>{STYLE}</style>'
        f'<text class="title" x="8" y="24">{escape(series.title)} '
        f"(medians, logarithmic scale)</text>\n{''.join(rows)}</svg>\n"
    )


def _median(item: tuple[str, list[float]]) -> float:
    return statistics.median(item[1])


def _row(service: str, rates: list[float], y: int, top: float) -> str:
    def x(rate: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(1 + rate) / top

    median, middle = statistics.median(rates), y + ROW / 2
    return (
        f'<text x="{LEFT - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(service)}</text>'
        f'<rect x="{LEFT}" y="{y + 5}" width="{x(median) - LEFT:.1f}" height="{ROW - 10}" '
        f'rx="2" fill="{COLOURS[service == OURS]}"/>'
        f'<path d="M{x(min(rates)):.1f} {middle:.0f}H{x(max(rates)):.1f}" stroke="#1c2430"/>'
        f'<text x="{x(max(rates)) + 8:.1f}" y="{middle + 4:.0f}">{median:,.0f}</text>\n'
    )
