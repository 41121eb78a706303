"""Compares Daybook with its alternatives: `make bench`.

The services run in turn, each in every round, so that other work of the machine affects all of
them; each run starts the service on an empty folder. The tables go to stdout and, when every
service took part, to bench/results.md, with a plot in bench/results.svg.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.load import Measurement
from bench.machine import NotADisk, facts
from bench.plot import plot
from bench.report import Series, page, table
from bench.servers import (
    ROOT,
    SERVICES,
    THREADS_PER_WORKER,
    Instance,
    ServiceFailed,
    missing_requirement,
    running,
    work_folder,
)
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "results.md"
PLOT = ROOT / "bench" / "results.svg"
WARM_UP_S = 1.0
SEED_RUN_S = 0.01
"""A run of this length places a few orders to read; their handlers are done soon after."""
CEILING_SERVICES = ("daybook", "echo")
"""The services of the comparisons with the most that the server can do."""


class RunFailed(Exception):
    """The load driver found a run invalid; the message is its reason."""


def main() -> int:
    """Run all rounds; 1 and a reason on stderr when any run is invalid."""
    args = _arguments()
    services = [each for each in args.only if not _skipped(each)]
    try:
        machine = facts(args.folder)
        with work_folder(args.folder) as work:
            measured = [_measure(series, args, work) for series in _series(services, args)]
    except (NotADisk, ServiceFailed, RunFailed) as reason:
        print(reason, file=sys.stderr)
        return 1
    for series in (each for each in measured if each.rounds):
        print(f"\n{series.title}\n\n{table(series)}")
    if args.only != list(SERVICES):
        print("\nnot all services ran, so bench/results.md stays as it was", file=sys.stderr)
        return 0
    RESULTS.write_text(page(measured, machine | {"Settings": _settings(args)}), encoding="utf-8")
    PLOT.write_text(plot(measured[0]), encoding="utf-8")
    return 0


def _series(services: list[str], args: argparse.Namespace) -> list[Series]:
    """Return the comparisons: all services, and Daybook against the ceiling."""
    ceiling = [each for each in services if each in CEILING_SERVICES]
    return [
        Series("Orders acknowledged per second", "POST", args.workers, services),
        Series("The same with one worker each", "POST", 1, ceiling),
        Series("GET of one order, per second", "GET", args.workers, ceiling),
    ]


def _measure(series: Series, args: argparse.Namespace, work: Path) -> Series:
    """Return the series with each service's measurements, one a round.

    Every round starts with another service, so that none always follows the same one. Raises
    ServiceFailed or RunFailed at the first run that cannot be trusted.
    """
    services = list(series.rounds)
    for n in range(args.rounds):
        first = n % max(len(services), 1)
        for service in services[first:] + services[:first]:
            measured = _measure_once(service, series, args, work)
            series.rounds[service].append(measured)
            label = f"{series.title.lower()}, round {n + 1} of {args.rounds}: {service}"
            print(f"{label} {measured.per_second:,.0f}", file=sys.stderr)
    return series


def _measure_once(
    service: str, series: Series, args: argparse.Namespace, work: Path
) -> Measurement:
    """Start `service`, warm it up, load it for `args.seconds`, and stop it."""
    bodies, paths = work / "orders.ndjson", work / "paths"
    write_orders(bodies)
    paths.write_text("/order/1001\n", "utf-8")
    orders, gets = ["--bodies", str(bodies)], ["--paths", str(paths)]
    with running(service, series.workers, work) as instance:
        if series.method == "POST":
            load(instance, orders, args.clients, WARM_UP_S)
            return load(instance, orders, args.clients, args.seconds)
        load(instance, orders, 1, SEED_RUN_S)
        load(instance, gets, args.clients, WARM_UP_S)
        return load(instance, gets, args.clients, args.seconds)


def load(instance: Instance, requests: Sequence[str], clients: int, seconds: float) -> Measurement:
    """Run the driver in a process of its own, so that its work counts for no service."""
    settings = [*requests, "--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", f"{instance.url}/order", *settings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunFailed(f"{instance.folder.name}: {done.stderr.strip()}")
    return Measurement(**json.loads(done.stdout))


def _skipped(service: str) -> bool:
    reason = missing_requirement(service)
    if reason:
        print(f"{service} is left out: {reason}", file=sys.stderr)
    return bool(reason)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run, after a warm-up")
    parser.add_argument("--workers", type=int, default=2, help="processes of each service")
    parser.add_argument("--clients", type=int, default=16, help="connections of the driver")
    parser.add_argument(
        "--only",
        type=_services,
        default=list(SERVICES),
        help=f"a comma-separated choice of {', '.join(SERVICES)}",
    )
    parser.add_argument(
        "--folder", type=Path, help="a folder on a disk for the data; default: the system's"
    )
    return parser.parse_args()


def _services(chosen: str) -> list[str]:
    names = chosen.split(",")
    if unknown := set(names) - SERVICES.keys():
        raise argparse.ArgumentTypeError(f"no such service: {', '.join(sorted(unknown))}")
    return names


def _settings(args: argparse.Namespace) -> str:
    return (
        f"{args.rounds} rounds of {args.seconds:g} s after {WARM_UP_S:g} s of warm-up, "
        f"{args.clients} keep-alive connections, each service with {args.workers} Granian "
        f"workers of {THREADS_PER_WORKER} blocking threads (json-server and TinyDB: one process)"
    )


if __name__ == "__main__":
    sys.exit(main())
