"""A database in trouble: read-only, locked, full, gone, or changed behind the store's back."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from app.kernel.errors import StorageFull, Unavailable
from app.store import Collection, Transaction
from app.store.observer import NULL_OBSERVER
from app.store.postgres import connections
from app.store.postgres import store as stores
from app.store.postgres import transaction as transactions
from app.store.postgres.connections import translated
from app.store.postgres.session import Rows, query_once
from app.store.postgres.store import PostgresStore
from tests.events.running import wait_for
from tests.store.conftest import PATIENCE_S
from tests.store.postgres.proxy import proxy_to
from tests.store.shop import all_orders, order, put_orders
from tests.transactions import transaction

OpenPostgres = Callable[..., PostgresStore]


@pytest.fixture
def store(open_postgres: OpenPostgres) -> PostgresStore:
    """One store."""
    return open_postgres()


@pytest.fixture
def execute(postgresql_url: str) -> Callable[[str], None]:
    """A function that executes one statement beside the store, as a person would."""

    def execute(statement: str) -> None:
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute(statement)

    return execute


@pytest.mark.parametrize(
    ("reported", "raised"),
    [
        (errors.DiskFull(), StorageFull),
        (errors.ReadOnlySqlTransaction(), Unavailable),
        (errors.LockNotAvailable(), Unavailable),
        (errors.AdminShutdown(), Unavailable),
        (psycopg.DatabaseError("server closed the connection unexpectedly"), Unavailable),
        (errors.IdleInTransactionSessionTimeout(), Unavailable),
        (errors.ProgramLimitExceeded(), ValueError),
        (errors.UntranslatableCharacter(), ValueError),
        (errors.UndefinedTable(), errors.UndefinedTable),
    ],
)
def test_error_of_the_database_is_raised_as_the_contract_says(
    reported: psycopg.Error, raised: type[Exception]
) -> None:
    """An error that only a defect of Daybook causes is raised unchanged."""
    assert type(translated(reported)) is raised


def test_database_that_ends_while_a_store_opens_is_unavailable(
    open_postgres: OpenPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a worker that starts meanwhile is started again, however often."""

    def end(connection: psycopg.Connection[object], *_: object) -> None:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(stores, "prepare_tables", end)
    with pytest.raises(Unavailable, match="cannot be reached"):
        open_postgres()


def test_read_only_database_is_refused(open_postgres: OpenPostgres) -> None:
    """By the check of readiness, as long as it is so."""
    store = open_postgres(pool_size=1)

    def set_read_only(value: str) -> None:
        with store._pool.connection() as connection:
            connection.execute(f"SET default_transaction_read_only = {value}")

    set_read_only("on")
    with pytest.raises(Unavailable, match="read-only"):
        store.refuse_unwritable()
    set_read_only("off")
    store.refuse_unwritable()


