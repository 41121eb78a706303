"""Compares many stored orders with few: `python -m bench.scale [--few 100] [--many 100000]`.

Two services run at once, one with few stored orders and one with many. The load alternates between
them in each round, so each ratio comes from consecutive runs. The table goes to stdout and to
bench/scale.md.
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

from bench.clients import wait_until_delivered
from bench.generate import generate
from bench.machine import facts, private_mib
from bench.run import load
from bench.servers import ROOT, Instance, running, work_folder
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "scale.md"
CHECKPOINT_DELAY_S = 0.6
"""A checkpoint has started by then, counted from the last order."""
STALL_CLIENTS = 4

PathFactory = Callable[[int, random.Random], str]
"""Returns a path to GET for a number of stored orders."""

READS: dict[str, PathFactory] = {
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
    args = _arguments()
    with ExitStack() as stack:
        work = stack.enter_context(work_folder(None))
        instances = {
            stored: stack.enter_context(
                running("daybook", args.workers, work, partial(_fill, stored=stored))
            )
            for stored in (args.few, args.many)
        }
        start_lines = _start_lines(instances, args)
        rows = {
            name: _ratios(instances, _paths(work, make_path), args)
            for name, make_path in READS.items()
        }
        rows["POST /order"] = _ratios(instances, _orders(work), args)
        rows["PATCH /order/{number}"] = _ratios(instances, _patches(work), args)
        later_lines = [
            _stall(instances[args.many], work, args),
            _backup(instances[args.many], work),
        ]
    page = _page(args, rows, [*start_lines, *later_lines])
    print(page)
    RESULTS.write_text(page, "utf-8")
    return 0


def _fill(instance: Instance, *, stored: int) -> None:
    began = time.monotonic()
    generate(instance.data, stored)
    print(f"{stored} orders written in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _paths(work: Path, make_path: PathFactory) -> Callable[[int], list[str]]:
    """Return a function from a number of stored orders to the driver's options for reading."""

    def options(stored: int) -> list[str]:
        chance, file = random.Random(stored), work / "paths"
        file.write_text("\n".join(make_path(stored, chance) for _ in range(2000)), "utf-8")
        return ["--paths", str(file)]

    return options


def _orders(work: Path) -> Callable[[int], list[str]]:
    write_orders(work / "orders")
    return lambda stored: ["--bodies", str(work / "orders")]


def _patches(work: Path) -> Callable[[int], list[str]]:
    """Return the same for PATCH requests that change the customer's name of a random order."""

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


def _start_lines(instances: dict[int, Instance], args: argparse.Namespace) -> list[str]:
    few, many = (instances[stored] for stored in (args.few, args.many))
    more_bytes = (private_mib(many.pid) - private_mib(few.pid)) * 2**20
    return [
        f"From `flask serve` to the first answer: {many.ready_after_s:.1f} s "
        f"(with {args.few:,} orders {few.ready_after_s:.1f} s)",
        f"Private memory of a process: {private_mib(many.pid):.0f} MiB, "
        f"{more_bytes / (args.many - args.few) / 1000:.2f} KB for each order",
    ]


def _stall(instance: Instance, work: Path, args: argparse.Namespace) -> str:
    """Return the slowest POST of a load that starts with a checkpoint and outlasts it."""
    orders = _orders(work)(0)
    file = instance.data / "orders.json"
    slowest_ms, took_s = 0.0, 0.0
    load(
        instance, orders, 1, 0.01
    )  # something to write; a checkpoint follows when the service is idle
    before, began = file.stat().st_ino, time.monotonic()
    time.sleep(CHECKPOINT_DELAY_S)
    while not took_s:
        slowest_ms = max(slowest_ms, load(instance, orders, STALL_CLIENTS, args.seconds).max_ms)
        if file.stat().st_ino != before:
            took_s = time.monotonic() - began
    wait_until_delivered(instance)
    return (
        f"Slowest POST of {STALL_CLIENTS} clients while a checkpoint runs (which took "
        f"{took_s:.0f} s at most): {slowest_ms:.0f} ms"
    )


def _backup(instance: Instance, work: Path) -> str:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "flask", "backup", str(work / "backup")],
        cwd=ROOT,
        env=dict(instance.environment),
        check=True,
        capture_output=True,
    )
    return f"`flask backup` beside the service: {time.monotonic() - began:.0f} s"


def _ratios(
    instances: dict[int, Instance], options: Callable[[int], list[str]], args: argparse.Namespace
) -> list[tuple[float, float]]:
    """Return for each round the rate with many stored orders, and its ratio to the rate with few.

    The order of the two alternates; the first round is a warm-up and is left out.
    """
    measured = []
    for n in range(args.rounds + 1):
        rates = {}
        for stored in sorted(instances, reverse=bool(n % 2)):
            run = load(instances[stored], options(stored), args.clients, args.seconds)
            rates[stored] = run.per_second
            wait_until_delivered(instances[stored])
        measured.append((rates[args.many], rates[args.many] / rates[args.few]))
    return measured[1:]


def _page(
    args: argparse.Namespace, rows: dict[str, list[tuple[float, float]]], lines: list[str]
) -> str:
    fact_lines = "\n".join(f"- {name}: {fact}" for name, fact in facts(None).items())
    rows_text = [f"| {name} | {_format(measured)} |" for name, measured in rows.items()]
    return "\n".join(
        [
            f"# {args.many:,} orders stored against {args.few:,}",
            "",
            "Written by `python -m bench.scale`; do not edit. A ratio of 1 means: no slower.",
            "",
            fact_lines,
            *(f"- {line}" for line in lines),
            f"- {args.rounds} rounds of {args.seconds:g} s, {args.clients} clients, "
            f"{args.workers} workers; medians, in brackets the lowest and highest",
            "",
            f"| request | per second, {args.many:,} stored | ratio |",
            "| --- | ---: | ---: |",
            *rows_text,
            "",
        ]
    )


def _format(measured: list[tuple[float, float]]) -> str:
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
