"""Measures Daybook next to what a team would otherwise take: `make bench`.

The services run in turn, each in every round, so that whatever else the machine does falls on all
of them; each run starts the service afresh on an empty folder. The tables go to stdout and, when
every service took part, to bench/results.md, with a plot in bench/results.svg.
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
    Place,
    ServiceFailed,
    running,
    why_not,
    work_folder,
)
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "results.md"
PLOT = ROOT / "bench" / "results.svg"
WARM_UP_S = 1.0
ONE_ORDER_S = 0.01
"""So long a run of one client places a few orders to read: not so many that handlers still work."""
CEILING = ("daybook", "echo")
"""The services of the series that compare with what the server can do at most."""


class RunFailed(Exception):
    """The load driver found a run invalid; the message is its reason."""


def main() -> int:
    """Run all rounds; 1 and a reason on stderr when any run is invalid."""
    given = _arguments()
    services = [each for each in given.only if not _skipped(each)]
    try:
        known = facts(given.folder)
        with work_folder(given.folder) as work:
            measured = [_measure(series, given, work) for series in _series(services, given)]
    except (NotADisk, ServiceFailed, RunFailed) as reason:
        print(reason, file=sys.stderr)
        return 1
    for series in (each for each in measured if each.rounds):
        print(f"\n{series.title}\n\n{table(series)}")
    if given.only != list(SERVICES):
        print("\nnot all services ran, so bench/results.md stays as it was", file=sys.stderr)
        return 0
    RESULTS.write_text(page(measured, known | {"Settings": _settings(given)}), encoding="utf-8")
    PLOT.write_text(plot(measured[0]), encoding="utf-8")
    return 0


def _series(services: list[str], given: argparse.Namespace) -> list[Series]:
    """What is to be measured: the comparison, and how near Daybook comes to the ceiling."""
    ceiling = [each for each in services if each in CEILING]
    return [
        Series("Orders acknowledged per second", "POST", given.workers, services),
        Series("The same with one worker each", "POST", 1, ceiling),
        Series("GET of one order, per second", "GET", given.workers, ceiling),
    ]


def _measure(series: Series, given: argparse.Namespace, work: Path) -> Series:
    """Return the series with each service's measurements, one a round.

    Every round begins with another service, so that none always follows the same one. Raises
    ServiceFailed or RunFailed at the first run that cannot be trusted.
    """
    services = list(series.rounds)
    for n in range(given.rounds):
        first = n % max(len(services), 1)
        for service in services[first:] + services[:first]:
            measured = _measure_once(service, series, given, work)
            series.rounds[service].append(measured)
            told = f"{series.title.lower()}, round {n + 1} of {given.rounds}: {service}"
            print(f"{told} {measured.per_second:,.0f}", file=sys.stderr)
    return series


def _measure_once(
    service: str, series: Series, given: argparse.Namespace, work: Path
) -> Measurement:
    """Start `service`, warm it up, load it for the given seconds, and stop it."""
    bodies, paths = work / "orders.ndjson", work / "paths"
    write_orders(bodies)
    paths.write_text("/order/1001\n", "utf-8")
    orders, gets = ["--bodies", str(bodies)], ["--paths", str(paths)]
    with running(service, series.workers, work) as place:
        if series.method == "POST":
            load(place, orders, given.clients, WARM_UP_S)
            return load(place, orders, given.clients, given.seconds)
        load(place, orders, 1, ONE_ORDER_S)
        load(place, gets, given.clients, WARM_UP_S)
        return load(place, gets, given.clients, given.seconds)


def load(place: Place, what: Sequence[str], clients: int, seconds: float) -> Measurement:
    """Run the driver in its own process, so that its work is on no service's account."""
    settings = [*what, "--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", f"{place.url}/order", *settings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunFailed(f"{place.folder.name}: {done.stderr.strip()}")
    return Measurement(**json.loads(done.stdout))


def _skipped(service: str) -> bool:
    reason = why_not(service)
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


def _settings(given: argparse.Namespace) -> str:
    return (
        f"{given.rounds} rounds of {given.seconds:g} s after {WARM_UP_S:g} s of warm-up, "
        f"{given.clients} keep-alive connections, each service with {given.workers} Granian "
        f"workers of {THREADS_PER_WORKER} blocking threads (json-server and TinyDB: one process)"
    )


if __name__ == "__main__":
    sys.exit(main())
