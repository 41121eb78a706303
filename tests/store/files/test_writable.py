"""`refuse_unwritable` notices that the store cannot write, and that it can again."""

import os
from pathlib import Path

import pytest

from app.kernel.errors import StorageFull, Unavailable
from tests.store.conftest import OpenStore
from tests.store.faults import UnreliableDisk, full_disk
from tests.store.shop import order, put_orders


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time of every file in the folder."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_check_of_a_healthy_store_writes_nothing(folder: Path, open_store: OpenStore) -> None:
    """A health check that runs each second does not wear out the disk."""
    store = open_store()
    put_orders(store, order("a"))
    before = written(folder)
    store.refuse_unwritable()
    assert written(folder) == before


def test_full_disk_is_noticed_until_there_is_room(folder: Path, open_store: OpenStore) -> None:
    """The check itself notices that there is room again."""
    store = open_store()
    put_orders(store, order("a"))
    with full_disk(1000):
        with pytest.raises(StorageFull):
            put_orders(store, order("b", text="x" * 2000))
        with pytest.raises(StorageFull):
            store.refuse_unwritable()
    store.refuse_unwritable()
    assert not list(folder.glob(".probe*"))


def test_full_disk_is_noticed_before_a_write_fails(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The free space is read from the file system; a checkpoint may have used it up."""
    store = open_store()
    room = os.statvfs("/")
    fields = list(room[:11])
    fields[4] = 0  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))
    with pytest.raises(StorageFull):
        store.refuse_unwritable()


def test_failed_sync_is_noticed_until_the_disk_syncs_again(
    folder: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the check succeeds, what was in doubt is durable."""
    disk, store = UnreliableDisk(monkeypatch, folder), open_store()
    disk.fail_syncs(3)
    with pytest.raises(Unavailable):
        put_orders(store, order("a"))
    with pytest.raises(Unavailable):
        store.refuse_unwritable()
    disk.fail_syncs(0)
    store.refuse_unwritable()
    assert store.replica.wal.durable == store.replica.wal.seq


def test_successful_transaction_makes_the_probe_unnecessary(
    folder: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a successful transaction the check writes no probe."""
    disk, store = UnreliableDisk(monkeypatch, folder), open_store()
    disk.fail_syncs(1)
    with pytest.raises(Unavailable):
        put_orders(store, order("a"))
    put_orders(store, order("b"))
    before = written(folder)
    store.refuse_unwritable()
    assert written(folder) == before
