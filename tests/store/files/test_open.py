"""Opening a data folder: a new one, a known one, and external or edited files."""

import gc
import json
import shutil
from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged, Invalid, Unavailable
from app.store import Collection
from app.store.files.disk.filesystem import file_system_of
from app.store.files.disk.locks import ProcessLock
from app.store.files.folder.open import SMALL_FOLDER_MAX_BYTES, is_small, prepare_folder
from app.store.files.store import JsonFileStore
from app.store.files.tools.read_only import open_read_only
from tests.durability.disk import OPEN, Disk, Step
from tests.store.conftest import OpenStore
from tests.store.faults import no_rights, open_files
from tests.store.journal_lines import checkpoint, journal_of, segments
from tests.store.shop import (
    COLLECTIONS,
    NOTES,
    ORDERS,
    all_orders,
    get_order,
    ids,
    order,
    put_orders,
)
from tests.transactions import transaction

GUESTS = Collection(name="guests", key="guest_id")


@pytest.fixture
def known(folder: Path) -> Path:
    """The path of orders.json in a closed folder of a store with two orders."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a"), order("b"))
    checkpoint(store)
    store.close()
    return folder / "orders.json"


@pytest.fixture
def external(folder: Path) -> Path:
    """The path of orders.json in a folder that no store has opened yet."""
    folder.mkdir()
    return folder / "orders.json"


def test_closing_gives_every_descriptor_back(known: Path) -> None:
    """Of the checkpoint files, too, which are mapped; the garbage collector is not needed."""
    gc.disable()
    try:
        store = JsonFileStore(known.parent, COLLECTIONS)
        assert len(all_orders(store)) == 2
        assert open_files(known.parent) != []
        store.close()
        assert open_files(known.parent) == []
    finally:
        gc.enable()


def test_folder_is_made_with_its_parents_for_the_owner_only(tmp_path: Path) -> None:
    """A missing data folder is created with its parents; other users have no access."""
    folder = tmp_path / "deep" / "data"
    JsonFileStore(folder, COLLECTIONS).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.*json")} == {0o600}


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The error names a file that has the folder's name, without its path."""
    (tmp_path / "data").write_text("")
    with pytest.raises(Unavailable) as caught:
        JsonFileStore(tmp_path / "data", COLLECTIONS)
    assert str(caught.value) == "data is not a folder; set DAYBOOK_DATA to one."


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("journal", 0),
        ("journal", 0o500),
        ("journal/00000001.ndjson", 0),
        ("journal/00000001.ndjson", 0o400),
        ("orders.json", 0),
        ("store.lock", 0),
        (".", 0),
        (".", 0o500),
    ],
)
def test_missing_permission_names_the_file(
    known: Path, open_store: OpenStore, name: str, mode: int
) -> None:
    """The error names the file and the missing permission, without a path."""
    folder = known.parent
    shutil.rmtree(folder)
    journal_of(folder, "a")
    with no_rights(folder / name, mode), pytest.raises(Unavailable) as caught:
        open_store()
    message = str(caught.value)
    assert message.startswith(f"Permission denied for {name if name != '.' else 'data'}")
    assert str(folder.parent) not in message
    assert get_order(open_store(), "a") == order("a")


def test_folder_that_lost_its_journal_is_refused(known: Path, open_store: OpenStore) -> None:
    """It is not taken for a fresh clone: orders of the journal would be gone without a word."""
    for segment in segments(known.parent):
        segment.unlink()
    with pytest.raises(Damaged, match="All segments of journal/ are missing"):
        open_store()


def test_network_file_system_is_refused(folder: Path) -> None:
    """Where locks do not hold the start is refused, with the setting to change."""
    prepare_folder(folder)
    here = file_system_of(folder)
    assert here
    with pytest.raises(Unavailable, match=rf"network file system \({here}\).*DAYBOOK_DATA"):
        prepare_folder(folder, refused={here})


