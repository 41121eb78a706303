"""When a sync fails nobody is told that all is well, and what is said later holds."""

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
    """A function that returns the orders that are there when the power fails now and comes back."""

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
    """What was acknowledged was synced; the disk of these tests notices if not."""
    store = open_store()
    put_orders(store, order("a"))
    put_orders(store, order("b"))
    assert after_power_loss() == {"a": order("a"), "b": order("b")}


def test_failed_sync_is_not_acknowledged(open_store: OpenStore, disk: UnreliableDisk) -> None:
    """The writer gets Unavailable and is told that the outcome is open."""
    store = open_store()
    disk.fail_syncs(1)
    with pytest.raises(Unavailable, match="not known") as caught:
        put_orders(store, order("a"))
    assert not isinstance(caught.value, StorageFull)


def test_writing_goes_on_after_a_failed_sync(
    open_store: OpenStore, disk: UnreliableDisk, after_power_loss: AfterPowerLoss
) -> None:
    """What is acknowledged after a failure is safe, although a second sync lies."""
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
    """As long as the disk fails every writer is told so; then it heals without help."""
    store = open_store()
    for name in "abc":
        disk.fail_syncs(1)
        with pytest.raises(Unavailable):
            put_orders(store, order(name))
    put_orders(store, order("d"))
    assert set(after_power_loss()) >= {"d"}


def test_process_that_opens_after_a_failed_sync_is_not_lied_to(
    open_store: OpenStore, disk: UnreliableDisk, after_power_loss: AfterPowerLoss
) -> None:
    """Whoever opens the folder later builds on what only the page cache has, and makes it safe."""
    store = open_store()
    put_orders(store, order("a"))
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("b"))
    put_orders(open_store(), order("c"))
    assert after_power_loss() == {each: order(each) for each in "abc"}


def test_process_that_follows_after_a_failed_sync_is_not_lied_to(
    open_store: OpenStore, disk: UnreliableDisk, after_power_loss: AfterPowerLoss
) -> None:
    """The same for a process that goes on to a segment in which the sync of another one failed."""
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
    """Who acts on what it read is told when that may be lost, until it is safe."""
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
    """A checkpoint waits for no disk that fails, and has everything once it goes through."""
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


def test_nobody_waits_for_a_slow_disk_for_ever(open_store: OpenStore) -> None:
    """A batch stays open while the one before is being synced, but only so long."""
    wal = open_store().replica.wal
    with wal._sync_lock:  # as while another thread's sync is under way
        wal.wait_for_sync(timeout_s=0.0)
        assert wal._sync_lock.locked()
    wal.wait_for_sync(timeout_s=0.0)
    assert not wal._sync_lock.locked()
