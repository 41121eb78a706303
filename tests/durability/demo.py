"""`make crash-demo`: the kill sweep for people to watch."""

import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

import click

from tests.durability.conftest import MEMORY
from tests.durability.sweep import Kill, count_calls, sweep

KILLS = 100


def main() -> None:
    """Kill a shop's process about a hundred times, and print what was found each time."""
    began = monotonic()
    click.echo("A shop runs through its day: orders, changes, deliveries, a replay, checkpoints.")
    click.echo("Its process is killed at file call after file call, and started again.\n")
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        calls = count_calls(Path(folder) / "count")
        step = max(1, calls // KILLS)
        kills: list[Kill] = []
        for kill in sweep(Path(folder), 1, step):
            kills.append(kill)
            click.echo(_line(kill, len(kills), calls // step))
    _sum_up(kills, monotonic() - began)


def _line(kill: Kill, place: int, of: int) -> str:
    if kill.survived:
        return "The day was over before the next kill."
    lost = "; ".join(kill.result.problems) or "nothing lost"
    return (
        f"kill {place} of {max(place, of)}: {kill.doing} on the way ({kill.step}) "
        f"… recovered, {kill.result.orders} orders, {kill.result.events} events, {lost}"
    )


def _sum_up(kills: list[Kill], took_s: float) -> None:
    calls = Counter(kill.step.split(" ")[0] for kill in kills if not kill.survived)
    bad = sum(1 for kill in kills if kill.result.problems)
    where = ", ".join(f"{count} at {call}" for call, count in calls.most_common())
    click.echo(f"\n{calls.total()} kills in {took_s:.0f} s: {where}.")
    click.echo(f"{bad} of them lost something." if bad else "Nothing acknowledged was lost.")
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