def test_external_file_is_adopted(external: Path, open_store: OpenStore) -> None:
    """Without a journal a file is adopted, whatever its layout, with keys first or not."""
    documents = [{"total": "2", "placed": "2", "order_id": "b"}, order("a", placed="1", text="ü")]
    external.write_text(json.dumps(documents, indent=4))
    store = open_store()
    with store.read() as view:
        assert ids(view.find("orders").documents) == ["a", "b"]
    assert get_order(store, "b") == documents[0]
    lines = external.read_text().splitlines()
    assert [line[:15] for line in lines] == ["[", '{"order_id":"a"', '{"order_id":"b"', "]"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("{}", "array"),
        ('[{"order_id":"a","total":"1"},]', "line 1"),
        ('[\n{"order_id":"a","total":"1"},\n\n7]', "line 4: order_id is missing"),
        ('[\n{"total":"1"}]', "line 2: order_id is missing"),
        ('[\n{"order_id":"","total":"1"}]', "line 2: order_id is missing"),
        ('[\n{"order_id":"a","total":"x"}]', "line 2: order_id a: total: must be a text of digits"),
        ('[\n{\n"order_id":"a","total":1}]', "line 2: order_id a: total: must be"),
        ('[{"order_id":"a","total":"1"},\n{"order_id":"a","total":"1"}]', "line 2.*a stands twice"),
        ('[{"order_id":"a","total":"1","skus":7}]', "order_id a: a member is missing or of anot"),
        ('[{"order_id":"a","order_id":"b","total":"1"}]', "occurs twice"),
        ('[{"order_id":"a","total":"1","n":NaN}]', "NaN"),
        ('[{"order_id":"a","total":"1","n":99999999999999999999}]', "64 bits"),
        ('[{"order_id":"a","total":"1","n":"\\ud800"}]', "surrogate"),
    ],
)
def test_bad_external_file_is_refused(
    external: Path, open_store: OpenStore, text: str, reason: str
) -> None:
    """The refusal names file, line and reason, and the file stays as it was."""
    external.write_text(text)
    with pytest.raises(Invalid, match=rf"(?s)orders\.json.*{reason}"):
        open_store()
    assert external.read_text() == text


def test_external_files_must_agree(external: Path, open_store: OpenStore) -> None:
    """Files that contradict each other are refused, and all stay as they were."""
    external.write_text('[{"order_id":"a","total":"1","number":5}]')
    notes = external.with_name("notes.json")
    notes.write_text('[\n{"note_id":"n","of":"b","number":5}]')
    with pytest.raises(Invalid, match=r"^notes.json, line 2: order number 5 belongs to a already"):
        open_store()
    assert external.read_text() == '[{"order_id":"a","total":"1","number":5}]'


def test_numbers_continue_after_those_of_external_files(
    external: Path, open_store: OpenStore
) -> None:
    """Counters that are too low are refused; missing ones are computed."""
    external.write_text('[{"order_id":"a","total":"1","number":5}]')
    counters = external.with_name("counters.json")
    counters.write_text('[\n{"name":"order","value":4}]')
    with pytest.raises(Invalid, match=r"counters.json, line 2: order is below 5"):
        open_store()
    counters.unlink()
    with transaction(open_store()) as tx:
        assert tx.next_number("order") == 6


def test_refusal_names_the_first_faults_only(external: Path, open_store: OpenStore) -> None:
    """An error lists at most twenty faults of a file."""
    external.write_text(json.dumps([order(f"{n}", total="x") for n in range(1000)], indent=0))
    with pytest.raises(Invalid) as caught:
        open_store()
    assert len(caught.value.problems) == 20


def test_large_external_file_is_adopted(external: Path, open_store: OpenStore) -> None:
    """The work grows with the file, not with its square: 20,000 orders are adopted."""
    external.write_text(
        json.dumps([order(f"{n:05}", text="x" * 100) for n in range(20_000)], indent=1)
    )
    with open_store().read() as view:
        assert view.count("orders") == 20_000


