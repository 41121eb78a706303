"""An observer is called for work that succeeded, and not for work that failed."""

from collections import Counter
from pathlib import Path
from time import monotonic

import pytest

from app.kernel.errors import Unavailable
from app.store.files.checkpointer import Checkpointer
from tests.store.conftest import OpenStore
from tests.store.faults import UnreliableDisk, full_disk
from tests.store.shop import order, put_orders
from tests.transactions import transaction


class Counting:
    """Counts its calls, and checks that no duration is longer than the test has run."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._began = monotonic()

    def wrote(self, transactions: int) -> None:
        self.calls["written"] += transactions

    def synced(self, took_s: float) -> None:
        self._count("synced", took_s)

    def committed(self, waited_s: float) -> None:
        self._count("committed", waited_s)

    def checkpointed(self, took_s: float) -> None:
        self._count("checkpointed", took_s)

    def fell_behind(self) -> None:
        self.calls["fell behind"] += 1

    def waited_for_connection(self, waited_s: float) -> None:
        self._count("waited for a connection", waited_s)

    def _count(self, what: str, seconds: float) -> None:
        assert 0 <= seconds <= monotonic() - self._began
        self.calls[what] += 1


@pytest.fixture
def observer() -> Counting:
    """An observer that was not called yet."""
    return Counting()


def test_transaction_is_observed(open_store: OpenStore, observer: Counting) -> None:
    """Written, synced and durable, each once."""
    store = open_store(observer=observer)
    observer.calls.clear()
    put_orders(store, order("a"))
    assert observer.calls == {"written": 1, "synced": 1, "committed": 1}


def test_transaction_that_changes_nothing_is_only_committed(
    open_store: OpenStore, observer: Counting
) -> None:
    """Nothing is written or synced for it."""
    store = open_store(observer=observer)
    observer.calls.clear()
    with transaction(store):
        pass
    assert observer.calls == {"committed": 1}


def test_failed_sync_is_neither_synced_nor_committed(
    folder: Path, open_store: OpenStore, observer: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, store = UnreliableDisk(monkeypatch, folder), open_store(observer=observer)
    observer.calls.clear()
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("a"))
    assert observer.calls == {"written": 1}


def test_checkpoint_is_observed(open_store: OpenStore, observer: Counting) -> None:
    store = open_store(observer=observer)
    put_orders(store, order("a"))
    Checkpointer(store).close()
    assert observer.calls["checkpointed"] == 1


def test_reloaded_log_keeps_the_observer(open_store: OpenStore, observer: Counting) -> None:
    """A process that fell behind by two checkpoints opens the folder again."""
    store = open_store(observer=observer)
    store.reload()
    observer.calls.clear()
    put_orders(store, order("a"))
    assert observer.calls["synced"] == 1


def test_failed_checkpoint_is_observed(open_store: OpenStore, observer: Counting) -> None:
    """Each failure is reported, not only the first one that is logged."""
    store = open_store(observer=observer)
    put_orders(store, order("a", text="x" * 5000))
    with full_disk(1000):
        Checkpointer(store).close()
    assert observer.calls["fell behind"] == 1
