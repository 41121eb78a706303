"""A damaged journal is made anew from what can be read, and what is lost is told."""

from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged
from app.store.files.store import JsonFileStore
from app.store.files.tools.repair import salvage
from app.store.files.tools.verify import inspect
from tests.store.conftest import OpenStore
from tests.store.journal_lines import checkpoint, journal_of, segments, spoil
from tests.store.shop import COLLECTIONS, all_orders, note, order, put_orders


def test_lost_transaction_is_named_and_the_rest_is_kept(
    folder: Path, open_store: OpenStore
) -> None:
    """The refusal names file and byte; after the repair the store opens with everything else."""
    starts = journal_of(folder, "abc")
    spoil(segments(folder)[-1], starts[1] + 60)
    name = segments(folder)[-1].name
    with pytest.raises(Damaged, match=f"journal/{name} is damaged at byte {starts[1]}"):
        open_store()
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    (lost,) = salvaged.lost
    assert (lost.file, lost.offset) == (f"journal/{name}", starts[1])
    assert lost.text.startswith("Transaction 2 is lost.")
    store = open_store()
    assert sorted(all_orders(store)) == ["a", "c"]
    put_orders(store, order("d"))
    checkpoint(store)
    assert inspect(folder, COLLECTIONS).findings == []
    assert (folder / salvaged.aside / name).stat().st_size > starts[2]


def test_segment_that_is_gone_is_told(folder: Path, open_store: OpenStore) -> None:
    """Its transactions are named by their numbers; what comes after them is kept."""
    store = open_store()
    put_orders(store, order("a"))
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    put_orders(store, order("b"))
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    put_orders(store, order("c"))
    store.close()
    segments(folder)[1].unlink()
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    assert [each.text for each in salvaged.lost] == ["Transaction 2 is missing."]
    assert sorted(all_orders(open_store())) == ["a", "c"]


def test_file_that_nothing_is_on_record_about_is_taken_and_told(
    folder: Path, open_store: OpenStore
) -> None:
    """A damaged header takes with it what the files were; they are judged by the rules alone."""
    journal_of(folder, "ab")
    spoil(segments(folder)[-1], 30)
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    told = {each.file for each in salvaged.lost}
    assert {"orders.json", "notes.json"} <= told
    assert sorted(all_orders(open_store())) == ["a", "b"]


def test_deleted_stays_deleted(folder: Path, open_store: OpenStore) -> None:
    """What the journal takes away is taken away from the file."""
    store = open_store()
    put_orders(store, order("a"), order("b"))
    checkpoint(store)
    with store.transaction() as tx:
        tx.delete("orders", "a")
    put_orders(store, order("c"))
    offset = segments(folder)[-1].stat().st_size
    put_orders(store, order("d"))
    put_orders(store, order("e"))
    store.close()
    spoil(segments(folder)[-1], offset + 60)
    assert salvage(folder, COLLECTIONS) is not None
    assert sorted(all_orders(open_store())) == ["b", "c", "e"]


def test_sound_journal_is_left_alone(folder: Path) -> None:
    """Nothing is written, nothing put aside."""
    journal_of(folder, "ab")
    assert salvage(folder, COLLECTIONS) is None
    assert not list(folder.glob("damaged-*"))


def test_running_service_is_not_repaired(folder: Path, open_store: OpenStore) -> None:
    """The journal is not taken from under it."""
    starts = journal_of(folder, "abc")
    store = open_store()
    store.lead(timeout_s=0)
    spoil(segments(folder)[-1], starts[1] + 60)
    with pytest.raises(Conflict, match="stop it, then repair the journal"):
        salvage(folder, COLLECTIONS)


def test_second_repair_puts_the_journal_beside_the_first(folder: Path) -> None:
    """Nothing that was put aside is written over."""
    for _ in range(2):
        starts = journal_of(folder, "abc")
        spoil(segments(folder)[-1], starts[1] + 60)
        assert salvage(folder, COLLECTIONS) is not None
    assert {each.name for each in folder.glob("damaged-*")} == {"damaged-1", "damaged-2"}


def numbered(folder: Path, names: str) -> list[int]:
    """Place an order with a number for each letter; returns where each line begins."""
    store = JsonFileStore(folder, COLLECTIONS)
    starts = []
    for name in names:
        starts.append(segments(folder)[-1].stat().st_size)
        with store.transaction() as tx:
            tx.put("orders", order(name, number=tx.next_number("order", 1001)))
    note_down(store, "n")
    note_down(store, "m")
    store.close()
    return starts


def note_down(store: JsonFileStore, note_id: str) -> None:
    """A transaction that gives out nothing."""
    with store.transaction() as tx:
        note(tx, note_id)


def next_number(store: JsonFileStore) -> int:
    """What the next order is given."""
    with store.transaction() as tx:
        return tx.next_number("order", 1001)


