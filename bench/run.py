"""Measures how many orders each service acknowledges per second: `python -m bench.run`.

The services run in turn, each in every round, so that whatever else the machine does falls on all
of them; each run starts the service afresh on an empty folder. The table goes to stdout and, when
every service took part, to bench/results.md.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from bench.load import Measurement
from bench.machine import NotADisk, facts
from bench.report import page, table
from bench.servers import (
    ROOT,
    SERVICES,
    THREADS_PER_WORKER,
    Place,
    ServiceFailed,
    running,
    work_folder,
)
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "results.md"
WARM_UP_S = 1.0


class RunFailed(Exception):
    """The load driver found a run invalid; the message is its reason."""


def main() -> int:
    """Run all rounds; 1 and a reason on stderr when any run is invalid."""
    given = _arguments()
    try:
        known = facts(given.folder)
        with work_folder(given.folder) as work:
            rounds = measure(given, work)
    except (NotADisk, ServiceFailed, RunFailed) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(table(rounds))
    if set(rounds) != set(SERVICES):
        print("not all services ran, so bench/results.md stays as it was", file=sys.stderr)
        return 0
    RESULTS.write_text(page(rounds, known | {"Settings": _settings(given)}), encoding="utf-8")
    return 0


def measure(given: argparse.Namespace, work: Path) -> dict[str, list[Measurement]]:
    """Return each chosen service's measurements, one a round.

    Every round begins with another service, so that none always follows the same one. Raises
    ServiceFailed or RunFailed at the first run that cannot be trusted.
    """
    rounds: dict[str, list[Measurement]] = {service: [] for service in given.only}
    for n in range(given.rounds):
        first = n % len(given.only)
        for service in given.only[first:] + given.only[:first]:
            measured = measure_once(service, given, work)
            rounds[service].append(measured)
            progress = f"round {n + 1} of {given.rounds}: {service} {measured.per_second:,.0f}/s"
            print(progress, file=sys.stderr)
    return rounds


def measure_once(service: str, given: argparse.Namespace, work: Path) -> Measurement:
    """Start `service`, warm it up, load it for the given seconds, and stop it."""
    bodies = work / "orders.ndjson"
    write_orders(bodies)
    with running(service, given.workers, work) as place:
        orders = ["--bodies", str(bodies)]
        load(place, orders, given.clients, WARM_UP_S)
        return load(place, orders, given.clients, given.seconds)


def load(place: Place, what: list[str], clients: int, seconds: float) -> Measurement:
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
        raise RunFailed(done.stderr.strip())
    return Measurement(**json.loads(done.stdout))


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
        f"workers of {THREADS_PER_WORKER} blocking threads"
    )


if __name__ == "__main__":
    sys.exit(main())
