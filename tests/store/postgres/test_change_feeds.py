"""Change feeds and positions while transactions commit in another order than they began."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from app.store import Transaction
from app.store.postgres.change_feeds import KEPT_S, LISTEN
from app.store.postgres.store import PostgresStore
from tests.postgresql import database_server, end_connections
from tests.processes.servers import wait_for
from tests.store.conftest import PATIENCE_S
from tests.store.shop import order, put_orders

OpenPostgres = Callable[..., PostgresStore]


class LateTransaction:
    """A transaction that has put an order, and commits when `commit` is called."""

    def __init__(self, store: PostgresStore, key: str) -> None:
        self._go_on, has_put = threading.Event(), threading.Event()

        def work(tx: Transaction) -> None:
            tx.put("orders", order(key, at=tx.new_id()))
            tx.find("orders", {"number": 7})  # sends the change
            has_put.set()
            self._go_on.wait(PATIENCE_S)

        self._thread = threading.Thread(target=store.run_in_transaction, args=[work])
        self._thread.start()
        assert has_put.wait(PATIENCE_S)

    def commit(self) -> None:
        """Let it go on, and wait for its end."""
        self._go_on.set()
        self._thread.join(PATIENCE_S)


def put(store: PostgresStore, key: str) -> str:
    """Put an order beside other transactions; returns an id that was issued with it."""

    def work(tx: Transaction) -> str:
        tx.put("orders", order(key))
        return tx.new_id()

    return store.run_in_transaction(work)


def test_late_commit_is_listed(open_postgres: OpenPostgres) -> None:
    """A transaction that began first and commits last is neither missed nor waited for."""
    store = open_postgres()
    feed = store.change_feed("orders")
    late = LateTransaction(store, "late")
    put(store, "early")
    assert feed.take(timeout_s=PATIENCE_S) == ["early"]
    late.commit()
    assert feed.take(timeout_s=PATIENCE_S) == ["late"]
    assert feed.take(timeout_s=0) == []


def test_late_commit_moves_the_position(open_postgres: OpenPostgres) -> None:
    """Each commit does, in whatever order, and the counting of changes does not."""
    store = open_postgres()
    positions = [store.position()]
    late = LateTransaction(store, "late")
    put(store, "early")
    positions.append(store.position())
    assert store.lease_shards()
    assert store.position() == positions[-1]
    late.commit()
    positions.append(store.position())
    assert positions == sorted(set(positions))


def test_no_id_appears_below_the_horizon(open_postgres: OpenPostgres) -> None:
    """It stays below the ids of a transaction that still runs, and rises when that has ended."""
    store = open_postgres()
    late = LateTransaction(store, "late")
    early = put(store, "early")
    horizon = store.id_horizon()
    assert horizon < early
    late.commit()
    with store.read() as view:
        stored = view.get("orders", "late")
    assert stored is not None and horizon <= stored["at"] < early < store.id_horizon()


def test_reader_that_fell_behind_lists_every_key(
    open_postgres: OpenPostgres, postgresql_url: str
) -> None:
    """Old changes are removed, seen or not; the position stays."""
    store = open_postgres()
    put_orders(store, order("a"), order("b"))
    feed = store.change_feed("orders")
    store._feeds.close()  # as if this process were suspended
    put_orders(store, order("b", total="2"))
    position = store.position()
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE daybook.store_changes SET at = at - make_interval(secs => %s)", [KEPT_S + 1]
        )
        assert store.lease_shards()
        assert connection.execute("SELECT count(*) FROM daybook.store_changes").fetchone() == (0,)
    assert store.position() == position
    assert sorted(feed.take(timeout_s=0)) == ["a", "b"]
    assert feed.take(timeout_s=0) == []


def is_listening(url: str) -> bool:
    """Whether a listener of changes is connected to the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        return bool(
            connection.execute(
                "SELECT 1 FROM pg_stat_activity "
                "WHERE datname = current_database() AND query = %s AND state = 'idle'",
                [LISTEN.decode()],
            ).fetchone()
        )


def test_feed_goes_on_after_its_connections_ended(
    open_postgres: OpenPostgres, postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The listener says so and connects again, and nothing that happened meanwhile is missed."""
    store = open_postgres()
    feed = store.change_feed("orders")
    wait_for("the listener", lambda: is_listening(postgresql_url))
    end_connections(postgresql_url)
    wait_for("its warning", lambda: "changes cannot be followed" in caplog.text)
    put(store, "a")
    assert feed.take(timeout_s=PATIENCE_S) == ["a"]


@pytest.mark.deep
def test_change_whose_transaction_id_was_given_before_a_crash_is_listed(
    open_postgres: OpenPostgres,
) -> None:
    """PostgreSQL forgets a rollback that was not yet on disk, and gives its id again."""

    def roll_back(tx: Transaction) -> None:
        tx.new_id()  # has the transaction get an id
        raise LookupError

    with database_server() as server:
        server.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")  # the longest there is
        server.execute("SELECT pg_reload_conf()")
        store = open_postgres(url=server.url)
        feed = store.change_feed("orders")
        store._feeds.close()  # as if this process were suspended
        put(store, "a")
        for _ in range(5):
            with pytest.raises(LookupError):
                store.run_in_transaction(roll_back)
        assert feed.take(timeout_s=0) == ["a"]
        server.kill()
        server.start()
        put(store, "b")
        assert feed.take(timeout_s=0) == ["b"]
        assert feed.take(timeout_s=0) == []
        store.close()
