"""A repair rebuilds a damaged journal from what can be read, and reports what is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.kernel.errors import Conflict, Damaged
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.store import JsonFileStore
from app.store.files.tools.repair import repair_folder
from app.store.files.tools.verify import verify
from app.store.files.wal.format import encode_document, encode_transaction
from tests.store.conftest import OpenStore
from tests.store.journal_lines import checkpoint, journal_of, segments, spoil
from tests.store.shop import COLLECTIONS, all_orders, note, order, put_orders
from tests.transactions import transaction


def test_lost_transaction_is_named_and_the_rest_is_kept(
    folder: Path, open_store: OpenStore
) -> None:
    """The refusal names file and byte; after the repair the store opens with everything else."""
    starts = journal_of(folder, "abc")
    spoil(segments(folder)[-1], starts[1] + 60)
    name = segments(folder)[-1].name
    with pytest.raises(Damaged, match=f"journal/{name} is damaged at byte {starts[1]}"):
        open_store()
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    (lost,) = report.lost
    assert (lost.file, lost.offset) == (f"journal/{name}", starts[1])
    assert lost.text.startswith("Transaction 2 is lost.")
    store = open_store()
    assert sorted(all_orders(store)) == ["a", "c"]
    put_orders(store, order("d"))
    checkpoint(store)
    assert verify(folder, COLLECTIONS).faults == []
    assert (folder / report.copy / name).stat().st_size > starts[2]


def test_missing_segment_is_reported(folder: Path, open_store: OpenStore) -> None:
    """The report names its transactions by number; later ones are kept."""
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
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert [each.text for each in report.lost] == ["Transaction 2 is missing."]
    assert sorted(all_orders(open_store())) == ["a", "c"]


def test_journal_that_is_gone_is_reported_and_rebuilt(folder: Path, open_store: OpenStore) -> None:
    """The files of the last checkpoint are kept, and numbers continue far above the known ones."""
    store = open_store()
    with transaction(store) as tx:
        tx.next_number("order", 1001)
    put_orders(store, order("a"))
    checkpoint(store)
    put_orders(store, order("b"))
    store.close()
    for segment in segments(folder):
        segment.unlink()
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert "All segments of journal/ are missing" in report.lost[0].text
    store = open_store()
    assert sorted(all_orders(store)) == ["a"]
    with transaction(store) as tx:
        assert tx.next_number("order") == 1001 + 100_000 + 1


def test_file_without_a_record_is_taken_as_it_is_and_reported(
    folder: Path, open_store: OpenStore
) -> None:
    """A damaged header loses the checksums of the files; the rules alone judge them."""
    journal_of(folder, "ab")
    spoil(segments(folder)[-1], 30)
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    files = {each.file for each in report.lost}
    assert {"orders.json", "notes.json"} <= files
    assert sorted(all_orders(open_store())) == ["a", "b"]


def test_deleted_stays_deleted(folder: Path, open_store: OpenStore) -> None:
    """A deletion in the journal is applied to the file."""
    store = open_store()
    put_orders(store, order("a"), order("b"))
    checkpoint(store)
    with transaction(store) as tx:
        tx.delete("orders", "a")
    put_orders(store, order("c"))
    offset = segments(folder)[-1].stat().st_size
    put_orders(store, order("d"))
    put_orders(store, order("e"))
    store.close()
    spoil(segments(folder)[-1], offset + 60)
    assert repair_folder(folder, COLLECTIONS) is not None
    assert sorted(all_orders(open_store())) == ["b", "c", "e"]


def test_sound_journal_is_left_alone(folder: Path) -> None:
    """Nothing is written or copied."""
    journal_of(folder, "ab")
    assert repair_folder(folder, COLLECTIONS) is None
    assert not list(folder.glob("damaged-*"))


def test_running_service_is_not_repaired(folder: Path, open_store: OpenStore) -> None:
    """The journal in use is not changed."""
    starts = journal_of(folder, "abc")
    store = open_store()
    store.lease_shards()
    spoil(segments(folder)[-1], starts[1] + 60)
    with pytest.raises(Conflict, match="stop it, then repair the journal"):
        repair_folder(folder, COLLECTIONS)


def test_second_repair_puts_the_journal_beside_the_first(folder: Path) -> None:
    """No earlier copy is overwritten."""
    for _ in range(2):
        starts = journal_of(folder, "abc")
        spoil(segments(folder)[-1], starts[1] + 60)
        assert repair_folder(folder, COLLECTIONS) is not None
    assert {each.name for each in folder.glob("damaged-*")} == {"damaged-1", "damaged-2"}


def numbered(folder: Path, names: str) -> list[int]:
    """Place an order with a number for each letter; returns where each line begins."""
    store = JsonFileStore(folder, COLLECTIONS)
    starts = []
    for name in names:
        starts.append(segments(folder)[-1].stat().st_size)
        with transaction(store) as tx:
            tx.put("orders", order(name, number=tx.next_number("order", 1001)))
    note_down(store, "n")
    note_down(store, "m")
    store.close()
    return starts


def note_down(store: JsonFileStore, note_id: str) -> None:
    """A transaction that gives out nothing."""
    with transaction(store) as tx:
        note(tx, note_id)


def next_number(store: JsonFileStore) -> int:
    """The number that the next order gets."""
    with transaction(store) as tx:
        return tx.next_number("order", 1001)


@pytest.mark.parametrize(
    "place", [b'"total"', b'"order_id"', b'"delete"', b'"counters"', b'"value"', b'"name"']
)
def test_series_skips_a_thousand_after_a_lost_entry(
    folder: Path, open_store: OpenStore, place: bytes
) -> None:
    """The number of the lost order is not issued again, and the report names the last one."""
    start = numbered(folder, "abc")[-1]
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(place, start) + 3)
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert report.lost[-1].file == "counters.json"
    assert report.lost[-1].text == (
        "order numbers go on after 2002: a lost entry may have used numbers up to there."
    )
    store = open_store()
    assert sorted(all_orders(store)) == ["a", "b"]
    assert next_number(store) == 2003


def test_damaged_digit_of_a_counter_is_not_believed(folder: Path, open_store: OpenStore) -> None:
    """A number that cannot have been reached does not become the counter."""
    start = numbered(folder, "abc")[-1]
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(b'"value":1003', start) + 8, b"9")
    assert repair_folder(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 2003


def test_numbers_are_skipped_beyond_the_highest_that_can_be_read(
    folder: Path, open_store: OpenStore
) -> None:
    """Also where the lost entry stands before others."""
    start = numbered(folder, "abc")[1]
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(b'"counters"', start) + 3)
    assert repair_folder(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 2004


def test_each_lost_entry_skips_a_thousand(folder: Path, open_store: OpenStore) -> None:
    """Each of them may have issued numbers, as a batch of orders is one entry."""
    first, *_, last = numbered(folder, "abcd")
    spoil(segments(folder)[-1], first + 60)
    spoil(segments(folder)[-1], last + 60)
    assert repair_folder(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 3004


def test_missing_transactions_skip_numbers(folder: Path, open_store: OpenStore) -> None:
    """The order in the missing segment may have had the next number."""
    numbered(folder, "a")
    numbered(folder, "b")
    store = open_store()
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    store.close()
    numbered(folder, "c")
    store = open_store()
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    note_down(store, "o")
    store.close()
    segments(folder)[1].unlink()
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert [each.text for each in report.lost] == [
        "Transaction 7 is missing.",
        "Transaction 8 is missing.",
        "Transaction 9 is missing.",
        "order numbers go on after 4002: a lost entry may have used numbers up to there.",
    ]
    assert next_number(open_store()) == 4003


def test_damaged_newline_loses_nothing_and_skips_nothing(
    folder: Path, open_store: OpenStore
) -> None:
    """Both entries can still be read."""
    starts = numbered(folder, "abc")
    spoil(segments(folder)[-1], starts[2] - 1)
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert report.lost == []
    assert next_number(open_store()) == 1004


def test_number_that_only_another_document_has_is_not_issued_again(
    folder: Path, open_store: OpenStore
) -> None:
    """The order is lost with its segment, but a note names it."""
    numbered(folder, "abc")
    store = open_store()
    with transaction(store) as tx:
        tx.put("notes", {"note_id": "later", "of": "d", "number": 1007})
    with store.exclusive_write():
        store.replica.rotate(store.replica.file_records())
    note_down(store, "o")
    store.close()
    spoil(segments(folder)[-1], 30)
    assert repair_folder(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 1008


def test_damaged_sequence_number_counts_as_one_lost_entry(folder: Path) -> None:
    """One entry is lost, whatever number it now claims to have had."""
    start = numbered(folder, "abc")[1]
    spoil(segments(folder)[-1], segments(folder)[-1].read_bytes().index(b'"seq":', start) + 6, b"9")
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert [each.text.split(".")[0] for each in report.lost] == [
        "Transaction 9 is lost",
        "Transaction 2 is missing",
        "order numbers go on after 3003: a lost entry may have used numbers up to there",
    ]


def test_lost_line_about_files_is_a_lost_entry(folder: Path, open_store: OpenStore) -> None:
    """The line that ends a checkpoint counts as one that may have issued numbers."""
    numbered(folder, "abc")
    store = open_store()
    checkpoint(store)
    put_orders(store, order("d"))
    put_orders(store, order("e"))
    store.close()
    path = segments(folder)[-1]
    spoil(path, path.read_bytes().index(b'"published"') - 4)
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert [each.text for each in report.lost] == [
        "An entry is lost.",
        "order numbers go on after 2003: a lost entry may have used numbers up to there.",
    ]
    assert next_number(open_store()) == 2004


def test_lost_text_that_is_no_entry_skips_numbers(folder: Path, open_store: OpenStore) -> None:
    """Text that cannot be read may have been an entry, so a thousand numbers are skipped."""
    numbered(folder, "abc")
    path = segments(folder)[-1]
    before = path.read_bytes()
    journal_of(folder, "de")
    path.write_bytes(before + b"17\n" + path.read_bytes()[len(before) :])
    assert repair_folder(folder, COLLECTIONS) is not None
    assert next_number(open_store()) == 2004


def test_lost_deletion_is_reported(folder: Path) -> None:
    """The deleted document is there again, and the report names it."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a"))
    start = segments(folder)[-1].stat().st_size
    with transaction(store) as tx:
        tx.delete("orders", "a")
    put_orders(store, order("b"))
    store.close()
    spoil(segments(folder)[-1], start + 10)
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert [each.text for each in report.lost] == ["Transaction 2 is lost. It was about orders a."]


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
    assert repair_folder(folder, COLLECTIONS) is not None
    assert all_orders(open_store()) == {"a": order("a", total="2")}