@pytest.mark.parametrize("damage", ["edited", "shorter", "replaced"])
def test_edited_file_is_refused_and_named(known: Path, open_store: OpenStore, damage: str) -> None:
    """The start refuses a file that was changed by hand, names it and says what to do."""
    text = known.read_text()
    known.write_text(
        {"edited": text.replace('"1"', '"2"', 1), "shorter": text[:-3], "replaced": "[]"}[damage]
    )
    with pytest.raises(
        Damaged, match=r"orders\.json is not as .*stop the service.*flask check --accept"
    ):
        open_store()


def test_rewritten_file_with_the_same_bytes_is_accepted(known: Path, open_store: OpenStore) -> None:
    """A file is recognised by its content, not by its inode."""
    data = known.read_bytes()
    known.unlink()
    known.write_bytes(data)
    assert sorted(all_orders(open_store())) == ["a", "b"]


@pytest.mark.parametrize("text", [None, ""], ids=["missing", "empty"])
def test_missing_or_empty_file_is_refused(
    known: Path, open_store: OpenStore, text: str | None
) -> None:
    """A file with a record must exist: no order disappears unnoticed."""
    known.unlink()
    if text is not None:
        known.write_text(text)
    with pytest.raises(Damaged, match=r"orders\.json is missing or empty"):
        open_store()


def test_failed_opening_releases_everything(known: Path, open_store: OpenStore) -> None:
    """After a refusal no file or lock stays open, and the corrected folder opens."""
    data = known.read_bytes()
    known.write_text("[]")
    for _ in range(3):
        with pytest.raises(Damaged):
            open_store()
    assert open_files(known.parent) == []
    known.write_bytes(data)
    put_orders(open_store(), order("c"))


def test_new_collection_is_added_to_a_known_folder(known: Path, open_store: OpenStore) -> None:
    """The file of a collection that a later version adds is created and gets a record at once."""
    store = open_store(collections=(*COLLECTIONS, GUESTS))
    store.close()
    guests = known.with_name("guests.json")
    assert guests.read_text() == "[\n]\n"
    guests.write_text('[{"guest_id":"g"}]')
    with pytest.raises(Damaged, match=r"guests\.json is not as"):
        open_store(collections=(*COLLECTIONS, GUESTS))


def test_file_of_a_new_collection_is_adopted(known: Path, open_store: OpenStore) -> None:
    """An external file of a new collection is validated and adopted."""
    known.with_name("guests.json").write_text('[\n{"name":"G"}\n]')
    with pytest.raises(Invalid, match=r"guests\.json, line 2: guest_id is missing"):
        open_store(collections=(*COLLECTIONS, GUESTS))
    known.with_name("guests.json").write_text('[\n{"guest_id":"g"}\n]')
    for _ in range(2):
        store = open_store(collections=(*COLLECTIONS, GUESTS))
        with store.read() as view:
            assert view.get("guests", "g") == {"guest_id": "g"}
        store.close()
    assert sorted(all_orders(open_store())) == ["a", "b"]


def test_unknown_documents_in_the_journal_are_refused(folder: Path, open_store: OpenStore) -> None:
    """An older version refuses a journal with documents it does not know, and loses none."""
    journal_of(folder, "a")
    with pytest.raises(Damaged, match=r"does not know \(orders\)"):
        open_store(collections=(NOTES,))
    assert sorted(all_orders(open_store())) == ["a"]


def test_older_version_keeps_the_files_that_it_does_not_know(
    known: Path, open_store: OpenStore
) -> None:
    """Files of other collections keep their records when a version without them writes."""
    store = open_store(collections=(NOTES,))
    for n in range(3):
        with transaction(store) as tx:
            tx.put("notes", {"note_id": f"{n}"})
        checkpoint(store)
    store.close()
    assert sorted(all_orders(open_store())) == ["a", "b"]


