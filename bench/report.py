"""Turns the measured rounds into the table and the page that people read."""

import statistics
from collections.abc import Mapping, Sequence

from bench.load import Measurement

Rounds = Mapping[str, Sequence[Measurement]]
"""Service name to its measurements, in the order of the rounds."""

PEERS = {"sqlalchemy": "÷ peer", "sqlalchemy-queued": "÷ queued peer"}
"""The services that ratios are taken to, and what their column is called."""

WHAT_IT_MEANS = """\
Every acknowledged order of Daybook and of the two SQLAlchemy peers was on disk, with its event,
before its 201; the echo keeps nothing and only shows the ceiling of Flask under this server.

**The work is not the same, and the difference is to Daybook's disadvantage.** Daybook's
dispatcher runs the handlers (stock, invoices, mail, shipping) in the background on the same cores
while the orders come in. The peers only write their outbox row: nobody reads it. On the other
side the rate is of orders *acknowledged*: it does not say that the handlers kept up with it.

A ratio is taken round by round, from runs that followed each other within seconds; given are the
median of those ratios and, in brackets, the lowest and the highest. p50 and p99 are the medians
of the rounds' own percentiles, and the maximum is the slowest answer of all rounds.
bench/README.md says how the peers are built and how to read this.
"""


def table(rounds: Rounds) -> str:
    """Return a Markdown table, one row a service; a peer that did not run has no column."""
    peers = [peer for peer in PEERS if peer in rounds]
    titles = ["service", "orders/s", "min", "max", "p50 ms", "p99 ms", "max ms"]
    titles += [PEERS[peer] for peer in peers]
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)]]
    for service, runs in rounds.items():
        lines.append([service, *_figures(runs), *(_ratio(runs, rounds[peer]) for peer in peers)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def page(rounds: Rounds, facts: Mapping[str, str]) -> str:
    """Return bench/results.md: the facts, the table, and what it means."""
    listed = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    return (
        "# Orders acknowledged per second\n\n"
        "Written by `python -m bench.run`; do not edit.\n\n"
        f"{listed}\n- {driver_cost(rounds)}\n\n{table(rounds)}\n\n{WHAT_IT_MEANS}"
    )


def driver_cost(rounds: Rounds) -> str:
    """Return one sentence on how much of the machine the load driver took for itself."""
    shares = [run.driver_cpu_s / run.seconds for runs in rounds.values() for run in runs]
    return f"Load driver: at most {max(shares):.0%} of one core"


def _figures(runs: Sequence[Measurement]) -> list[str]:
    rates = [run.per_second for run in runs]
    return [
        f"**{statistics.median(rates):,.0f}**",
        f"{min(rates):,.0f}",
        f"{max(rates):,.0f}",
        f"{statistics.median(run.p50_ms for run in runs):.1f}",
        f"{statistics.median(run.p99_ms for run in runs):.1f}",
        f"{max(run.max_ms for run in runs):.0f}",
    ]


def _ratio(runs: Sequence[Measurement], peer_runs: Sequence[Measurement]) -> str:
    if runs is peer_runs:
        return "1"
    pairs = zip(runs, peer_runs, strict=True)
    ratios = [run.per_second / peer.per_second for run, peer in pairs]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
