"""Transactions beside each other: in parallel, repeated after a conflict, and never in doubt."""

import threading
from collections.abc import Callable
from contextlib import closing
from secrets import token_urlsafe

import psycopg
import pytest
from flask import Response

from app.http.requests.idempotency import IDEMPOTENCY, execute_once, scoped_key
from app.kernel.errors import DaybookError, Unavailable
from app.store import Transaction
from app.store.postgres.store import PostgresStore
from tests.postgresql import end_connections
from tests.store.conftest import PATIENCE_S, Together
from tests.store.postgres.proxy import proxy_to
from tests.store.shop import all_orders, get_order, ids, order, put_orders
from tests.transactions import transaction

OpenPostgres = Callable[..., PostgresStore]


@pytest.fixture
def store(open_postgres: OpenPostgres) -> PostgresStore:
    """One store."""
    return open_postgres()


class Meeting:
    """A point in the first attempt of two transactions that both reach before either goes on."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)
        self._arrived = threading.local()
        self.attempts = 0

    def arrive(self) -> None:
        """Wait for the other transaction, but not when this one is repeated."""
        self.attempts += 1
        if not hasattr(self._arrived, "once"):
            self._arrived.once = True
            self._barrier.wait(PATIENCE_S)


def test_transactions_of_different_orders_run_at_the_same_time(
    store: PostgresStore, together: Together
) -> None:
    """Neither waits for the other, and neither is repeated."""
    put_orders(store, order("a"), order("b"))
    meeting = Meeting()

    def change(key: str) -> None:
        def work(tx: Transaction) -> None:
            found = tx.get("orders", key)
            meeting.arrive()
            tx.put("orders", order(key, before=found))

        store.run_in_transaction(work)

    together(lambda key=key: change(key) for key in "ab")
    assert meeting.attempts == 2


def test_new_documents_do_not_conflict(store: PostgresStore, together: Together) -> None:
    """A transaction knows that nothing is stored under an id that it has just drawn."""
    meeting = Meeting()

    def place(tx: Transaction) -> None:
        key = tx.new_id()
        found = tx.get("orders", key)
        meeting.arrive()
        tx.put("orders", order(key, before=found))

    together([lambda: store.run_in_transaction(place)] * 2)
    assert len(all_orders(store)) == 2
    assert meeting.attempts == 2


def test_request_with_a_key_conflicts_with_no_other(
    open_postgres: OpenPostgres, postgresql_url: str
) -> None:
    """It searches no end of the index of times, where every other request adds an entry."""
    store = open_postgres(collections=[IDEMPOTENCY])
    with psycopg.connect(postgresql_url) as other:
        other.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        other.execute("SELECT")  # until it ends, predicate locks of others stay
        execute_once(store, scoped_key("POST /order", "9f1c", b"{}"), lambda _tx: Response())
        rows = other.execute(
            "SELECT relation::regclass::text FROM pg_locks WHERE mode = 'SIReadLock'"
        ).fetchall()
    read = {index.removeprefix("daybook.") for (index,) in rows}
    assert read == {"idempotency_key_idx"}


def test_no_write_skew(store: PostgresStore, together: Together) -> None:
    """Of two that each need the other's document unchanged, one is repeated and sees the change."""
    put_orders(store, order("a", total="1"), order("b", total="1"))
    meeting = Meeting()

    def take(own: str, other: str) -> None:
        def work(tx: Transaction) -> None:
            left = sum(int((tx.get("orders", each) or {})["total"]) for each in (own, other))
            meeting.arrive()
            if left > 1:
                tx.put("orders", order(own, total="0"))

        store.run_in_transaction(work)

    together([lambda: take("a", "b"), lambda: take("b", "a")])
    assert sorted(each["total"] for each in all_orders(store).values()) == ["0", "1"]
    assert meeting.attempts == 3


def test_no_document_appears_behind_a_search(store: PostgresStore, together: Together) -> None:
    """Of two that each put what they have not found, one is repeated and finds it."""
    meeting = Meeting()

    def claim(key: str) -> None:
        def work(tx: Transaction) -> None:
            found = tx.count("orders", {"status": "claimed"})
            meeting.arrive()
            if not found:
                tx.put("orders", order(key, status="claimed"))

        store.run_in_transaction(work)

    together(lambda key=key: claim(key) for key in "ab")
    assert len(all_orders(store)) == 1


def test_no_update_is_lost(open_postgres: OpenPostgres, together: Together) -> None:
    """Of increments of one document by eight threads over two stores, none is lost."""
    stores = [open_postgres(), open_postgres()]

    def add(tx: Transaction) -> None:
        found = tx.get("orders", "sum") or order("sum", total="0")
        tx.put("orders", order("sum", total=str(int(found["total"]) + 1)))

    def add_often(store: PostgresStore) -> None:
        for _ in range(10):
            store.run_in_transaction(add)

    together(lambda store=stores[n % 2]: add_often(store) for n in range(8))
    assert get_order(stores[0], "sum") == order("sum", total="80")


def test_conflict_that_the_work_hides_is_repeated_all_the_same(
    store: PostgresStore, together: Together
) -> None:
    """A handler's error is recorded and the work goes on; a conflict in it must not be."""
    put_orders(store, order("a", total="0"))
    meeting = Meeting()

    def work(tx: Transaction) -> None:
        try:
            found = tx.get("orders", "a") or {}
            meeting.arrive()
            tx.put("orders", order("a", total=str(int(found["total"]) + 1)))
            tx.find("orders")  # sends the change
        except DaybookError:
            tx.put("orders", order("failed"))

    together([lambda: store.run_in_transaction(work), lambda: store.run_in_transaction(work)])
    assert all_orders(store) == {"a": order("a", total="2")}


