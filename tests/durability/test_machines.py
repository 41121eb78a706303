"""Two machines on one PostgreSQL are one shop, whatever is killed: processes, a machine, or the
database itself, with a standby that takes over or without one.

A machine is a process group with a data folder of its own.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random

import pytest

from app.store import SHARDS
from tests.durability.conftest import EVERYTHING, SEED, Report
from tests.durability.test_races import differences
from tests.postgresql import DatabaseServer, database_server, replicated_database
from tests.processes.clients import Load
from tests.processes.reconciliation import StoreReader, fill_catalogue, open_store
from tests.processes.servers import Server, children, kill, wait_for

pytestmark = pytest.mark.deep

CLIENTS = 4
IN_CHAOS = 5_000 if EVERYTHING else 60
"""Orders of each client while everything is killed; with `make crash` they take many minutes."""

IN_FAILOVER = 60
"""Orders of each client around the fail-over."""

PROCESSES = 3
"""Two request workers, and the delivery worker."""

OUTAGE = {503}
"""The responses after which a client repeats its order."""

MAILS = "placed,confirmed"
"""Two mails of each order, which show the order in which they are sent; a receipt takes longer."""


@contextmanager
def two_machines(folder: Path, store: str) -> Iterator[list[Server]]:
    """Start two machines on a database."""
    fill_catalogue(folder / "filled", store=store)
    machines = [
        Server(folder / name / "data", STORE=store, MAILS=MAILS, RETRY_WAIT="0.01")
        for name in ("one", "two")
    ]
    try:
        for machine in machines:
            machine.data.mkdir(parents=True)
            start(machine)
        yield machines
    finally:
        for machine in machines:
            machine.kill()


def start(server: Server) -> None:
    """Start a machine; return when it answers and its delivery worker was started, too."""
    server.start()
    wait_for_processes(server)


def wait_for_processes(server: Server) -> None:
    """Wait until none of the processes of a machine is missing."""
    wait_for("all processes run", lambda: len(children(server.pid)) == PROCESSES)


def check(folder: Path, store: str, machines: list[Server], load: Load, orders: int) -> None:
    """Assert that every order was placed once, and that all its events had their effects once."""
    assert load.refused == []
    assert len(load.acknowledged) == orders
    with open_store(folder / "filled", store) as reader:
        wait_until_delivered(reader)
        placed = {order["order_id"] for order in reader.orders()}
        assert placed == {order["order_id"] for order in load.acknowledged}
        reader.check_effects(orders)
        assert reader.out_of_order() == []
        assert reader.read(differences) == []
        check_mails(reader, machines)


def wait_until_delivered(reader: StoreReader) -> None:
    """Wait until no event is open; fails when their number does not fall any more."""
    while left := reader.open_events():
        wait_for("further deliveries", lambda: reader.open_events() < left)


def mails_of(machine: Server) -> dict[str, float]:
    """The event of each mail, and when the mail was last put into the folder."""
    files = (machine.data / "mail/new").glob("*")
    return {file.name.partition(".")[0]: file.stat().st_mtime for file in files}


def check_mails(reader: StoreReader, machines: list[Server]) -> None:
    """Each mail was sent, and first after all earlier ones of its order."""
    sent: dict[str, float] = {}
    for machine in machines:
        for event, at in mails_of(machine).items():
            sent[event] = min(at, sent.get(event, at))
    mailed = reader.mails_in_order()
    assert sent.keys() == {event for events in mailed for event in events}
    for events in mailed:
        times = [sent[event] for event in events]
        assert times == sorted(times), events


def test_standby_takes_over_without_a_restart(scratch: Path) -> None:
    """The primary is killed under load: no acknowledged order is lost, and the shop goes on."""
    with replicated_database() as (primary, standby):
        store = f"{primary.url},{standby.folder}&target_session_attrs=read-write"
        with two_machines(scratch, store) as machines:
            before = [children(machine.pid) for machine in machines]
            with Load(machines, CLIENTS, IN_FAILOVER, repeated=OUTAGE) as load:
                wait_for("the load is under way", partial(load.has_placed, IN_FAILOVER))
                primary.kill()
                placed = len(load.acknowledged)
                standby.promote()
                wait_for("orders are accepted", partial(load.has_placed, placed + CLIENTS + 1))
            check(scratch, store, machines, load, CLIENTS * IN_FAILOVER)
            assert [children(machine.pid) for machine in machines] == before


class Chaos:
    """What can be done to two machines and their database; both machines run again after each."""

    def __init__(self, machines: list[Server], database: DatabaseServer, random: Random) -> None:
        self._machines = machines
        self._database = database
        self._random = random

    def round(self) -> None:
        """Do everything once, in a random order."""
        acts = [
            self._kill_processes,
            self._kill_machine,
            self._suspend_machine,
            self._kill_database,
        ]
        for act in self._random.sample(acts, len(acts)):
            act()

    def _kill_processes(self) -> None:
        """Kill each process of a machine; its server replaces it before the next one is killed."""
        server = self._some_machine()
        for process in children(server.pid):
            with suppress(ProcessLookupError):  # one that met the end of the database may exit
                kill(process)
            wait_for_processes(server)

    def _kill_machine(self) -> None:
        """Kill all its processes; start it again when the other machine has all shards."""
        server = self._some_machine()
        server.kill()
        self._wait_for_workers(1)
        start(server)

    def _suspend_machine(self) -> None:
        """Stop all its processes until the other machine has all shards."""
        server = self._some_machine()
        self._wait_for_workers(2)
        os.killpg(server.pid, signal.SIGSTOP)
        self._wait_for_workers(1)
        os.killpg(server.pid, signal.SIGCONT)
        self._wait_for_workers(2)

    def _kill_database(self) -> None:
        """Kill all its processes, and start it again."""
        self._database.kill()
        self._database.start()

    def _some_machine(self) -> Server:
        return self._random.choice(self._machines)

    def _wait_for_workers(self, count: int) -> None:
        """Wait until so many processes share all shards."""
        owners = "SELECT count(DISTINCT worker), count(worker) FROM daybook.store_shards"
        shared = [(count, SHARDS)]
        wait_for("the shards are shared", lambda: self._database.execute(owners) == shared)


def test_chaos_over_two_machines_loses_and_doubles_nothing(scratch: Path, report: Report) -> None:
    """Processes, a machine and the database are killed under load, again and again, and a machine
    is suspended for longer than its leases last."""
    rounds = 0
    with database_server() as database, two_machines(scratch, database.url) as machines:
        chaos = Chaos(machines, database, Random(SEED))
        with Load(machines, CLIENTS, IN_CHAOS, repeated=OUTAGE) as load:
            wait_for("the load is under way", partial(load.has_placed, CLIENTS))
            while not (rounds and load.is_over):
                chaos.round()
                rounds += 1
        check(scratch, database.url, machines, load, CLIENTS * IN_CHAOS)
    report(6 * rounds, "kills over two machines and their database")
    report(CLIENTS * IN_CHAOS, "orders placed under these kills on PostgreSQL")