def test_segment_cut_off_at_its_header_is_reported(folder: Path, open_store: OpenStore) -> None:
    """The orders behind the header are lost, and the report says so."""
    numbered(folder, "abc")
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes().partition(b"\n")[0])
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert "The file was cut off here; the rest of it is lost." in report.lost[0].text
    assert all_orders(open_store()) == {}


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"  \n"),
        lambda data: data.replace(b"\n", b"\n\n"),
        lambda data: data.replace(b'":', b'": ').replace(b',"', b', "'),
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b" \r\n"),
    ],
    ids=["crlf", "cr", "mark", "spaces", "empty lines", "spaced members", "mark and crlf"],
)
def test_changed_line_ends_and_spaces_lose_nothing(
    folder: Path, open_store: OpenStore, change: Change
) -> None:
    """The start refuses what another program saved; the repair reads each line of it."""
    journal_of(folder, "abc")
    (segment,) = segments(folder)
    segment.write_bytes(change(segment.read_bytes()))
    with pytest.raises(Damaged):
        open_store()
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert report.lost == []
    assert sorted(all_orders(open_store())) == ["a", "b", "c"]
    assert verify(folder, COLLECTIONS).faults == []


def test_changed_last_line_is_not_cut_off(folder: Path, open_store: OpenStore) -> None:
    """Spaces behind it are not what a crash leaves, so it is no torn tail."""
    journal_of(folder, "abc")
    (segment,) = segments(folder)
    segment.write_bytes(segment.read_bytes()[:-1] + b" \n")
    with pytest.raises(Damaged):
        open_store()
    assert repair_folder(folder, COLLECTIONS) is not None
    assert sorted(all_orders(open_store())) == ["a", "b", "c"]


