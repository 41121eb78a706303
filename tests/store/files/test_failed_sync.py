"""After a failed sync nothing is acknowledged that is not on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.kernel.errors import StorageFull, Unavailable
from app.store.files.checkpointer import Checkpointer
from app.store.files.store import JsonFileStore
from tests.store.conftest import OpenStore
from tests.store.faults import UnreliableDisk
from tests.store.shop import COLLECTIONS, all_orders, get_order, order, put_orders

AfterPowerLoss = Callable[[], dict[str, object]]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, folder: Path) -> UnreliableDisk:
    """The disk below the data folder."""
    return UnreliableDisk(monkeypatch, folder)


@pytest.fixture
def after_power_loss(disk: UnreliableDisk, tmp_path: Path) -> AfterPowerLoss:
    """A function that returns the orders that survive a power loss now."""

    def orders() -> dict[str, object]:
        store = JsonFileStore(disk.after_power_loss(tmp_path / "after"), COLLECTIONS)
        try:
            return dict(all_orders(store))
        finally:
            store.close()

    return orders


def test_acknowledged_orders_survive_power_loss(
    open_store: OpenStore, after_power_loss: AfterPowerLoss
) -> None:
    """Every acknowledged order was synced; the simulated disk loses everything else."""
    store = open_store()
    put_orders(store, order("a"))
    put_orders(store, order("b"))
    assert after_power_loss() == {"a": order("a"), "b": order("b")}


def test_failed_sync_is_not_acknowledged(open_store: OpenStore, disk: UnreliableDisk) -> None:
    """The writer gets Unavailable, which says that the outcome is not known."""
    store = open_store()
    disk.fail_syncs(1)
    with pytest.raises(Unavailable, match="not known") as caught:
        put_orders(store, order("a"))
    assert not isinstance(caught.value, StorageFull)


def test_writing_goes_on_after_a_failed_sync(
    open_store: OpenStore, disk: UnreliableDisk, after_power_loss: AfterPowerLoss
) -> None:
    """Orders acknowledged after a failure are safe, although a second sync succeeds falsely."""
    store = open_store()
    put_orders(store, order("a"))
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("b"))
    put_orders(store, order("c"))
    assert after_power_loss() == {each: order(each) for each in "abc"}


def test_repeated_failures_are_all_reported(
    open_store: OpenStore, disk: UnreliableDisk, after_power_loss: AfterPowerLoss
) -> None:
    """Every writer gets Unavailable while the disk fails; then writing works again by itself."""
    store = open_store()
    for name in "abc":
        disk.fail_syncs(1)
        with pytest.raises(Unavailable):
            put_orders(store, order(name))
    put_orders(store, order("d"))
    assert set(after_power_loss()) >= {"d"}


def test_process_that_opens_after_a_failed_sync_makes_it_good(
    open_store: OpenStore, disk: UnreliableDisk, after_power_loss: AfterPowerLoss
) -> None:
    """A process that opens the folder later rewrites what only the page cache has."""
    store = open_store()
    put_orders(store, order("a"))
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("b"))
    put_orders(open_store(), order("c"))
    assert after_power_loss() == {each: order(each) for each in "abc"}


def test_process_that_follows_after_a_failed_sync_makes_it_good(
    open_store: OpenStore, disk: UnreliableDisk, after_power_loss: AfterPowerLoss
) -> None:
    """A process that follows to a segment in which another's sync failed rewrites its lines."""
    store, follower = open_store(), open_store()
    put_orders(store, order("a"))
    Checkpointer(store).checkpoint()
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("b"))
    assert get_order(follower, "b") == order("b")
    follower.make_durable()
    assert after_power_loss() == {each: order(each) for each in "ab"}


def test_make_durable_reports_a_failed_disk(open_store: OpenStore, disk: UnreliableDisk) -> None:
    """`make_durable` raises Unavailable until what was read is safe."""
    store = open_store()
    disk.fail_syncs(2)
    with pytest.raises(Unavailable):
        put_orders(store, order("a"))
    with pytest.raises(Unavailable):
        store.make_durable()
    store.make_durable()


def test_checkpoint_after_a_failed_sync_is_complete(
    open_store: OpenStore, disk: UnreliableDisk
) -> None:
    """A checkpoint fails with the disk, and is complete once it succeeds."""
    store = open_store()
    put_orders(store, order("a"))
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("b"))
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        Checkpointer(store).checkpoint()
    assert Checkpointer(store).checkpoint()
    assert all_orders(open_store()) == {each: order(each) for each in "ab"}


def test_waiting_for_a_sync_is_bounded(open_store: OpenStore) -> None:
    """A batch stays open during a running sync, but not longer than the time-out."""
    wal = open_store().replica.wal
    with wal._sync_lock:  # as while another thread's sync is under way
        wal.wait_for_sync(timeout_s=0.0)
        assert wal._sync_lock.locked()
    wal.wait_for_sync(timeout_s=0.0)
    assert not wal._sync_lock.locked()