@pytest.mark.parametrize("place", [b'"total"', b'"order_id"', b'"delete"', b'"durable"'])
def test_number_of_a_lost_order_is_not_given_out_again(
    folder: Path, open_store: OpenStore, place: bytes
) -> None:
    """The last order is lost, but in its line the counter can still be made out."""
    start = numbered(folder, "abc")[-1]
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(place, start) + 3)
    assert salvage(folder, COLLECTIONS) is not None
    store = open_store()
    assert sorted(all_orders(store)) == ["a", "b"]
    assert next_number(store) == 1004


@pytest.mark.parametrize("place", [b'"counters"', b'"value"', b'"name"'])
def test_lost_counter_leaves_room(folder: Path, open_store: OpenStore, place: bytes) -> None:
    """Where nobody can say what the last order's number was, the next one is far above."""
    start = numbered(folder, "abc")[-1]
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(place, start) + 3)
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    assert salvaged.lost[-1].file == "counters.json"
    assert "order numbers go on after 2002" in salvaged.lost[-1].text
    assert next_number(open_store()) == 2003


def test_damaged_digit_of_a_counter_is_not_believed(folder: Path, open_store: OpenStore) -> None:
    """A number that cannot have been reached does not become the counter."""
    start = numbered(folder, "abc")[-1]
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(b'"value":1003', start) + 8, b"9")
    assert salvage(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 2003


def test_lost_order_before_others_leaves_no_room(folder: Path, open_store: OpenStore) -> None:
    """What came later tells what the counter was."""
    start = numbered(folder, "abc")[1]
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(b'"counters"', start) + 3)
    assert salvage(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 1004


@pytest.mark.parametrize("place", [b'"text"', b'"n"'])
def test_lost_entry_without_numbers_leaves_no_room(
    folder: Path, open_store: OpenStore, place: bytes
) -> None:
    """It can be seen that it gave out none."""
    numbered(folder, "abc")
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(place) + 1)
    assert salvage(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 1004


def test_number_that_only_another_document_tells_is_not_given_out_again(
    folder: Path, open_store: OpenStore
) -> None:
    """The order is lost with its segment, but a note names it."""
    numbered(folder, "abc")
    store = open_store()
    with store.transaction() as tx:
        tx.put("notes", {"note_id": "later", "of": "d", "number": 1007})
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    note_down(store, "o")
    store.close()
    spoil(segments(folder)[-1], 30)
    assert salvage(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 1008


def test_damaged_sequence_number_does_not_tell_of_thousands(folder: Path) -> None:
    """One entry is lost, whatever number it now claims to have had."""
    start = numbered(folder, "abc")[1]
    spoil(segments(folder)[-1], segments(folder)[-1].read_bytes().index(b'"seq":', start) + 6, b"9")
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    assert [each.text.split(".")[0] for each in salvaged.lost] == [
        "Transaction 9 is lost",
        "Transaction 2 is missing",
    ]


def test_lost_line_about_files_leaves_no_room(folder: Path, open_store: OpenStore) -> None:
    """The line by which a checkpoint ends gives out nothing."""
    numbered(folder, "abc")
    store = open_store()
    checkpoint(store)
    put_orders(store, order("d"))
    put_orders(store, order("e"))
    store.close()
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(b'"published"') - 4)
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    assert [each.text for each in salvaged.lost] == ["An entry is lost."]
    assert next_number(open_store()) == 1004


def test_lost_text_that_is_no_entry_leaves_room(folder: Path, open_store: OpenStore) -> None:
    """Nobody can say what stood there."""
    numbered(folder, "abc")
    path = segments(folder)[-1]
    before = path.read_bytes()
    journal_of(folder, "de")
    path.write_bytes(before + b"17\n" + path.read_bytes()[len(before) :])
    assert salvage(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 2004


def test_lost_deletion_is_told(folder: Path) -> None:
    """What was taken away is there again, and named."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a"))
    start = segments(folder)[-1].stat().st_size
    with store.transaction() as tx:
        tx.delete("orders", "a")
    put_orders(store, order("b"))
    store.close()
    spoil(segments(folder)[-1], start + 10)
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    assert [each.text for each in salvaged.lost] == [
        "Transaction 2 is lost. It was about orders a."
    ]


def test_entries_that_a_file_has_already_are_not_repeated(
    folder: Path, open_store: OpenStore
) -> None:
    """A segment came back that a checkpoint had removed: its order is older than the file's."""
    store = open_store()
    put_orders(store, order("a", total="1"))
    old = segments(folder)[0]
    data = old.read_bytes()
    put_orders(store, order("a", total="2"))
    checkpoint(store)
    store.close()
    old.write_bytes(data)
    assert salvage(folder, COLLECTIONS) is not None
    assert all_orders(open_store()) == {"a": order("a", total="2")}


def test_segment_that_was_cut_off_at_its_header_is_told(
    folder: Path, open_store: OpenStore
) -> None:
    """Nobody can say how many orders stood behind it, nor what their numbers were."""
    numbered(folder, "abc")
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes().partition(b"\n")[0])
    salvaged = salvage(folder, COLLECTIONS)
    assert salvaged is not None
    assert "The file was cut off here; what stood behind is lost." in salvaged.lost[0].text
    assert all_orders(open_store()) == {}