def test_checks_wait_for_no_connection(
    open_postgres: OpenPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load balancer does not wait as long as a transaction does."""
    monkeypatch.setattr(stores, "CHECK_TIMEOUT_S", 0.1)
    store = open_postgres(pool_size=1, lock_timeout_s=3600)
    with store.read() as view:
        view.get("orders", "a")  # takes the only connection
        for check in (store.refuse_unwritable, store.are_shards_leased):
            with pytest.raises(Unavailable):
                check()


def test_wait_for_a_lock_is_bounded(open_postgres: OpenPostgres, postgresql_url: str) -> None:
    """A transaction that cannot begin raises Unavailable, and the next one goes on."""
    store = open_postgres(lock_timeout_s=0.2)
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("LOCK TABLE daybook.store_turn IN EXCLUSIVE MODE")
        with pytest.raises(Unavailable, match="busy"):
            store.run_in_transaction(lambda tx: tx.get("orders", "a"))
    store._pool.wait(PATIENCE_S)  # connects in place of the connection that met the error
    put_orders(store, order("b"))
    assert list(all_orders(store)) == ["b"]


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_process_that_hangs_in_a_transaction_holds_nobody_up(
    open_postgres: OpenPostgres, monkeypatch: pytest.MonkeyPatch, *, in_turn: bool
) -> None:
    """The database ends the transaction, whether others wait to run alone or in their turn.

    When the process goes on, it does it again.
    """
    hung, other = open_postgres(), open_postgres(lock_timeout_s=PATIENCE_S)
    end_soon = b"SET LOCAL idle_in_transaction_session_timeout = '100ms'"
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(tx: Transaction) -> None:
        tx.put("orders", order("hung"))
        tx.find("orders")
        hangs.set()
        goes_on.wait(PATIENCE_S)

    with ThreadPoolExecutor() as pool:
        with monkeypatch.context() as patch:
            patch.setattr(stores, "_END_WHEN_IDLE", end_soon)
            outcome = pool.submit(hung.run_in_transaction, hang, in_turn=in_turn)
            assert hangs.wait(PATIENCE_S)
        monkeypatch.setattr(stores, "_CONCURRENT", stores._ALONE)
        other.run_in_transaction(lambda tx: tx.put("orders", order("a")), in_turn=in_turn)
        assert list(all_orders(other)) == ["a"]
        goes_on.set()
        outcome.result(PATIENCE_S)
    assert set(all_orders(other)) == {"a", "hung"}


def test_conflict_that_never_ends_is_reported(
    store: PostgresStore, execute: Callable[[str], None]
) -> None:
    """Somebody changes the document behind the store's back during each attempt."""
    put_orders(store, order("a"))

    def change(tx: Transaction) -> None:
        tx.get("orders", "a")
        execute("UPDATE daybook.orders SET document = document")
        tx.put("orders", order("a", total="2"))

    with pytest.raises(Unavailable, match="nothing was changed"):
        store.run_in_transaction(change)
    assert all_orders(store) == {"a": order("a")}


def test_unknown_outcome_is_reported(open_postgres: OpenPostgres, postgresql_url: str) -> None:
    """The response to COMMIT is lost, and the database does not come back in time."""
    with proxy_to(postgresql_url) as proxy:
        store = open_postgres(url=proxy.url, lock_timeout_s=0.2)

        def put(tx: Transaction) -> None:
            tx.put("orders", order("a"))
            tx.find("orders")
            proxy.lose_commit = "for good"

        with pytest.raises(Unavailable, match="look whether it was stored"):
            store.run_in_transaction(put)
        store.close()
    assert list(all_orders(open_postgres())) == ["a"]


def test_outcome_is_looked_up_until_the_database_is_back(
    open_postgres: OpenPostgres, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first question for it fails as the COMMIT did; the second one is answered."""
    failures = [Unavailable("gone")]

    def query(*arguments: Any) -> Rows:
        if failures:
            raise failures.pop()
        return query_once(*arguments)

    with proxy_to(postgresql_url) as proxy:
        store = open_postgres(url=proxy.url)
        monkeypatch.setattr("app.store.postgres.store.query_once", query)
        proxy.lose_commit = "after"
        put_orders(store, order("a"))
        store.close()
    assert failures == []
    assert list(all_orders(open_postgres())) == ["a"]


class GoneStandby:
    """The administrator's view of a database that waits for a synchronous standby."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._cancelled: set[Any] = set()

    def waits(self) -> set[Any]:
        """The waits that were not cancelled: process and time."""
        rows = self._connection.execute(
            "SELECT pid, query_start FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        )
        return set(rows) - self._cancelled

    def cancel(self) -> None:
        """Have PostgreSQL give up each wait."""
        for wait in self.waits():
            self._cancelled.add(wait)
            self._connection.execute("SELECT pg_cancel_backend(%s)", wait[:1])

    def restore(self) -> None:
        """End the waits."""
        self._connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self._connection.execute("SELECT pg_reload_conf()")


@contextmanager
def gone_standby(url: str) -> Iterator[GoneStandby]:
    """The database requires a standby, which is gone."""
    administrator = make_conninfo(url, user="postgres")
    with (
        psycopg.connect(administrator, autocommit=True) as connection,
        psycopg.connect(url, autocommit=True) as other,
        ThreadPoolExecutor() as pool,
    ):
        standby, writes = GoneStandby(connection), list[Future[Any]]()
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            while not standby.waits():  # the setting does not count at once
                write = "SELECT pg_logical_emit_message(true, '', '')"
                writes.append(pool.submit(other.execute, write))
                wait_for(lambda: writes[-1].done() or bool(standby.waits()))
            standby.cancel()
            writes[-1].result(PATIENCE_S)
            yield standby
        finally:
            standby.restore()


def test_commit_that_no_standby_confirms_is_no_success(
    open_postgres: OpenPostgres, postgresql_url: str
) -> None:
    """PostgreSQL can be told to give up its wait; it reports success, and warns."""
    store = open_postgres(lock_timeout_s=0.2)

    def put() -> None:
        put_orders(store, order("a"))

    with gone_standby(postgresql_url) as standby, ThreadPoolExecutor() as pool:
        for act, message in (put, "look whether it was stored"), (store.make_durable, "No standby"):
            outcome = pool.submit(act)
            while not outcome.done():
                standby.cancel()
            assert message in str(outcome.exception())
    assert list(all_orders(store)) == ["a"]


def test_commit_that_a_standby_confirms_later_is_a_success(
    open_postgres: OpenPostgres, postgresql_url: str
) -> None:
    """Its outcome is looked up by a later commit, which waits for the standby as well."""
    store = open_postgres()
    with gone_standby(postgresql_url) as standby, ThreadPoolExecutor() as pool:
        outcome = pool.submit(put_orders, store, order("a"))
        wait_for(lambda: bool(standby.waits()))
        standby.cancel()
        wait_for(lambda: bool(standby.waits()))
        assert not outcome.done()
        standby.restore()
        outcome.result(PATIENCE_S)


def test_wait_for_a_standby_is_bounded(
    open_postgres: OpenPostgres, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time-out of PostgreSQL counts there; the connection is given up, as any that hangs."""
    store = open_postgres(lock_timeout_s=0.2)
    with gone_standby(postgresql_url):
        monkeypatch.setattr(connections, "RESPONSE_TIMEOUT_S", 0.5)
        with pytest.raises(Unavailable):
            put_orders(store, order("a"))


def test_notification_that_fails_undoes_nothing(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent behind COMMIT, which has succeeded."""
    cancelled = b"SELECT pg_sleep(60) WHERE pg_cancel_backend(pg_backend_pid())", None
    monkeypatch.setattr(transactions, "_COMMIT", ((b"COMMIT", None), cancelled))
    put_orders(store, order("a"))
    assert list(all_orders(store)) == ["a"]


def test_index_value_must_be_text_or_whole(open_postgres: OpenPostgres) -> None:
    """Anything else has no place in the order of an index."""
    things = Collection(name="things", key="id", indexes={"weight": lambda each: [each["weight"]]})
    store = open_postgres(collections=[things])
    with pytest.raises(TypeError, match=r"not 1\.5"), transaction(store) as tx:
        tx.put("things", {"id": "a", "weight": 1.5})


def test_transaction_that_does_nothing_sends_nothing(
    open_postgres: OpenPostgres, postgresql_url: str
) -> None:
    """Its result is returned all the same."""
    with proxy_to(postgresql_url) as proxy:
        store = open_postgres(url=proxy.url)
        before = proxy.round_trips
        assert store.run_in_transaction(lambda _tx: 7) == 7
        assert proxy.round_trips == before
        store.close()


def test_savepoint_that_was_sent_stays(store: PostgresStore) -> None:
    """A search in the block sends its changes; what follows the block is stored with them."""
    with transaction(store) as tx:
        with tx.savepoint():
            tx.put("orders", order("a"))
            tx.find("orders")
        tx.put("orders", order("b"))
    assert sorted(all_orders(store)) == ["a", "b"]


def test_skipped_statements_are_not_logged(
    postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Those behind one that failed, as each conflict has; psycopg's other warnings are."""

    def meet_error(connection: connections.Connection) -> None:
        with pytest.raises(errors.DivisionByZero), connection.pipeline():
            try:
                connection.execute("SELECT 1/0").fetchone()
            finally:
                connection.execute("SELECT 1")
        connection.rollback()

    with (
        connections.open_pool(postgresql_url, 1, PATIENCE_S, NULL_OBSERVER) as pool,
        pool.connection() as connection,
    ):
        meet_error(connection)
        logging.getLogger("psycopg").warning("something else")
    assert [each.getMessage() for each in caplog.records] == ["something else"]
