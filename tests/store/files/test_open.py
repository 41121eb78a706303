"""Opening a data folder: new ones, known ones, and files that a person brought or edited."""

import gc
import json
import os
import shutil
from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged, Invalid, Unavailable
from app.store import Collection
from app.store.files.disk.filesystem import file_system_of
from app.store.files.disk.locks import ProcessLock
from app.store.files.folder.open import prepare_folder
from app.store.files.store import JsonFileStore
from app.store.files.tools.read_only import look
from tests.durability.disk import OPEN, Disk, Step
from tests.store.conftest import OpenStore
from tests.store.faults import no_rights
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

GUESTS = Collection(name="guests", key="guest_id")


@pytest.fixture
def known(folder: Path) -> Path:
    """orders.json of a folder that a store has written and closed; two orders are in it."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a"), order("b"))
    checkpoint(store)
    store.close()
    return folder / "orders.json"


@pytest.fixture
def brought(folder: Path) -> Path:
    """orders.json of a folder that no store has seen yet."""
    folder.mkdir()
    return folder / "orders.json"


def test_folder_is_made_with_its_parents_for_the_owner_only(tmp_path: Path) -> None:
    """A data folder that does not exist is created; nobody else may look into it."""
    folder = tmp_path / "deep" / "data"
    JsonFileStore(folder, COLLECTIONS).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.*json")} == {0o600}


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A name that is taken by a file is reported, without its path."""
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
def test_what_may_not_be_used_is_named(
    known: Path, open_store: OpenStore, name: str, mode: int
) -> None:
    """A sentence says which file it is and that it is about permissions; it has no path."""
    folder = known.parent
    shutil.rmtree(folder)
    journal_of(folder, "a")
    with no_rights(folder / name, mode), pytest.raises(Unavailable) as caught:
        open_store()
    told = str(caught.value)
    assert told.startswith(f"Permission denied for {name if name != '.' else 'data'}")
    assert str(folder.parent) not in told
    assert get_order(open_store(), "a") == order("a")


def test_network_file_system_is_refused(folder: Path) -> None:
    """Where locks don't hold the start is refused, and says which setting to change."""
    prepare_folder(folder)
    here = file_system_of(folder)
    assert here
    with pytest.raises(Unavailable, match=rf"network file system \({here}\).*DAYBOOK_DATA"):
        prepare_folder(folder, refused={here})


def test_file_from_elsewhere_is_taken_over(brought: Path, open_store: OpenStore) -> None:
    """Without a journal a file is taken as it is, however it is laid out, keys first or not."""
    documents = [{"total": "2", "placed": "2", "order_id": "b"}, order("a", placed="1", text="ü")]
    brought.write_text(json.dumps(documents, indent=4))
    store = open_store()
    with store.read() as view:
        assert ids(view.find("orders").documents) == ["a", "b"]
    assert get_order(store, "b") == documents[0]
    lines = brought.read_text().splitlines()
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
def test_bad_file_from_elsewhere_is_refused(
    brought: Path, open_store: OpenStore, text: str, reason: str
) -> None:
    """The refusal names file, line and reason, and the file stays as it was."""
    brought.write_text(text)
    with pytest.raises(Invalid, match=rf"(?s)orders\.json.*{reason}"):
        open_store()
    assert brought.read_text() == text


def test_files_from_elsewhere_agree_with_each_other(brought: Path, open_store: OpenStore) -> None:
    """A refusal leaves all of them as they were, the good ones too."""
    brought.write_text('[{"order_id":"a","total":"1","number":5}]')
    notes = brought.with_name("notes.json")
    notes.write_text('[\n{"note_id":"n","of":"b","number":5}]')
    with pytest.raises(Invalid, match=r"^notes.json, line 2: order number 5 belongs to a already"):
        open_store()
    assert brought.read_text() == '[{"order_id":"a","total":"1","number":5}]'