def test_zeroed_line_before_an_unsynced_one_is_a_torn_tail(
    folder: Path, open_store: OpenStore
) -> None:
    """A power cut may zero one unsynced line and keep the next: neither was acknowledged."""
    starts = journal_of(folder, "ab")
    (segment,) = segments(folder)
    data = segment.read_bytes()
    start, end = starts[1], len(data)
    later = encode_transaction(3, 1, {"orders": [encode_document(order("c"))]}, {})
    segment.write_bytes(data[:start] + b"\0" * (end - start) + later)
    assert sorted(all_orders(open_store())) == ["a"]


def killed_in_checkpoint(folder: Path, published: bool) -> None:
    """Leave two orders and a checkpoint cut short, and remove the newest segment."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a"), order("b"))
    with store.exclusive_write():
        snapshot = store.replica.take_snapshot()
        records = {
            each.name: write_next(
                folder,
                each,
                snapshot.base[each.name],
                snapshot.changes[each.name],
                snapshot.covers,
            )
            for each in COLLECTIONS
        }
        store.replica.rotate(store.replica.file_records() | records)
        if published:
            publish(folder, COLLECTIONS)
    store.close()
    segments(folder)[-1].unlink()


@pytest.mark.parametrize("published", [False, True])
def test_missing_newest_segment_is_reported(
    folder: Path, open_store: OpenStore, published: bool
) -> None:
    """After a kill within a checkpoint the files are sound, whether or not they are in place."""
    killed_in_checkpoint(folder, published)
    with pytest.raises(Damaged):
        open_store()
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert "The newest segment is missing" in report.lost[0].text
    assert sorted(all_orders(open_store())) == ["a", "b"]
    assert verify(folder, COLLECTIONS).faults == []


def closed_after_checkpoint(folder: Path) -> None:
    """Leave orders a, b and c in orders.json, and issue three numbers."""
    store = JsonFileStore(folder, COLLECTIONS)
    with transaction(store) as tx:
        for name in "abc":
            tx.put("orders", order(name, number=tx.next_number("order", 1001)))
    checkpoint(store)
    store.close()


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda data: data.replace(b"\n", b"\r\n"), "abc"),
        (lambda data: b"\xef\xbb\xbf" + data, "abc"),
        (lambda data: data.replace(b'"b"', b'"b'), "ac"),
        (lambda data: data.replace(b'"number":1002', b'"number":"x"'), "ac"),
        (lambda data: data.replace(b'"order_id":"b"', b'"order_id":"a"'), "ac"),
        (lambda data: data[:-20], "ab"),
        (lambda _: b"", ""),
        (lambda _: b"\xff\xfe", ""),
    ],
    ids=["crlf", "mark", "no JSON", "rule", "twice", "cut off", "empty", "not UTF-8"],
)
def test_damaged_file_keeps_what_can_be_read(
    folder: Path, open_store: OpenStore, change: Change, kept: str
) -> None:
    """The shop opens; the report names the lines left out, and a copy has them."""
    closed_after_checkpoint(folder)
    path = folder / "orders.json"
    path.write_bytes(damaged := change(path.read_bytes()))
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert {each.file for each in report.lost} <= {"orders.json", "counters.json"}
    assert (folder / report.copy / "orders.json").read_bytes() == damaged
    store = open_store()
    assert sorted(all_orders(store)) == [*kept]
    assert next_number(store) > 1003
    assert verify(folder, COLLECTIONS).faults == []


@pytest.mark.parametrize("name", ["orders", "counters"])
def test_missing_file_is_reported(folder: Path, open_store: OpenStore, name: str) -> None:
    """Documents of that file alone are reported as unknown; no number is issued twice."""
    closed_after_checkpoint(folder)
    (folder / f"{name}.json").unlink()
    report = repair_folder(folder, COLLECTIONS)
    assert report is not None
    assert report.lost[0].file == f"{name}.json"
    assert "The file is missing" in report.lost[0].text
    assert next_number(open_store()) > 1003
