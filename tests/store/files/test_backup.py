"""Backups: a whole data folder as of one moment, while the service runs."""

import threading
from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged, StorageFull, Unavailable
from app.store.files.store import JsonFileStore
from app.store.files.tools.backup import backup
from app.store.files.tools.verify import verify
from tests.store.conftest import OpenStore
from tests.store.faults import full_disk, no_rights
from tests.store.journal_lines import checkpoint
from tests.store.shop import COLLECTIONS, all_orders, note, order, put_orders


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    """Where the backup goes; neither it nor the folder above is there yet."""
    return tmp_path / "backups" / "monday"


def test_backup_is_a_data_folder(open_store: OpenStore, destination: Path) -> None:
    """The copy opens as any other folder, with what was in the files and in the journal alone."""
    store = open_store()
    put_orders(store, order("a"), order("b"))
    checkpoint(store)
    put_orders(store, order("a", total="2"))
    made = backup(store, destination)
    put_orders(store, order("c"))
    assert made.last_transaction == 2
    assert made.files == len([path for path in destination.rglob("*") if path.is_file()]) == 5
    assert made.bytes == sum(path.stat().st_size for path in destination.rglob("*.*json"))
    assert verify(destination, COLLECTIONS).faults == []
    copy = JsonFileStore(destination, COLLECTIONS)
    assert all_orders(copy) == {"a": order("a", total="2"), "b": order("b")}
    copy.close()


def test_backup_has_the_files_of_other_versions_too(
    open_store: OpenStore, destination: Path
) -> None:
    """Collections that this version does not know are copied like the others."""
    store = open_store()
    put_orders(store, order("a"))
    checkpoint(store)
    store.close()
    backup(open_store(collections=COLLECTIONS[1:]), destination)
    copy = JsonFileStore(destination, COLLECTIONS)
    assert sorted(all_orders(copy)) == ["a"]
    copy.close()


def test_backup_does_not_overwrite(open_store: OpenStore, destination: Path) -> None:
    """A folder of that name is left alone."""
    destination.mkdir(parents=True)
    with pytest.raises(Conflict, match="monday exists already"):
        backup(open_store(), destination)


@pytest.mark.parametrize("name", ["copy", "journal/copy", "../data/copy"])
def test_backup_does_not_lie_in_what_it_copies(
    folder: Path, open_store: OpenStore, name: str
) -> None:
    """A backup inside the data folder would be lost together with it."""
    store = open_store()
    before = sorted(folder.rglob("*"))
    with pytest.raises(Conflict, match="copy would lie in the data folder"):
        backup(store, folder / name)
    assert sorted(folder.rglob("*")) == before


def test_backup_that_cannot_be_written_says_where(open_store: OpenStore, destination: Path) -> None:
    """It is the place that the user gave, not the data folder."""
    store = open_store()
    with no_rights(destination.parents[1], 0o500), pytest.raises(Unavailable) as refused:
        backup(store, destination)
    name = destination.parents[1].name
    assert str(refused.value).startswith(f"Nothing can be written to {name}/ by this user")


def test_backup_has_what_services_keep_beside(
    folder: Path, open_store: OpenStore, destination: Path
) -> None:
    """Mail, say; but nothing that is still being written, or that stands elsewhere."""
    store = open_store()
    for name in ("new", "tmp"):
        (folder / "mail" / name).mkdir(parents=True)
        (folder / "mail" / name / "1").write_text("Dear Ada")
    (folder / "mail" / "elsewhere").symlink_to(folder / "mail" / "new")
    backup(store, destination)
    found = [path.relative_to(destination) for path in (destination / "mail").rglob("*")]
    assert sorted(map(str, found)) == ["mail/new", "mail/new/1", "mail/tmp"]
    assert (destination / "mail/new/1").read_text() == "Dear Ada"


def test_backup_without_room_leaves_nothing(open_store: OpenStore, destination: Path) -> None:
    """When the disk is full there is no half backup, under no name."""
    store = open_store()
    put_orders(store, order("a", text="x" * 5000))
    with full_disk(4000), pytest.raises(StorageFull):
        backup(store, destination)
    assert list(destination.parent.iterdir()) == []
    backup(store, destination)


def test_edited_file_is_not_backed_up(
    folder: Path, open_store: OpenStore, destination: Path
) -> None:
    """A copy that would not open again is refused at once."""
    store = open_store()
    (folder / "orders.json").write_text("[]")
    with pytest.raises(Damaged, match=r"orders\.json"):
        backup(store, destination)
    assert not destination.exists()


def test_backups_of_a_busy_service_are_consistent(open_store: OpenStore, destination: Path) -> None:
    """Each backup shows one moment: the two halves of every transaction, up to the same one."""
    store = open_store()
    stop = threading.Event()

    def work() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            with store.transaction() as tx:
                tx.put("orders", order(f"{n}"))
                note(tx, f"{n}")
            if n % 7 == 0:
                checkpoint(store)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        made = [backup(store, destination.with_name(f"{n}")) for n in range(8)]
    finally:
        stop.set()
        worker.join()
    for n, each in enumerate(made):
        copy = JsonFileStore(destination.with_name(f"{n}"), COLLECTIONS)
        expected = {f"{number}" for number in range(1, each.last_transaction + 1)}
        with copy.read() as view:
            assert set(view.keys("orders")) == set(view.keys("notes")) == expected
        copy.close()
