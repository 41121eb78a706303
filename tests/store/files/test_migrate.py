"""Upgrades: the documents of an older version, in files and journal, become those of this one."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged, StorageFull, Unavailable
from app.store import Document
from app.store.files.tools.migrate import MigrationReport, migrate
from app.store.files.tools.read_only import open_read_only
from app.store.files.tools.verify import verify
from app.store.files.wal.format import encode_document, encode_transaction
from tests.store.conftest import OpenStore
from tests.store.faults import full_disk, survives
from tests.store.journal_lines import checkpoint, segments, spoil
from tests.store.shop import COLLECTIONS, NOTES, ORDERS, all_orders, note, order, put_orders
from tests.transactions import transaction


def with_status(document: Document) -> Document:
    return {"status": "placed"} | document


def with_shout(document: Document) -> Document:
    return document | {"shout": document["status"].upper()}


MIGRATIONS = ({"orders": with_status}, {"orders": with_shout})
NEW_ORDERS = replace(ORDERS, indexes={"shout": lambda document: [document["shout"]]})
NEW_COLLECTIONS = (NEW_ORDERS, NOTES)
UPGRADED = {
    "a": order("a", total="2", status="placed", shout="PLACED"),
    "b": order("b", status="placed", shout="PLACED"),
    "c": order("c", status="paid", shout="PAID"),
}


@pytest.fixture
def old_shop(open_store: OpenStore) -> None:
    """Version 0: one order in the file, the same one changed and another in the journal alone."""
    store = open_store()
    put_orders(store, order("a"), order("c", status="paid"))
    checkpoint(store)
    put_orders(store, order("a", total="2"), order("b"))
    with transaction(store) as tx:
        note(tx, "n")
    store.close()


def files_of(folder: Path) -> dict[str, bytes]:
    """The readable files and the journal."""
    paths = (*folder.glob("*.json"), *segments(folder))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.usefixtures("old_shop")
class TestOldShop:
    """A folder that an older version kept."""

    def test_every_document_goes_through_every_step(
        self, folder: Path, open_store: OpenStore
    ) -> None:
        """Those in the journal too; and what the new indexes need is there."""
        assert migrate(folder, NEW_COLLECTIONS, MIGRATIONS) == MigrationReport(
            {"orders": 3}, "before-upgrade-to-2"
        )
        store = open_store(collections=NEW_COLLECTIONS)
        assert all_orders(store) == UPGRADED
        with store.read() as view:
            assert view.count("orders", {"shout": "PLACED"}) == 2
            assert view.get("notes", "n") == {"note_id": "n", "text": ""}
        assert verify(folder, NEW_COLLECTIONS).faults == []

    def test_it_is_done_once(self, folder: Path) -> None:
        migrate(folder, NEW_COLLECTIONS, MIGRATIONS)
        before = files_of(folder)
        assert migrate(folder, NEW_COLLECTIONS, MIGRATIONS) is None
        assert files_of(folder) == before

    def test_the_version_outlives_checkpoints(self, folder: Path, open_store: OpenStore) -> None:
        """Each segment that is begun later carries it on."""
        migrate(folder, NEW_COLLECTIONS, MIGRATIONS)
        store = open_store(collections=NEW_COLLECTIONS)
        put_orders(store, order("d", status="paid", shout="PAID"))
        checkpoint(store)
        store.close()
        assert migrate(folder, NEW_COLLECTIONS, MIGRATIONS) is None

    def test_a_copy_of_the_old_folder_is_kept(self, folder: Path, open_store: OpenStore) -> None:
        """The copy is a data folder that the older version opens."""
        before = files_of(folder)
        migrate(folder, NEW_COLLECTIONS, MIGRATIONS)
        copy = folder / "before-upgrade-to-2"
        assert files_of(copy) == before
        copy.rename(folder.with_name("older"))
        with open_read_only(folder.with_name("older"), COLLECTIONS) as view:
            assert view.get("orders", "a") == order("a", total="2")

    def test_one_that_died_is_begun_again(self, folder: Path) -> None:
        """After whichever step, in the middle of any write."""
        for steps in range(60):
            copy = folder.with_name(f"died-after-{steps}")
            shutil.copytree(folder, copy)
            survived = survives(partial(migrate, copy, NEW_COLLECTIONS, MIGRATIONS), steps)
            migrate(copy, NEW_COLLECTIONS, MIGRATIONS)
            with open_read_only(copy, NEW_COLLECTIONS, len(MIGRATIONS)) as view:
                found = {each["order_id"]: each for each in view.find("orders").documents}
            assert found == UPGRADED
            assert files_of(copy / "before-upgrade-to-2") == files_of(folder)
            if survived:
                break
        assert survived
        assert steps > 10

    def test_a_full_disk_changes_nothing(self, folder: Path) -> None:
        before = files_of(folder)
        with full_disk(100), pytest.raises(StorageFull):
            migrate(folder, NEW_COLLECTIONS, MIGRATIONS)
        assert files_of(folder) == before
        assert not list(folder.glob("*before*"))

    def test_a_damaged_folder_is_left_alone(self, folder: Path) -> None:
        """A folder that cannot be read completely is not rewritten."""
        spoil(segments(folder)[-1], 300)
        before = files_of(folder)
        with pytest.raises(Damaged):
            migrate(folder, NEW_COLLECTIONS, MIGRATIONS)
        assert files_of(folder) == before

    def test_a_served_folder_is_left_alone(self, folder: Path, open_store: OpenStore) -> None:
        """The older version still runs on it."""
        assert open_store().lease_shards(timeout_s=1)
        with pytest.raises(Conflict, match="stop it, then start this version"):
            migrate(folder, NEW_COLLECTIONS, MIGRATIONS)

    def test_read_only_open_is_refused(self, folder: Path) -> None:
        """Without writing anything, as documents of another shape could end in a traceback."""
        with (
            pytest.raises(Conflict, match="Start the service once"),
            open_read_only(folder, COLLECTIONS, 2),
        ):
            pass


def test_a_newer_folder_is_refused(folder: Path, open_store: OpenStore) -> None:
    """This version would not know what the documents mean."""
    open_store(schema=3).close()
    with pytest.raises(Unavailable, match="documents of version 3; this one knows 2"):
        migrate(folder, NEW_COLLECTIONS, MIGRATIONS)


def test_a_new_folder_has_nothing_to_upgrade(folder: Path, open_store: OpenStore) -> None:
    assert migrate(folder, NEW_COLLECTIONS, MIGRATIONS) is None
    open_store(schema=2).close()
    assert migrate(folder, NEW_COLLECTIONS, MIGRATIONS) is None
    assert not list(folder.glob("before*"))


def test_report_names_files_counts_and_copy() -> None:
    """Which files, how many documents, and where the copy is."""
    text = str(MigrationReport({"orders": 3, "notes": 1}, "before-upgrade-to-2"))
    assert "(3 in orders.json, 1 in notes.json)" in text
    assert "before-upgrade-to-2/" in text
    assert "(none had to change)" in str(MigrationReport({}, "before-upgrade-to-2"))


def test_a_segment_that_leads_nowhere_is_named(folder: Path, open_store: OpenStore) -> None:
    """No checkpoint has removed it, so it is not looked for again and again."""
    open_store(schema=0).close()
    (folder / "journal" / "00000009.ndjson").symlink_to(folder / "nowhere")
    with pytest.raises(Unavailable, match=r"journal/00000009\.ndjson cannot be used"):
        migrate(folder, NEW_COLLECTIONS, MIGRATIONS)


@pytest.mark.usefixtures("old_shop")
def test_an_unfinished_entry_does_not_keep_from_upgrading(
    folder: Path, open_store: OpenStore
) -> None:
    """A crash of the older version left it, and it was never acknowledged."""
    with segments(folder)[-1].open("ab") as journal:
        journal.write(b'{"crc":"00')
    assert migrate(folder, NEW_COLLECTIONS, MIGRATIONS) is not None
    assert all_orders(open_store(collections=NEW_COLLECTIONS)) == UPGRADED


@pytest.mark.usefixtures("old_shop")
def test_a_transaction_behind_an_unfinished_one_is_not_migrated(
    folder: Path, open_store: OpenStore
) -> None:
    """A crash kept the later of two unsynced entries: neither was acknowledged, so both go."""
    raw = encode_document(order("z", status="paid"))
    with segments(folder)[-1].open("ab") as journal:
        journal.write(b'{"crc":"00\n' + encode_transaction(5, 3, {"orders": [raw]}, {}))
    assert migrate(folder, NEW_COLLECTIONS, MIGRATIONS) is not None
    assert all_orders(open_store(collections=NEW_COLLECTIONS)) == UPGRADED