def test_held_lock_makes_writers_time_out(folder: Path, open_store: OpenStore) -> None:
    """While another process holds the lock, reads go on and writes raise Unavailable."""
    store = open_store(lock_timeout_s=0.05)
    put_orders(store, order("a"))
    lock = ProcessLock(folder / "store.lock")
    assert lock.acquire()
    with pytest.raises(Unavailable, match="Another process holds the store's lock"):
        put_orders(store, order("b"))
    assert get_order(store, "a") == order("a")
    lock.release()
    put_orders(store, order("b"))
    assert sorted(all_orders(store)) == ["a", "b"]


def test_closed_store_refuses(open_store: OpenStore) -> None:
    """A closed store raises Unavailable, and touches no file."""
    store = open_store()
    put_orders(store, order("a"))
    store.close()
    store.close()
    with pytest.raises(Unavailable):
        put_orders(store, order("b"))
    with pytest.raises(Unavailable):
        get_order(store, "a")
    assert sorted(all_orders(open_store(collections=[ORDERS, NOTES]))) == ["a"]


def test_file_system_is_unknown_without_a_mount_list(tmp_path: Path) -> None:
    """Without a mount list, or with one that lacks the folder, no folder is refused."""
    assert file_system_of(tmp_path, tmp_path / "none") == ""
    (tmp_path / "mounts").write_text("22 1 0:0 / /proc rw - proc proc rw\n")
    assert file_system_of(tmp_path, tmp_path / "mounts") == ""


def test_read_only_view_of_an_older_folder_asks_for_a_start(folder: Path) -> None:
    """A collection that the folder lacks is added by a start of the service only."""
    journal_of(folder, "a")
    drafts = Collection(name="drafts", key="draft_id")
    with (
        pytest.raises(Conflict, match=r"without drafts\.json. Start the service once"),
        open_read_only(folder, (*COLLECTIONS, drafts)),
    ):
        pytest.fail("the folder was opened")


@pytest.mark.parametrize("opened", [1, 2, 3])
def test_opening_goes_on_when_a_checkpoint_replaces_what_it_reads(
    folder: Path, opened: int
) -> None:
    """When the segment to read is removed meanwhile, the whole folder is read again."""
    busy = JsonFileStore(folder, COLLECTIONS)
    put_orders(busy, order("a"))
    first = segments(folder)[0]
    met: list[Step] = []

    def before(step: Step) -> None:
        if step.call == OPEN and step.name == f"journal/{first.name}":
            met.append(step)
            if len(met) == opened:
                checkpoint(busy)

    with Disk(folder, before, reads=True), open_read_only(folder, COLLECTIONS) as view:
        assert view.get("orders", "a") == order("a")
    assert len(met) == opened
    assert not first.exists()
    busy.close()


def test_opening_restores_the_garbage_collector(known: Path, open_store: OpenStore) -> None:
    """Collection is paused while a store opens, and stays off if it was off before."""
    gc.disable()
    try:
        open_store()
        assert not gc.isenabled()
    finally:
        gc.enable()
    open_store()
    assert gc.isenabled()


def test_read_only_view_without_a_journal_asks_for_a_start(external: Path) -> None:
    """A folder without a journal has no records of its files, so a start must create them."""
    with (
        pytest.raises(Conflict, match="Start the service once"),
        open_read_only(external, COLLECTIONS),
    ):
        pytest.fail("the folder was opened")


def test_a_segment_that_a_checkpoint_removes_has_no_size(known: Path) -> None:
    """Another process may remove a segment after it was listed; a link to nothing is alike."""
    segment = known.with_name("journal") / "00000099.ndjson"
    segment.symlink_to(known.with_name("removed"))
    assert is_small(known.parent)
    segment.unlink()
    segment.write_bytes(b"\n" * (SMALL_FOLDER_MAX_BYTES + 1))
    assert not is_small(known.parent)