def test_numbers_go_on_after_those_from_elsewhere(brought: Path, open_store: OpenStore) -> None:
    """With counters or without them; too low ones are refused."""
    brought.write_text('[{"order_id":"a","total":"1","number":5}]')
    counters = brought.with_name("counters.json")
    counters.write_text('[\n{"name":"order","value":4}]')
    with pytest.raises(Invalid, match=r"counters.json, line 2: order is below 5"):
        open_store()
    counters.unlink()
    with open_store().transaction() as tx:
        assert tx.next_number("order") == 6


def test_refusal_names_the_first_faults_only(brought: Path, open_store: OpenStore) -> None:
    """A file that is wrong from end to end does not give an error as long as itself."""
    brought.write_text(json.dumps([order(f"{n}", total="x") for n in range(1000)], indent=0))
    with pytest.raises(Invalid) as caught:
        open_store()
    assert len(caught.value.problems) == 20


def test_large_file_from_elsewhere_is_taken_over_quickly(
    brought: Path, open_store: OpenStore
) -> None:
    """The work grows with the file, not with its square: 20,000 orders are no matter."""
    brought.write_text(
        json.dumps([order(f"{n:05}", text="x" * 100) for n in range(20_000)], indent=1)
    )
    with open_store().read() as view:
        assert view.count("orders") == 20_000


@pytest.mark.parametrize("damage", ["edited", "shorter", "replaced"])
def test_edited_file_is_refused_and_named(known: Path, open_store: OpenStore, damage: str) -> None:
    """A change by hand is noticed at the start, which names the file and says what to do."""
    text = known.read_text()
    known.write_text(
        {"edited": text.replace('"1"', '"2"', 1), "shorter": text[:-3], "replaced": "[]"}[damage]
    )
    with pytest.raises(
        Damaged, match=r"orders\.json is not as .*stop the service.*flask check --accept"
    ):
        open_store()


def test_edit_that_changes_nothing_is_welcome(known: Path, open_store: OpenStore) -> None:
    """A file that was rewritten with the same bytes is the same file."""
    data = known.read_bytes()
    known.unlink()
    known.write_bytes(data)
    assert sorted(all_orders(open_store())) == ["a", "b"]


@pytest.mark.parametrize("text", [None, ""], ids=["missing", "empty"])
def test_missing_or_empty_file_is_refused(
    known: Path, open_store: OpenStore, text: str | None
) -> None:
    """A file that is on record has to be there: no order disappears in silence."""
    known.unlink()
    if text is not None:
        known.write_text(text)
    with pytest.raises(Damaged, match=r"orders\.json is missing or empty"):
        open_store()


def test_failed_opening_lets_go_of_everything(known: Path, open_store: OpenStore) -> None:
    """After a refusal nothing is held: put right, the folder opens, and no file stays open."""
    data = known.read_bytes()
    known.write_text("[]")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - it is no folder
    for _ in range(3):
        with pytest.raises(Damaged):
            open_store()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - it is no folder
    known.write_bytes(data)
    put_orders(open_store(), order("c"))


def test_new_collection_is_added_to_a_known_folder(known: Path, open_store: OpenStore) -> None:
    """A later version may keep documents of a new kind; its file is on record at once."""
    store = open_store(collections=(*COLLECTIONS, GUESTS))
    store.close()
    guests = known.with_name("guests.json")
    assert guests.read_text() == "[\n]\n"
    guests.write_text('[{"guest_id":"g"}]')
    with pytest.raises(Damaged, match=r"guests\.json is not as"):
        open_store(collections=(*COLLECTIONS, GUESTS))


def test_file_of_a_new_collection_is_taken_over(known: Path, open_store: OpenStore) -> None:
    """A file brought from elsewhere for a new collection is validated and taken."""
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


def test_unknown_documents_in_the_journal_are_not_lost(folder: Path, open_store: OpenStore) -> None:
    """An older version refuses a journal with documents it cannot keep, and loses none of them."""
    journal_of(folder, "a")
    with pytest.raises(Damaged, match=r"does not know \(orders\)"):
        open_store(collections=(NOTES,))
    assert sorted(all_orders(open_store())) == ["a"]