@pytest.mark.parametrize(("lost", "attempts"), [("before", 2), ("after", 1)])
def test_outcome_of_a_lost_commit_is_looked_up(
    open_postgres: OpenPostgres, postgresql_url: str, lost: str, attempts: int
) -> None:
    """A COMMIT that did not arrive is repeated; one whose answer was lost is not."""
    with proxy_to(postgresql_url) as proxy:
        store = open_postgres(url=proxy.url)
        put_orders(store, order("sum", total="0"))
        seen = []

        def add(tx: Transaction) -> None:
            seen.append(tx.get("orders", "sum"))
            tx.put("orders", order("sum", total=str(len(seen))))

        proxy.lose_commit = lost
        store.run_in_transaction(add)
        assert len(seen) == attempts
        assert get_order(store, "sum") == order("sum", total=str(attempts))
        store.close()


def test_store_goes_on_after_the_server_ended_its_connections(
    store: PostgresStore, postgresql_url: str
) -> None:
    """Connections that were lost while nobody used them are replaced without an error."""
    put_orders(store, order("a"))
    end_connections(postgresql_url)
    put_orders(store, order("b"))
    assert sorted(all_orders(store)) == ["a", "b"]


def test_transaction_whose_connection_ends_changes_nothing(
    store: PostgresStore, postgresql_url: str
) -> None:
    """It raises Unavailable, as every later step of its block does, and the next one succeeds."""
    with pytest.raises(Unavailable), transaction(store) as tx:
        tx.put("orders", order("a"))
        tx.find("orders")
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE state = 'idle in transaction'"
            )
        for _ in range(2):
            with pytest.raises(Unavailable):
                tx.get("orders", "b")
    put_orders(store, order("c"))
    assert list(all_orders(store)) == ["c"]


def test_view_whose_prefetch_failed_shows_no_document_as_missing(
    store: PostgresStore, postgresql_url: str
) -> None:
    """It raises again, whatever the caller made of the error."""
    put_orders(store, order("a"))
    with store.read() as view:
        view.get("orders", "b")
        end_connections(postgresql_url)
        with pytest.raises(Unavailable):
            view.prefetch([("orders", "a")])
        with pytest.raises(Unavailable):
            view.get("orders", "a")


def test_unreachable_database_is_reported(open_postgres: OpenPostgres) -> None:
    """The error names neither host nor user."""
    with pytest.raises(Unavailable, match=r"The database cannot be reached\. Try again\."):
        open_postgres(url="postgresql://shop:secret@127.0.0.1:1/shop")


def test_transaction_of_megabytes_is_stored(store: PostgresStore) -> None:
    """Its flight is sent in parts, as the socket takes them."""
    orders = [order(f"order-{n}", blob="x" * 1_000_000) for n in range(16)]
    put_orders(store, *orders)
    assert get_order(store, "order-15") == orders[15]


def test_text_with_a_nul_is_found_nowhere(store: PostgresStore) -> None:
    """No text in PostgreSQL has one, so a key or cursor of a request that does matches nothing."""
    put_orders(store, order("a"), order("b"))
    with store.read() as view:
        assert view.get("orders", "a\x00") is None
        assert ids(view.find("orders", after="\x1fa\x00").documents) == ["b"]
        assert ids(view.scan("orders", "a\x00", 9)) == ["b"]
        assert view.count("orders", {"status": "\x00"}) == 0


def test_what_is_too_long_for_an_index_is_refused(store: PostgresStore) -> None:
    """PostgreSQL limits an index entry to a third of a page."""
    with pytest.raises(ValueError, match="too long"), transaction(store) as tx:
        tx.put("orders", order("a", status=token_urlsafe(9000)))
    assert all_orders(store) == {}


def test_transaction_takes_few_round_trips(
    open_postgres: OpenPostgres, postgresql_url: str
) -> None:
    """One for what is read together, one for a number, one for all changes and the commit."""
    with proxy_to(postgresql_url) as proxy:
        store = open_postgres(url=proxy.url)

        def place(tx: Transaction) -> None:
            products = [("orders", f"product-{n}") for n in range(5)]
            tx.prefetch(products)
            assert [tx.get(*each) for each in products] == [None] * 5
            number = tx.next_number("orders", 1001, has_gaps=True)
            for name in ("order", "event", "timeline"):
                tx.put("orders", order(f"{name}-{tx.new_id()}", number=number))
            tx.put("notes", {"note_id": tx.new_id()})

        for _ in range(8):  # libpq prepares statements that it sends often
            store.run_in_transaction(place)
        before = proxy.round_trips
        store.run_in_transaction(place)
        assert proxy.round_trips - before == 3
        store.close()


def test_view_keeps_what_was_prefetched_last(
    open_postgres: OpenPostgres, postgresql_url: str
) -> None:
    """A reader of everything, page by page, needs the memory of a page."""
    places = [("orders", each) for each in "abcd"]
    with proxy_to(postgresql_url) as proxy, closing(open_postgres(url=proxy.url)) as store:
        put_orders(store, order("a"), order("b"), order("c"))
        with store.read() as view:

            def round_trips(work: Callable[[], object]) -> int:
                before = proxy.round_trips
                work()
                return proxy.round_trips - before

            view.prefetch(places)
            assert round_trips(lambda: [view.get(*each) for each in places]) == 0
            assert round_trips(lambda: view.prefetch(places[1:])) == 0
            assert round_trips(lambda: view.get(*places[0])) == 1
            assert round_trips(lambda: [view.get(*each) for each in places[1:]]) == 0
