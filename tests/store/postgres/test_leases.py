"""Leases of shards among processes, with a clock that the test moves."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from app.kernel.errors import Unavailable
from app.store import ALL_SHARDS, SHARDS
from app.store.postgres import connections, leases
from app.store.postgres.leases import LEASE_S, RENEWAL_INTERVAL_S, Leases
from app.store.postgres.store import PostgresStore
from tests.postgresql import end_connections
from tests.store.conftest import PATIENCE_S

END_SOON = "SET LOCAL idle_in_transaction_session_timeout = '100ms'"


class Processes:
    """Processes with one clock; each renews its lease when the test says so."""

    def __init__(self, connect: Callable[[], connections.Connection]) -> None:
        self._connect = connect
        self._now = 1000.0
        self.opened: list[Leases] = []

    def open(self) -> Leases:
        self.opened.append(Leases(self._connect, lambda: self._now))
        return self.opened[-1]

    def wait(self, seconds: float) -> None:
        self._now += seconds

    def held(self, *processes: Leases, busy: frozenset[int] = frozenset()) -> list[frozenset[int]]:
        """The shards that each has leased after two renewals: one to release, one to acquire."""
        for _ in range(2):
            self.wait(RENEWAL_INTERVAL_S)
            held = [each.lease(busy, 0.0) for each in processes]
        return held


@pytest.fixture
def store(open_postgres: Callable[..., PostgresStore]) -> PostgresStore:
    """One store, whose tables the processes use."""
    return open_postgres()


@pytest.fixture
def processes(store: PostgresStore, postgresql_url: str) -> Iterator[Processes]:
    """Processes that begin with no shard leased."""
    opened = Processes(partial(connections.connect, postgresql_url, 5.0))
    yield opened
    for each in opened.opened:
        each.close()


def test_processes_share_the_shards(processes: Processes) -> None:
    """Each has its share, no shard has two holders, and what one releases the others get."""
    first, second, third = processes.open(), processes.open(), processes.open()
    assert processes.held(first) == [ALL_SHARDS]
    held = processes.held(first, second)
    assert [len(each) for each in held] == [SHARDS // 2, SHARDS // 2]
    assert frozenset.union(*held) == ALL_SHARDS
    held = processes.held(first, second, third)
    assert sorted(map(len, held)) == [10, 11, 11]
    assert frozenset.union(*held) == ALL_SHARDS
    second.close()
    held = processes.held(first, third)
    assert [len(each) for each in held] == [SHARDS // 2, SHARDS // 2]


def test_a_busy_shard_is_kept(processes: Processes) -> None:
    """Its deliveries are under way: another process would start the next ones."""
    first, second = processes.open(), processes.open()
    busy = frozenset(range(20))
    processes.held(first)
    held = processes.held(first, second, busy=busy)
    assert held == [busy, ALL_SHARDS - busy]


def test_a_shard_is_released_as_soon_as_it_is_not_busy(processes: Processes) -> None:
    """A loop that works without a pause renews its lease while all of its shards are busy."""
    first, second = processes.open(), processes.open()
    processes.held(first)
    processes.held(first, second, busy=ALL_SHARDS)
    assert first.lease(ALL_SHARDS, 0.0) == ALL_SHARDS
    assert len(first.lease(frozenset(), 0.0)) == SHARDS // 2


def test_a_process_that_comes_back_lives(processes: Processes) -> None:
    """Its beat is another one than before, also for a process that did not see it go."""
    second, third = processes.open(), processes.open()
    processes.held(second, third)
    first = processes.open()
    for seconds, process in (
        (0.0, first),
        (RENEWAL_INTERVAL_S, second),  # it sees the first one, and releases shards
        (0.0, third),
        (LEASE_S - 1.0, third),
        (1.5, second),  # it takes the first one for dead, and removes it
    ):
        processes.wait(seconds)
        process.lease(frozenset(), 0.0)
    held = first.lease(frozenset(), 0.0)
    assert held
    assert held.isdisjoint(third.lease(frozenset(), 0.0))


def test_a_process_that_hangs_while_it_divides_the_shards_is_cut_off(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait for its lock, and their leases last longer than that."""
    monkeypatch.setattr(leases, "_END_WHEN_IDLE", END_SOON)
    hangs, goes_on = threading.Event(), threading.Event()

    def share(_connection: connections.Connection, _workers: set[str]) -> None:
        hangs.set()
        goes_on.wait(PATIENCE_S)

    hung = processes.open()
    monkeypatch.setattr(hung, "_remove", share)
    with ThreadPoolExecutor() as pool:
        outcome = pool.submit(hung.lease, frozenset(), 0.0)
        assert hangs.wait(PATIENCE_S)
        assert processes.held(processes.open()) == [ALL_SHARDS]
        goes_on.set()
        assert isinstance(outcome.exception(PATIENCE_S), Unavailable)
    monkeypatch.undo()


def test_a_process_that_does_not_renew_loses_its_shards(processes: Processes) -> None:
    """The others get them when its beat has stood for LEASE_S; it then gets its share anew."""
    first, second = processes.open(), processes.open()
    kept, _ = processes.held(first, second)
    processes.wait(LEASE_S)
    assert len(second.lease(frozenset(), 0.0)) == SHARDS // 2
    processes.wait(RENEWAL_INTERVAL_S)
    assert second.lease(frozenset(), 0.0) == ALL_SHARDS
    assert first.lease(kept, 0.0) == frozenset()
    assert [len(each) for each in processes.held(first, second)] == [SHARDS // 2, SHARDS // 2]


def test_a_renewal_that_took_too_long_counts_from_its_beginning(
    store: PostgresStore, postgresql_url: str
) -> None:
    """The others saw the beat earlier than this process learns of it."""
    times = iter([0.0, 0.0, 0.0, 0.0, LEASE_S])
    connect = partial(connections.connect, postgresql_url, 5.0)
    with closing(Leases(connect, lambda: next(times, 2 * LEASE_S))) as process:
        assert process.lease(frozenset(), 0.0) == frozenset()


def test_a_process_that_lost_its_connection_goes_on(
    processes: Processes, postgresql_url: str
) -> None:
    """It notices when it renews, which raises; the next renewal finds its shards as they were."""
    first = processes.open()
    processes.held(first)
    end_connections(postgresql_url)
    processes.wait(RENEWAL_INTERVAL_S)
    with pytest.raises(Unavailable):
        first.lease(frozenset(), 0.0)
    assert first.lease(frozenset(), 0.0) == ALL_SHARDS


def test_shards_of_a_dead_process_are_not_leased(
    store: PostgresStore, processes: Processes, postgresql_url: str
) -> None:
    """Readiness tells so, though its row is there."""
    processes.held(processes.open())
    assert store.are_shards_leased()
    with connections.connect(postgresql_url, 5.0) as connection:
        connection.execute("UPDATE store_workers SET at = at - make_interval(secs => 6)")
    assert not store.are_shards_leased()
