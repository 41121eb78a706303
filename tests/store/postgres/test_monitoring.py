"""Monitoring: the waits for connections, and how far standbys are behind."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.kernel.errors import Unavailable
from app.store.observer import NullObserver
from app.store.postgres.store import PostgresStore
from tests.events.running import wait_for
from tests.postgresql import postgresql_program
from tests.store.conftest import PATIENCE_S
from tests.store.shop import order, put_orders

OpenPostgres = Callable[..., PostgresStore]

TIMEOUT_S = 0.05


class Waits(NullObserver):
    """Records each wait for a connection."""

    def __init__(self) -> None:
        self.all_s: list[float] = []

    def waited_for_connection(self, waited_s: float) -> None:
        self.all_s.append(waited_s)


def test_waits_for_connections_are_observed(open_postgres: OpenPostgres) -> None:
    """A wait in vain as well: it took as long as a transaction may wait."""
    waits = Waits()
    store = open_postgres(pool_size=1, lock_timeout_s=TIMEOUT_S, observer=waits)
    put_orders(store, order("a"))
    before = len(waits.all_s)
    with store.read() as view:
        view.get("orders", "a")
        with pytest.raises(Unavailable):
            put_orders(store, order("b"))
    assert len(waits.all_s) > before
    assert waits.all_s[-1] >= TIMEOUT_S


@pytest.fixture
def receiver(postgresql_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that follows the database as a standby does."""
    administrator = make_conninfo(postgresql_url, user="postgres")
    command = [postgresql_program("pg_receivewal"), "--synchronous", "-D", str(tmp_path)]
    process = subprocess.Popen([*command, "-d", administrator])
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@pytest.fixture
def administrator(postgresql_url: str) -> Iterator[psycopg.Connection]:
    """A connection of an administrator."""
    url = make_conninfo(postgresql_url, user="postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
        connection.execute("REVOKE pg_read_all_stats FROM shop")


def test_lag_of_a_standby_is_what_it_has_not_on_its_disk(
    open_postgres: OpenPostgres,
    administrator: psycopg.Connection,
    receiver: subprocess.Popen[bytes],
) -> None:
    """The user of the store needs the right to read it; without it no standby is known."""
    store = open_postgres()
    follows = "SELECT FROM pg_stat_replication WHERE flush_lsn IS NOT NULL"
    wait_for(lambda: administrator.execute(follows).rowcount == 1)
    assert store.standby_lags() == []
    administrator.execute("GRANT pg_read_all_stats TO shop")
    wait_for(lambda: store.standby_lags() == [0])
    receiver.send_signal(signal.SIGSTOP)
    put_orders(store, order("a"))
    assert store.standby_lags()[0] > 0
    receiver.send_signal(signal.SIGCONT)
    wait_for(lambda: store.standby_lags() == [0])
