"""Who watches a store hears of its work, and of nothing that failed."""

from collections import Counter
from pathlib import Path

import pytest

from app.kernel.errors import Unavailable
from app.store.files.checkpointer import Checkpointer
from tests.store.conftest import OpenStore
from tests.store.faults import UnreliableDisk, full_disk
from tests.store.shop import order, put_orders


class Counting:
    """Counts what it hears; every time must be a time."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()

    def wrote(self, transactions: int) -> None:
        self.heard["written"] += transactions

    def synced(self, took_s: float) -> None:
        self._note("synced", took_s)

    def committed(self, waited_s: float) -> None:
        self._note("committed", waited_s)

    def checkpointed(self, took_s: float) -> None:
        self._note("checkpointed", took_s)

    def fell_behind(self) -> None:
        self.heard["fell behind"] += 1

    def _note(self, what: str, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.heard[what] += 1


@pytest.fixture
def observer() -> Counting:
    """One that has heard nothing."""
    return Counting()


def test_a_transaction_is_heard_of(open_store: OpenStore, observer: Counting) -> None:
    """Written, synced and durable, each once."""
    store = open_store(observer=observer)
    observer.heard.clear()
    put_orders(store, order("a"))
    assert observer.heard == {"written": 1, "synced": 1, "committed": 1}


def test_a_transaction_that_changes_nothing_writes_nothing(
    open_store: OpenStore, observer: Counting
) -> None:
    store = open_store(observer=observer)
    observer.heard.clear()
    with store.transaction():
        pass
    assert observer.heard == {"committed": 1}


def test_a_failed_sync_is_no_commit(
    folder: Path, open_store: OpenStore, observer: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, store = UnreliableDisk(monkeypatch, folder), open_store(observer=observer)
    observer.heard.clear()
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("a"))
    assert observer.heard == {"written": 1}


def test_a_checkpoint_in_the_background_is_heard_of(
    open_store: OpenStore, observer: Counting
) -> None:
    store = open_store(observer=observer)
    put_orders(store, order("a"))
    Checkpointer(store).close()
    assert observer.heard["checkpointed"] == 1


def test_the_log_that_is_read_anew_is_watched_too(
    open_store: OpenStore, observer: Counting
) -> None:
    """A process that slept through two checkpoints reads the folder from the start."""
    store = open_store(observer=observer)
    store.reload()
    observer.heard.clear()
    put_orders(store, order("a"))
    assert observer.heard["synced"] == 1


def test_a_checkpoint_that_fails_is_heard_of(open_store: OpenStore, observer: Counting) -> None:
    """Each time: nobody shall have to find the line in the log."""
    store = open_store(observer=observer)
    put_orders(store, order("a", text="x" * 5000))
    with full_disk(1000):
        Checkpointer(store).close()
    assert observer.heard["fell behind"] == 1
