"""Restoring: a backup becomes the data folder, verified, whole or not at all."""

import ctypes
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.kernel.errors import Conflict, Damaged, Invalid, StorageFull, Unavailable
from app.store.files.tools.backup import backup
from app.store.files.tools.restore import (
    RestoreReport,
    refuse_unfinished_restore,
    restore,
)
from tests.store.conftest import OpenStore
from tests.store.faults import full_disk, no_rights, survives
from tests.store.journal_lines import checkpoint, segments, spoil
from tests.store.shop import COLLECTIONS, all_orders, order, put_orders

ORDERS = {"a": order("a", total="2"), "b": order("b"), "c": order("c", text="x" * 5000)}


@pytest.fixture
def monday(tmp_path: Path, open_store: OpenStore) -> Path:
    """A backup; the data folder that it is of is lost."""
    store = open_store()
    put_orders(store, order("a"), ORDERS["b"])
    checkpoint(store)
    put_orders(store, ORDERS["a"])
    put_orders(store, ORDERS["c"])
    (store.folder / "mail" / "new").mkdir(parents=True)
    (store.folder / "mail" / "new" / "1").write_text("Dear Ada")
    backup(store, tmp_path / "monday")
    store.close()
    shutil.rmtree(store.folder)
    return tmp_path / "monday"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_restored_folder_is_the_shop_again(
    monday: Path, folder: Path, open_store: OpenStore
) -> None:
    """Orders of files and journal, and the mail; it may be written to; the backup stays."""
    before = sorted(monday.rglob("*"))
    restored = restore(monday, folder, COLLECTIONS)
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert restored == RestoreReport(len(files), size, documents=2, last_transaction=3)
    store = open_store()
    assert all_orders(store) == ORDERS
    put_orders(store, order("d"))
    assert (folder / "mail/new/1").read_text() == "Dear Ada"
    assert sorted(monday.rglob("*")) == before


