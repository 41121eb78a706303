"""Backups: a whole data folder as of one moment, while the service runs."""

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.kernel.errors import Conflict, Damaged, StorageFull, Unavailable
from app.store.files.store import JsonFileStore
from app.store.files.tools.backup import backup
from app.store.files.tools.restore import restore
from app.store.files.tools.verify import verify
from tests.store.conftest import OpenStore
from tests.store.faults import failing_call, full_disk, no_rights, survives
from tests.store.journal_lines import checkpoint
from tests.store.shop import COLLECTIONS, all_orders, note, order, put_orders
from tests.transactions import transaction


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    """Where the backup goes; neither it nor the folder above is there yet."""
    return tmp_path / "backups" / "monday"


def listed(folder: Path) -> dict[str, dict[str, object]]:
    """The files that the manifest of a backup lists."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return dict(manifest["files"])


def left_over(kept: list[Path]) -> Callable[[Path, Path], None]:
    """Stand for os.rename, and leave a second copy of what is renamed, as a kill would."""
    rename = os.rename

    def leave_a_copy(source: Path, target: Path) -> None:
        kept.append(Path(f"{source}0"))
        shutil.copytree(source, kept[0])
        rename(source, target)

    return leave_a_copy


def test_backup_is_a_data_folder(open_store: OpenStore, destination: Path) -> None:
    """The copy opens as any other folder, with what was in the files and in the journal alone."""
    store = open_store()
    put_orders(store, order("a"), order("b"))
    checkpoint(store)
    put_orders(store, order("a", total="2"))
    made = backup(store, destination)
    put_orders(store, order("c"))
    assert made.last_transaction == 2
    assert made.files == len([path for path in destination.rglob("*") if path.is_file()]) == 6
    assert made.bytes == sum(path.stat().st_size for path in destination.rglob("*.*json"))
    assert sorted(listed(destination)) == sorted(
        path.relative_to(destination).as_posix()
        for path in destination.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    )
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


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("loop", "loop exists already"),
        (".", "backups exists already"),
        ("loop/monday", "loop cannot be used while .*: Too many levels of symbolic links"),
        ("x" * 300, "x cannot be used while .*: File name too long"),
    ],
    ids=range(4),
)
def test_a_name_that_no_folder_can_have_is_refused(
    open_store: OpenStore, destination: Path, name: str, error: str
) -> None:
    """Links that lead nowhere, and a name that is too long: the sentence has the name."""
    destination.parent.mkdir()
    (destination.parent / "loop").symlink_to("loop")
    with pytest.raises((Conflict, Unavailable), match=error):
        backup(open_store(), destination.parent / name)


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


def test_the_manifest_has_size_and_checksum(
    folder: Path, open_store: OpenStore, destination: Path
) -> None:
    """Of the files of services, too."""
    store = open_store()
    (folder / "mail" / "new").mkdir(parents=True)
    (folder / "mail" / "new" / "1").write_text("Dear Ada")
    os.mkfifo(folder / "mail" / "queue")
    backup(store, destination)
    checksum = hashlib.sha256(b"Dear Ada").hexdigest()
    assert listed(destination)["mail/new/1"] == {"bytes": 8, "sha256": checksum}
    assert "mail/queue" not in listed(destination)


def test_a_database_is_copied_as_of_one_moment(
    folder: Path, open_store: OpenStore, destination: Path
) -> None:
    """With the rows that only its WAL file has; the copy needs no other file."""
    store = open_store()
    (folder / "gateway").mkdir()
    (folder / "gateway" / "new.sqlite").touch()
    with closing(sqlite3.connect(folder / "gateway" / "account.sqlite")) as database:
        database.executescript("PRAGMA journal_mode=WAL; CREATE TABLE requests (key TEXT)")
        database.execute("INSERT INTO requests VALUES ('a')")
        database.commit()
        assert (folder / "gateway" / "account.sqlite-wal").stat().st_size
        backup(store, destination)
    copies = sorted((destination / "gateway").iterdir())
    assert [path.name for path in copies] == ["account.sqlite", "new.sqlite"]
    copies[0].rename(copies[0].with_suffix(".copy"))
    with closing(sqlite3.connect(copies[0].with_suffix(".copy"))) as database:
        assert database.execute("SELECT key FROM requests").fetchall() == [("a",)]


def test_a_damaged_database_is_reported(
    folder: Path, open_store: OpenStore, destination: Path
) -> None:
    store = open_store()
    (folder / "gateway").mkdir()
    (folder / "gateway" / "account.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable, match=r"gateway/account\.sqlite cannot be copied: file is not"):
        backup(store, destination)
    assert list(destination.parent.iterdir()) == []


def test_what_a_killed_backup_left_goes_with_the_next(
    open_store: OpenStore, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that is still being made, by another process, stays."""
    store = open_store()
    left: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", left_over(left))
        backup(store, destination)
    running = left[0].with_name(".daybook-backup.running")
    running.mkdir()
    fd = os.open(running, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    backup(store, destination.with_name("tuesday"))
    os.close(fd)
    names = {path.name for path in destination.parent.iterdir()}
    assert names == {"monday", "tuesday", ".daybook-backup.running"}


def test_two_backups_at_once_do_not_remove_each_other(
    open_store: OpenStore, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when another one removes the folder before it is locked."""
    store = open_store()
    opened, removed = os.open, list[str]()

    def remove_first(path: str | Path, flags: int, *more: Any, **options: Any) -> int:
        if ".daybook-backup." in str(path) and not removed:
            removed.append(str(path))
            Path(path).rmdir()
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", remove_first)
    backup(store, destination)
    assert removed
    assert verify(destination, COLLECTIONS).faults == []


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(
    open_store: OpenStore, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one stays, and nothing else does."""
    store, rename = open_store(), os.rename

    def taken_meanwhile(source: Path, target: Path) -> None:
        Path(target).mkdir()
        (Path(target) / "other").touch()
        rename(source, target)

    monkeypatch.setattr(os, "rename", taken_meanwhile)
    with pytest.raises(Conflict, match="Another process has made monday/ meanwhile"):
        backup(store, destination)
    assert [path.name for path in destination.parent.rglob("*")] == ["monday", "other"]


def test_a_rename_that_fails_leaves_nothing(open_store: OpenStore, destination: Path) -> None:
    store = open_store()
    with failing_call("rename", 1), pytest.raises(Unavailable, match="Input/output error"):
        backup(store, destination)
    assert list(destination.parent.iterdir()) == []


def test_a_failing_disk_is_noticed(
    open_store: OpenStore, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the sync of the file system, which reports writes that failed after the copy."""
    store = open_store()

    def fail(_fd: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(syncfs=fail))
    with pytest.raises(Unavailable, match="Input/output error"):
        backup(store, destination)
    assert list(destination.parent.iterdir()) == []


def test_a_backup_that_dies_leaves_nothing_or_all(
    open_store: OpenStore, destination: Path, tmp_path: Path
) -> None:
    """After whichever step; and it can be run again."""
    store = open_store()
    put_orders(store, order("a"))
    checkpoint(store)
    for steps in range(20):
        survived = survives(partial(backup, store, destination), steps)
        if not destination.exists():
            backup(store, destination)
        restore(destination, tmp_path / f"restored-{steps}", COLLECTIONS)
        shutil.rmtree(destination)
        if survived:
            break
    assert survived
    assert steps > 3


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
            with transaction(store) as tx:
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
