"""Compares Daybook's full flow with that of its peers; bench.flow is the caller.

The services run in turn, each in every round. All do equal work: an order is confirmed with its
stock reserved, paid with an invoice and a payment, and its mail is in the folder, all durable. Each
run starts the service on an empty folder, warms it up, sends the orders from sixteen clients, waits
until the last one is finished, and checks all of them.
"""

import shutil
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from bench.clients import send_orders, wait_until_delivered
from bench.flow_outcome import daybook_outcome, peer_outcome, wait_until_finished
from bench.servers import (
    HOST,
    THREADS_PER_WORKER,
    Instance,
    Launch,
    daybook,
    free_port,
    missing_requirement,
    on_postgresql,
    python,
    running,
    seeded_peer,
)

WARM_UP_ORDERS = 300
CELERY_THREADS = ("--pool", "threads", "--concurrency", str(THREADS_PER_WORKER))
CELERY_ALONE = ("--without-gossip", "--without-mingle", "--without-heartbeat")
REDIS_SETTINGS = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
EXPLANATION = """\
Each order was confirmed with its stock reserved, and paid with an invoice and a payment; its mail
was in the folder; all of it was durable, and counted after each run. Customers paid at once, so
Daybook had more to do for an order here than in the first table: a call to its gateway, a payment,
and two more events. bench/README.md says how the peers are built.
"""


def paid_daybook(instance: Instance) -> Launch:
    """Return Daybook where the simulated gateway is charged; the customer gets one mail."""
    launch = daybook(instance)
    settings = {"DAYBOOK_PAYMENT_METHOD": "approve", "DAYBOOK_MAILS": "placed"}
    return replace(launch, environment={**launch.environment, **settings})


def outbox_relay(instance: Instance) -> Launch:
    """Return Flask + SQLAlchemy + SQLite with an outbox relay."""
    return _with_worker("outbox_relay", instance)


def celery(instance: Instance) -> Launch:
    """Return Flask + SQLAlchemy + PostgreSQL with Celery on a Redis of its own."""
    port = str(free_port())
    redis = ["redis-server", "--bind", HOST, "--port", port, "--dir", str(instance.data)]
    app = "bench.peers.celery_tasks"
    worker = python("celery", "--app", app, "worker", *CELERY_THREADS, *CELERY_ALONE)
    launch = on_postgresql(seeded_peer(f"{app}:create_app", instance), instance)
    return replace(
        launch,
        environment={**launch.environment, "CELERY_BROKER_URL": f"redis://{HOST}:{port}/0"},
        beside=([*redis, *REDIS_SETTINGS], worker),
    )


def dbos_sqlite(instance: Instance) -> Launch:
    """Return Flask + SQLAlchemy + DBOS on SQLite."""
    return _with_worker("dbos_workflow", instance)


def dbos_postgresql(instance: Instance) -> Launch:
    """Return Flask + SQLAlchemy + DBOS on PostgreSQL."""
    return on_postgresql(dbos_sqlite(instance), instance)


FLOWS: dict[str, Callable[[Instance], Launch]] = {
    "daybook": paid_daybook,
    "outbox-relay": outbox_relay,
    "celery": celery,
    "dbos-sqlite": dbos_sqlite,
    "dbos-postgresql": dbos_postgresql,
}
ON_POSTGRESQL = ("celery", "dbos-postgresql")


def compare(
    work: Path, bodies: list[bytes], workers: int, orders: int, rounds: int
) -> dict[str, list[float]]:
    """Return for each service the orders finished a second, one figure a round.

    A service that this machine cannot run is left out, with a word on stderr. Raises ServiceFailed,
    LoadInvalid, TimeoutError or FlowUnfinished at the first run that cannot be trusted.
    """
    rates: dict[str, list[float]] = {name: [] for name in FLOWS if not _skipped(name)}
    services = list(rates)
    for n in range(rounds):
        first = n % len(services)  # so that none always follows the same one
        for name in services[first:] + services[:first]:
            with running(name, workers, work, services=FLOWS) as instance:
                rates[name].append(_measure(name, instance, bodies, orders))
            label = f"full flow, round {n + 1} of {rounds}: {name}"
            print(f"{label} {rates[name][-1]:,.0f}", file=sys.stderr)
    return rates


def section(rates: Mapping[str, Sequence[float]]) -> str:
    """Return the section of the page; a ratio compares two runs of one round."""
    return "\n".join(
        [
            "## The full flow beside other services",
            "",
            f"Celery {version('celery')}, DBOS {version('dbos')}.",
            "",
            "| service | orders finished per second | min | max | Daybook ÷ it |",
            "| --- | ---: | ---: | ---: | ---: |",
            *(_row(name, theirs, rates["daybook"]) for name, theirs in rates.items()),
            "",
            EXPLANATION,
        ]
    )


def _row(name: str, theirs: Sequence[float], ours: Sequence[float]) -> str:
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    cells = [
        name,
        f"**{statistics.median(theirs):,.0f}**",
        f"{min(theirs):,.0f}",
        f"{max(theirs):,.0f}",
        f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})",
    ]
    return f"| {' | '.join(cells)} |"


def _measure(name: str, instance: Instance, bodies: list[bytes], orders: int) -> float:
    """Warm the service up, measure one run, check its orders, and return its rate."""
    for count, total in ((WARM_UP_ORDERS, WARM_UP_ORDERS), (orders, WARM_UP_ORDERS + orders)):
        send_orders(instance, bodies, count)
        if name == "daybook":
            wait_until_delivered(instance)
        else:
            wait_until_finished(instance, total)
    outcome = daybook_outcome(instance) if name == "daybook" else peer_outcome(instance)
    outcome.check(WARM_UP_ORDERS + orders)
    return outcome.per_second(WARM_UP_ORDERS)


def _with_worker(module: str, instance: Instance) -> Launch:
    """Return the peer with its worker, which its module is as a program."""
    launch = seeded_peer(f"bench.peers.{module}:create_app", instance)
    return replace(launch, beside=(python(f"bench.peers.{module}"),))


def _skipped(name: str) -> bool:
    reason = missing_requirement("postgresql") if name in ON_POSTGRESQL else ""
    if name == "celery" and not shutil.which("redis-server"):
        reason = "redis-server is not installed"
    if reason:
        print(f"{name} is left out: {reason}", file=sys.stderr)
    return bool(reason)