def test_nobody_else_may_read_it(monday: Path, folder: Path) -> None:
    """The modes of the backup's files do not matter."""
    for path in monday.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    restore(monday, folder, COLLECTIONS)
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o600}
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_every_flipped_byte_is_noticed(monday: Path, folder: Path) -> None:
    """In any file and any line of the journal; then nothing is restored, under no name."""
    paths = [path for path in monday.rglob("*") if path.is_file()]
    for path in paths:
        sound = path.read_bytes()
        for offset in range(0, len(sound), 1 + len(sound) // 7):
            spoil(path, offset, b"$")
            with pytest.raises(Damaged):
                restore(monday, folder, COLLECTIONS)
            path.write_bytes(sound)
    assert names(folder.parent) == ["monday"]


def test_a_missing_file_is_noticed(monday: Path, folder: Path) -> None:
    (monday / "orders.json").unlink()
    with pytest.raises(Damaged, match=r"orders\.json is missing"):
        restore(monday, folder, COLLECTIONS)


def test_a_journal_without_segments_is_noticed(monday: Path, folder: Path) -> None:
    """As a copy has that was cut short; with a manifest and without."""
    for path in segments(monday):
        path.unlink()
    with pytest.raises(Damaged, match=r"journal/ is empty; journal/\d+\.ndjson is missing"):
        restore(monday, folder, COLLECTIONS)
    (monday / "manifest.json").unlink()
    with pytest.raises(Damaged, match="journal/ is empty"):
        restore(monday, folder, COLLECTIONS, needs_manifest=False)
    assert names(folder.parent) == ["monday"]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("mail/new/1", None, "mail/new/1 is missing"),
        ("mail/new/2", "Dear Eve", r"mail/new/2 is not in manifest\.json"),
        ("mail/new/1", "Dear Ada.", "mail/new/1 has 9 bytes, and had 8"),
        ("mail/new/1", "Dear Eve", "mail/new/1 was changed"),
    ],
)
def test_a_changed_mail_is_noticed(
    monday: Path, folder: Path, name: str, content: str | None, fault: str
) -> None:
    """The store has no checksum of it, but the manifest has."""
    if content is None:
        (monday / name).unlink()
    else:
        (monday / name).write_text(content)
    with pytest.raises(Damaged, match=f"nothing was restored: {fault}"):
        restore(monday, folder, COLLECTIONS)
    assert names(folder.parent) == ["monday"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": {"a": 1}}', '{"files": {}}'])
def test_a_damaged_manifest_is_refused(monday: Path, folder: Path, content: str) -> None:
    (monday / "manifest.json").write_text(content)
    with pytest.raises(Damaged, match=r"manifest\.json is not as it was written"):
        restore(monday, folder, COLLECTIONS)


def test_a_backup_without_manifest_has_to_be_named_so(
    monday: Path, folder: Path, open_store: OpenStore
) -> None:
    """It is of an older version, or not whole; then the store's own checksums are verified."""
    (monday / "manifest.json").unlink()
    with pytest.raises(Damaged, match="--without-manifest"):
        restore(monday, folder, COLLECTIONS)
    restore(monday, folder, COLLECTIONS, needs_manifest=False)
    assert all_orders(open_store()) == ORDERS


def test_what_a_killed_backup_left_is_no_backup(monday: Path, folder: Path) -> None:
    left = monday.rename(monday.with_name(".daybook-backup.0"))
    with pytest.raises(Invalid, match="was left by a command that was interrupted"):
        restore(left, folder, COLLECTIONS)


def test_no_shop_begins_beside_a_killed_restore(monday: Path, folder: Path) -> None:
    """A service that starts by itself would take orders without those of the backup."""
    left = folder.with_name(f".daybook-restore-{folder.name}.0")
    left.mkdir()
    with pytest.raises(Conflict, match="If it was interrupted, run `flask restore` again"):
        refuse_unfinished_restore(folder)
    restore(monday, folder, COLLECTIONS)
    refuse_unfinished_restore(folder)
    assert names(folder.parent) == ["data", "monday"]
    left.mkdir()
    refuse_unfinished_restore(folder)  # of another time: this folder is a shop


def test_a_service_that_started_meanwhile_keeps_its_folder(
    monday: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is removed."""

    def start_a_shop(_library: None, **_: object) -> SimpleNamespace:
        folder.mkdir(exist_ok=True)
        (folder / "counters.json").write_text("[1]")
        return SimpleNamespace(syncfs=lambda _fd: 0)

    monkeypatch.setattr(ctypes, "CDLL", start_a_shop)
    with pytest.raises(Conflict, match="data/ holds something"):
        restore(monday, folder, COLLECTIONS)
    assert names(folder) == ["counters.json"]


def test_no_shop_is_replaced(monday: Path, folder: Path, open_store: OpenStore) -> None:
    """Neither a closed one nor one that is open."""
    store = open_store()
    store.close()
    before = names(folder)
    with pytest.raises(Conflict, match=r"data/ holds something, and nothing is overwritten"):
        restore(monday, folder, COLLECTIONS)
    assert open_store().lease_shards(timeout_s=1)
    with pytest.raises(Conflict, match="The service runs on data/"):
        restore(monday, folder, COLLECTIONS)
    assert names(folder) == sorted({*before, "leader.lock"})


@pytest.mark.parametrize("content", ["[]", "[\n]\n"])
def test_the_empty_files_of_a_clone_are_nothing(monday: Path, folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "orders.json").write_text(content)
    restore(monday, folder, COLLECTIONS)
    assert (folder / "orders.json").read_bytes() == (monday / "orders.json").read_bytes()


@pytest.mark.parametrize("name", ["orders.json", "letter.txt"])
def test_anything_else_is_something(monday: Path, folder: Path, name: str) -> None:
    """An order in a file that no service has opened yet, or what is none of ours."""
    folder.mkdir()
    (folder / name).write_text('[{"order_id": "x"}]')
    with pytest.raises(Conflict, match="holds something"):
        restore(monday, folder, COLLECTIONS)
    assert names(folder) == [name]


@pytest.mark.parametrize("name", ["nowhere", "letters", "loop"])
def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path, folder: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "orders.json").write_text("[]")
    with pytest.raises(Invalid, match="There is no backup in"):
        restore(tmp_path / name, folder, COLLECTIONS)


def test_a_shop_that_is_served_is_no_backup(
    tmp_path: Path, folder: Path, open_store: OpenStore
) -> None:
    """A copy of it file by file would be of no one moment."""
    assert open_store().lease_shards(timeout_s=1)
    with pytest.raises(Conflict, match="and no backup"):
        restore(folder, tmp_path / "other", COLLECTIONS)


def test_without_room_nothing_is_left(monday: Path, folder: Path) -> None:
    with full_disk(4000), pytest.raises(StorageFull):
        restore(monday, folder, COLLECTIONS)
    assert names(folder.parent) == ["monday"]


def test_without_the_right_to_write_it_says_so(monday: Path, folder: Path) -> None:
    with no_rights(folder.parent, 0o500), pytest.raises(Unavailable, match="Permission denied"):
        restore(monday, folder, COLLECTIONS)


def test_one_that_died_left_nothing_or_all(
    monday: Path, folder: Path, open_store: OpenStore
) -> None:
    """After whichever step; and it can be run again."""
    for steps in range(40):
        shutil.rmtree(folder, ignore_errors=True)
        survived = survives(partial(restore, monday, folder, COLLECTIONS), steps)
        if not folder.exists():
            restore(monday, folder, COLLECTIONS)
        store = open_store()
        assert all_orders(store) == ORDERS
        store.close()
        if survived:
            break
    assert survived
    assert steps > 5


def test_links_are_left_out(monday: Path, folder: Path) -> None:
    """They lead out of the backup, and were not in it when it was made."""
    (monday / "mail" / "elsewhere").symlink_to(monday.parent)
    restore(monday, folder, COLLECTIONS)
    assert names(folder / "mail") == ["new"]
