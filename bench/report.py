"""Formats the measured rounds as tables and as the page bench/results.md."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from bench.load import Measurement

OURS = "daybook"

EXPLANATION = """\
Every acknowledged order of Daybook, of the SQLAlchemy peers and of sqlite3 was on disk, with its
event, before its 201. TinyDB and json-server sync nothing; json-server checks nothing either. The
echo keeps nothing and only shows the ceiling of Flask under this server.

**The work is not the same, and the difference is to Daybook's disadvantage.** Daybook's dispatcher
runs the handlers (stock, invoices, mail, shipping) in the background on the same cores while the
orders come in. The peers only write their outbox row, if they have one; no dispatcher reads it.
The rate counts orders *acknowledged*: bench/flow.md has the rate through all handlers.

A ratio compares two runs of one round, seconds apart; the table has the median of these ratios and,
in brackets, the lowest and the highest. p50 and p99 are the medians of the rounds' own percentiles,
and the maximum is the slowest response of all rounds.
bench/README.md says how the peers are built and how to read this.
"""


class Series:
    """One comparison: the request, the services, and their measurements, one for each round."""

    def __init__(self, title: str, method: str, workers: int, services: Iterable[str]) -> None:
        self.title = title
        self.method = method
        self.workers = workers
        self.rounds: dict[str, list[Measurement]] = {service: [] for service in services}


def table(series: Series) -> str:
    """Return a Markdown table, one row a service; ratios only where Daybook ran, too."""
    ours = series.rounds.get(OURS)
    titles = ["service", "per second", "min", "max", "p50 ms", "p99 ms", "max ms"]
    titles += ["Daybook ÷ it"] if ours else []
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)]]
    for service, runs in series.rounds.items():
        lines.append([service, *_cells(runs), *([_ratio(ours, runs)] if ours else [])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def page(measured: Sequence[Series], facts: Mapping[str, str]) -> str:
    """Return bench/results.md: the facts, the tables, and what they mean."""
    fact_lines = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    tables = "\n\n".join(f"## {series.title}\n\n{table(series)}" for series in measured)
    return (
        "# Daybook next to its peers\n\n"
        "Written by `make bench`; do not edit.\n\n"
        f"{fact_lines}\n- {driver_cost(measured)}\n\n"
        f"![Orders acknowledged per second](results.svg)\n\n{tables}\n\n{EXPLANATION}"
    )


def driver_cost(measured: Sequence[Series]) -> str:
    """Return one sentence on the processor time that the load driver took."""
    runs = [run for series in measured for runs in series.rounds.values() for run in runs]
    shares = [run.driver_cpu_s / run.seconds for run in runs]
    return f"Load driver: at most {max(shares):.0%} of one core"


def _cells(runs: Sequence[Measurement]) -> list[str]:
    rates = [run.per_second for run in runs]
    return [
        f"**{statistics.median(rates):,.0f}**",
        f"{min(rates):,.0f}",
        f"{max(rates):,.0f}",
        f"{statistics.median(run.p50_ms for run in runs):.1f}",
        f"{statistics.median(run.p99_ms for run in runs):.1f}",
        f"{max(run.max_ms for run in runs):.0f}",
    ]


def _ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> str:
    if ours is theirs:
        return "1"
    ratios = [our.per_second / their.per_second for our, their in zip(ours, theirs, strict=True)]
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
