"""Measures what more stored orders cost: `python -m bench.scale [--few 100] [--many 100000]`.

Two services run at once, one with few orders stored and one with many. The load goes to one and
then to the other, round by round, so each ratio is from runs that followed each other. The table
goes to stdout and to bench/scale.md.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.flow import settle
from bench.generate import generate
from bench.machine import facts, private_mib
from bench.run import load
from bench.servers import ROOT, Place, running, work_folder
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "scale.md"
QUIET_S = 0.6
"""So long after the last order a checkpoint has begun."""
STALL_CLIENTS = 4

Asked = Callable[[int, random.Random], str]
"""A path to GET, given how many orders are stored."""

READS: dict[str, Asked] = {
    "GET /order/{number}": lambda stored, chance: f"/order/{1000 + chance.randint(1, stored)}",
    "list, newest 50": lambda stored, chance: "/order?limit=50",
    "list, oldest 50 confirmed": lambda stored, chance: (
        "/order?status=confirmed&sort=date&limit=50"
    ),
    "list, 5 of a product": lambda stored, chance: (
        f"/order?product=sku-{chance.randint(1, 100):03}&status=confirmed&limit=1"
    ),
    "list, one customer": lambda stored, chance: (
        f"/order?customer=customer+{chance.randrange(stored // 10)}&limit=5"
    ),
}


def main() -> int:
    """Measure, print, and write the page."""
    given = _arguments()
    with ExitStack() as stack:
        work = stack.enter_context(work_folder(None))
        places = {
            stored: stack.enter_context(
                running("daybook", given.workers, work, partial(_fill, stored=stored))
            )
            for stored in (given.few, given.many)
        }
        started = _start_figures(places, given)
        rows = {name: _ratios(places, _paths(work, asked), given) for name, asked in READS.items()}
        rows["POST /order"] = _ratios(places, _orders(work), given)
        rows["PATCH /order/{number}"] = _ratios(places, _patches(work), given)
        later = [_stall(places[given.many], work, given), _backup(places[given.many], work)]
    page = _page(given, rows, [*started, *later])
    print(page)
    RESULTS.write_text(page, "utf-8")
    return 0


def _fill(place: Place, *, stored: int) -> None:
    began = time.monotonic()
    generate(place.data, stored)
    print(f"{stored} orders written in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _paths(work: Path, asked: Asked) -> Callable[[int], list[str]]:
    """The driver's options for reading, by how many orders are stored."""

    def options(stored: int) -> list[str]:
        chance, file = random.Random(stored), work / "paths"
        file.write_text("\n".join(asked(stored, chance) for _ in range(2000)), "utf-8")
        return ["--paths", str(file)]

    return options


def _orders(work: Path) -> Callable[[int], list[str]]:
    write_orders(work / "orders")
    return lambda stored: ["--bodies", str(work / "orders")]


def _patches(work: Path) -> Callable[[int], list[str]]:
    """Each changes the customer's name of some order."""

    def options(stored: int) -> list[str]:
        chance, file = random.Random(stored), work / "patches"
        patches = [
            {
                "method": "PATCH",
                "path": f"/order/{1000 + chance.randint(1, stored)}",
                "body": {"customer_name": f"Customer {n}"},
            }
            for n in range(2000)
        ]
        file.write_text("\n".join(map(json.dumps, patches)), "utf-8")
        return ["--requests", str(file), "--expect", "200"]

    return options


def _start_figures(places: dict[int, Place], given: argparse.Namespace) -> list[str]:
    few, many = (places[stored] for stored in (given.few, given.many))
    more_bytes = (private_mib(many.pid) - private_mib(few.pid)) * 2**20
    return [
        f"From `flask serve` to the first answer: {many.ready_after_s:.1f} s "
        f"(with {given.few:,} orders {few.ready_after_s:.1f} s)",
        f"Private memory of a process: {private_mib(many.pid):.0f} MiB, "
        f"{more_bytes / (given.many - given.few) / 1000:.2f} KB for each order",
    ]


def _stall(place: Place, work: Path, given: argparse.Namespace) -> str:
    """The slowest POST of a load that begins with a checkpoint and outlasts it."""
    orders = _orders(work)(0)
    file = place.data / "orders.json"
    slowest_ms, took_s = 0.0, 0.0
    load(place, orders, 1, 0.01)  # something to write; the checkpoint comes when it is quiet
    before, began = file.stat().st_ino, time.monotonic()
    time.sleep(QUIET_S)
    while not took_s:
        slowest_ms = max(slowest_ms, load(place, orders, STALL_CLIENTS, given.seconds).max_ms)
        if file.stat().st_ino != before:
            took_s = time.monotonic() - began
    settle(place)
    return (
        f"Slowest POST of {STALL_CLIENTS} clients while a checkpoint runs (which took "
        f"{took_s:.0f} s at most): {slowest_ms:.0f} ms"
    )


def _backup(place: Place, work: Path) -> str:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "flask", "backup", str(work / "backup")],
        cwd=ROOT,
        env=dict(place.environment),
        check=True,
        capture_output=True,
    )
    return f"`flask backup` beside the service: {time.monotonic() - began:.0f} s"


def _ratios(
    places: dict[int, Place], options: Callable[[int], list[str]], given: argparse.Namespace
) -> list[tuple[float, float]]:
    """For each round: the rate with many stored, and its ratio to the rate with few.

    Who goes first changes from round to round; the first round warms up and does not count.
    """
    measured = []
    for n in range(given.rounds + 1):
        rates = {}
        for stored in sorted(places, reverse=bool(n % 2)):
            run = load(places[stored], options(stored), given.clients, given.seconds)
            rates[stored] = run.per_second
            settle(places[stored])
        measured.append((rates[given.many], rates[given.many] / rates[given.few]))
    return measured[1:]


def _page(
    given: argparse.Namespace, rows: dict[str, list[tuple[float, float]]], told: list[str]
) -> str:
    listed = "\n".join(f"- {name}: {fact}" for name, fact in facts(None).items())
    lines = [f"| {name} | {_told(measured)} |" for name, measured in rows.items()]
    return "\n".join(
        [
            f"# {given.many:,} orders stored against {given.few:,}",
            "",
            "Written by `python -m bench.scale`; do not edit. A ratio of 1 means: no slower.",
            "",
            listed,
            *(f"- {line}" for line in told),
            f"- {given.rounds} rounds of {given.seconds:g} s, {given.clients} clients, "
            f"{given.workers} workers; medians, in brackets the lowest and highest",
            "",
            f"| request | per second, {given.many:,} stored | ratio |",
            "| --- | ---: | ---: |",
            *lines,
            "",
        ]
    )


def _told(measured: list[tuple[float, float]]) -> str:
    ratios = [ratio for _, ratio in measured]
    median_rate = statistics.median(rate for rate, _ in measured)
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    return f"{median_rate:,.0f} | **{statistics.median(ratios):.2f}** {spread}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=16)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
