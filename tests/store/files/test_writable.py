"""`refuse_unwritable` notices that the store cannot write, and that it can again."""

import os
from pathlib import Path

import pytest

from app.kernel.errors import Damaged, StorageFull, Unavailable
from app.store.files.disk.locks import ProcessLock
from tests.store.conftest import OpenStore
from tests.store.faults import UnreliableDisk, full_disk, no_open_files, no_rights
from tests.store.journal_lines import checkpoint, segments
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


@pytest.mark.parametrize("name", ["newest segment", "orders.json", "store.lock", "journal", "."])
def test_missing_right_is_noticed_before_a_write_fails(
    folder: Path, open_store: OpenStore, name: str
) -> None:
    """Another process may have written a file that this one cannot read."""
    store, other = open_store(), open_store()
    put_orders(other, order("a"))
    checkpoint(other)
    path = segments(folder)[-1] if name == "newest segment" else folder / name
    with no_rights(path), pytest.raises(Unavailable, match="Permission denied"):
        store.refuse_unwritable()
    store.refuse_unwritable()


def test_read_only_folder_is_noticed_before_a_write_fails(
    folder: Path, open_store: OpenStore
) -> None:
    """The kernel makes a disk read-only when its file system fails; what is open stays readable."""
    store = open_store()
    put_orders(store, order("a"))
    with no_rights(folder, 0o500), pytest.raises(Unavailable, match="Permission denied for data/"):
        store.refuse_unwritable()


def test_lock_that_is_never_released_is_noticed(folder: Path, open_store: OpenStore) -> None:
    """The check waits for a part of the time that an order would wait."""
    store, stopped = open_store(lock_timeout_s=3600.0), ProcessLock(folder / "store.lock")
    assert stopped.acquire()
    with pytest.raises(Unavailable, match="Another process holds"):
        store.refuse_unwritable()
    stopped.release()
    store.refuse_unwritable()


def test_journal_that_was_removed_is_noticed(folder: Path, open_store: OpenStore) -> None:
    """A person may remove a segment while the shop runs."""
    store = open_store()
    put_orders(store, order("a"))
    segments(folder)[-1].unlink()
    with pytest.raises(Damaged):
        store.refuse_unwritable()


def test_too_many_open_files_are_no_fault_of_the_disk(open_store: OpenStore) -> None:
    """The error names the limit, what to raise it to and where; then everything goes on."""
    store = open_store()
    with no_open_files() as limit, pytest.raises(Unavailable) as refusal:
        put_orders(store, order("a"))
    assert str(refusal.value) == (
        f"Nothing could be opened while taking the store's lock: too many open files; this process "
        f"may have {limit}. Raise the limit to at least {max(1024, 2 * limit)}: LimitNOFILE in the "
        "unit of the service, or `ulimit -n` in the shell."
    )
    put_orders(store, order("a"))
