"""Whether the store can write is known without writing, and trouble that has passed is noticed."""

import os
from pathlib import Path

import pytest

from app.kernel.errors import StorageFull, Unavailable
from tests.store.conftest import OpenStore
from tests.store.faults import UnreliableDisk, full_disk
from tests.store.shop import order, put_orders


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file of the folder, and when it was last written."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_asking_a_sound_store_writes_nothing(folder: Path, open_store: OpenStore) -> None:
    """Whoever asks each second shall not wear out the disk."""
    store = open_store()
    put_orders(store, order("a"))
    before = written(folder)
    store.refuse_unwritable()
    assert written(folder) == before


def test_a_disk_that_was_full_is_noticed_until_there_is_room(
    folder: Path, open_store: OpenStore
) -> None:
    """It needs no order to notice that there is room again."""
    store = open_store()
    put_orders(store, order("a"))
    with full_disk(1000):
        with pytest.raises(StorageFull):
            put_orders(store, order("b", text="x" * 2000))
        with pytest.raises(StorageFull):
            store.refuse_unwritable()
    store.refuse_unwritable()
    assert not list(folder.glob(".probe*"))


def test_a_disk_without_room_is_noticed_before_an_order_is(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells how much room there is; a checkpoint may have taken the last of it."""
    store = open_store()
    room = os.statvfs("/")
    fields = list(room[:11])
    fields[4] = 0  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))
    with pytest.raises(StorageFull):
        store.refuse_unwritable()


def test_a_failed_sync_is_noticed_until_the_disk_syncs_again(
    folder: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was in doubt is then safe."""
    disk, store = UnreliableDisk(monkeypatch, folder), open_store()
    disk.fail_syncs(3)
    with pytest.raises(Unavailable):
        put_orders(store, order("a"))
    with pytest.raises(Unavailable):
        store.refuse_unwritable()
    disk.fail_syncs(0)
    store.refuse_unwritable()
    assert store.replica.wal.durable == store.replica.wal.seq


def test_an_order_that_succeeds_shows_that_all_is_well(
    folder: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing need be tried."""
    disk, store = UnreliableDisk(monkeypatch, folder), open_store()
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("a"))
    put_orders(store, order("b"))
    before = written(folder)
    store.refuse_unwritable()
    assert written(folder) == before