def test_older_version_keeps_the_files_that_it_does_not_know(
    known: Path, open_store: OpenStore
) -> None:
    """Files of other collections stay on record when a version without them writes."""
    store = open_store(collections=(NOTES,))
    for n in range(3):
        with store.transaction() as tx:
            tx.put("notes", {"note_id": f"{n}"})
        checkpoint(store)
    store.close()
    assert sorted(all_orders(open_store())) == ["a", "b"]


def test_held_lock_makes_writers_give_up_in_time(folder: Path, open_store: OpenStore) -> None:
    """While another process holds the lock, reading goes on and writing ends with Unavailable."""
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


def test_transaction_inside_a_transaction_gives_up_in_time(open_store: OpenStore) -> None:
    """A mistake of the caller ends with Unavailable, not with a standstill."""
    store = open_store(lock_timeout_s=0.05)
    with store.transaction() as tx:
        tx.put("orders", order("a"))
        with pytest.raises(Unavailable, match="busy"):
            put_orders(store, order("b"))
    assert sorted(all_orders(store)) == ["a"]


def test_closed_store_refuses(open_store: OpenStore) -> None:
    """Who uses a store after it was closed gets an error, and touches no file."""
    store = open_store()
    put_orders(store, order("a"))
    store.close()
    store.close()
    with pytest.raises(Unavailable):
        put_orders(store, order("b"))
    with pytest.raises(Unavailable):
        get_order(store, "a")
    assert sorted(all_orders(open_store(collections=[ORDERS, NOTES]))) == ["a"]


def test_file_system_is_unknown_where_nothing_tells_it(tmp_path: Path) -> None:
    """Other systems than Linux have no such list, or one without this folder; none is refused."""
    assert file_system_of(tmp_path, tmp_path / "none") == ""
    (tmp_path / "mounts").write_text("22 1 0:0 / /proc rw - proc proc rw\n")
    assert file_system_of(tmp_path, tmp_path / "mounts") == ""


def test_looking_at_an_older_folder_asks_for_a_start(folder: Path) -> None:
    """What the new version keeps besides is added by the store, and by nobody else."""
    journal_of(folder, "a")
    drafts = Collection(name="drafts", key="draft_id")
    with (
        pytest.raises(Conflict, match=r"without drafts\.json. Start the service once"),
        look(folder, (*COLLECTIONS, drafts)),
    ):
        pytest.fail("it was looked at")


@pytest.mark.parametrize("opened", [1, 2, 3])
def test_opening_goes_on_when_a_checkpoint_replaces_what_it_reads(
    folder: Path, opened: int
) -> None:
    """The segment to read is gone when it is opened: everything is read anew."""
    busy = JsonFileStore(folder, COLLECTIONS)
    put_orders(busy, order("a"))
    first = segments(folder)[0]
    met: list[Step] = []

    def before(step: Step) -> None:
        if step.call == OPEN and step.name == f"journal/{first.name}":
            met.append(step)
            if len(met) == opened:
                checkpoint(busy)

    with Disk(folder, before, reads=True), look(folder, COLLECTIONS) as view:
        assert view.get("orders", "a") == order("a")
    assert len(met) == opened
    assert not first.exists()
    busy.close()


def test_opening_leaves_the_collector_as_it_was(known: Path, open_store: OpenStore) -> None:
    """It looks for no garbage meanwhile, and does not switch on what its caller switched off."""
    gc.disable()
    try:
        open_store()
        assert not gc.isenabled()
    finally:
        gc.enable()
    open_store()
    assert gc.isenabled()


def test_looking_at_a_folder_without_a_journal_asks_for_a_start(brought: Path) -> None:
    """Nothing is on record about any of its files."""
    with (
        pytest.raises(Conflict, match="Start the service once"),
        look(brought, COLLECTIONS),
    ):
        pytest.fail("it was looked at")
