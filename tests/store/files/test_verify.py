"""Inspecting: every file and every line is read, and what is wrong is named; nothing is changed."""

import threading
from pathlib import Path

import pytest

from app.kernel.errors import Unavailable
from app.store import Collection
from app.store.files.disk.locks import ProcessLock
from app.store.files.snapshot.checkpoint_file import HEAD
from app.store.files.store import JsonFileStore
from app.store.files.tools.journal_reader import Fault
from app.store.files.tools.verify import VerifyReport, verify
from tests.store.conftest import OpenStore
from tests.store.faults import read_only
from tests.store.journal_lines import checkpoint, journal_of, segments, spoil, two_segments
from tests.store.shop import COLLECTIONS, NOTES, all_orders, note, order, put_orders
from tests.transactions import transaction


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file with its time of change."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def only_fault(folder: Path) -> Fault:
    """The one fault that verifying finds; nothing is changed."""
    before = contents(folder)
    (fault,) = verify(folder, COLLECTIONS).faults
    assert contents(folder) == before
    return fault


def test_sound_folder_has_no_faults(folder: Path, open_store: OpenStore) -> None:
    """Files, documents, segments and transactions are counted, and all is well."""
    store = open_store()
    put_orders(store, order("a"), order("b"))
    checkpoint(store)
    with transaction(store) as tx:
        note(tx, "n")
    assert verify(folder, COLLECTIONS) == VerifyReport(3, 2, 2, 1, [])


def test_folder_that_does_not_exist_is_sound(folder: Path) -> None:
    """A missing folder has no fault, and is not created."""
    assert verify(folder, COLLECTIONS) == VerifyReport(0, 0, 0, 0, [])
    assert not folder.exists()


def test_edited_file_is_found_with_its_place(folder: Path) -> None:
    """The first line that the service cannot have written is named by its offset."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a"), order("b"), order("c"))
    checkpoint(store)
    store.close()
    path = folder / "orders.json"
    data = path.read_bytes()
    line = data.index(b'{"order_id":"b"')
    path.write_bytes(data[:line] + data[line:].replace(b'"b"', b'"A"', 1))
    fault = only_fault(folder)
    assert (fault.file, fault.offset, fault.heals) == ("orders.json", line, False)
    assert "flask check --accept" in fault.text


def test_line_that_is_no_document_is_found_with_its_place(folder: Path) -> None:
    """A text that no JSON begins with, say."""
    journal_of(folder, "a")
    store = JsonFileStore(folder, COLLECTIONS)
    checkpoint(store)
    store.close()
    path = folder / "orders.json"
    path.write_bytes(path.read_bytes().replace(b'{"order_id"', b'("order_id"'))
    found = [each for each in verify(folder, COLLECTIONS).faults if each.file == "orders.json"]
    assert found[0].offset == len(HEAD)


def test_bad_edit_is_found_with_its_reason(folder: Path) -> None:
    """The report has the edit itself, and the reason for which it would be refused."""
    journal_of(folder, "a")
    (folder / "orders.json").write_text('[\n{"order_id":"a","total":"one"}\n]\n')
    texts = [each.text for each in verify(folder, COLLECTIONS).faults]
    assert len(texts) == 2
    assert "line 2: order_id a: total: must be a text of digits" in texts[1]


@pytest.mark.parametrize("text", [None, ""], ids=["missing", "empty"])
def test_missing_or_empty_file_is_found(folder: Path, text: str | None) -> None:
    """A file that is on record has to be there."""
    journal_of(folder, "a")
    (folder / "notes.json").unlink()
    if text is not None:
        (folder / "notes.json").write_text(text)
    assert only_fault(folder)[:2] == ("notes.json", 0)


def test_file_from_elsewhere_is_judged(folder: Path) -> None:
    """A file that no store has seen yet is judged as the start would judge it."""
    folder.mkdir()
    (folder / "orders.json").write_text('[\n{"order_id":"a","total":"1"},\n{"total":"1"}]')
    assert "line 3: order_id is missing" in only_fault(folder).text


def test_damaged_line_is_found_with_its_offset(folder: Path) -> None:
    """Damage in the middle of the journal is named by file and byte."""
    starts = journal_of(folder, "abc")
    path = segments(folder)[-1]
    spoil(path, starts[1] + 30)
    assert only_fault(folder) == (
        f"journal/{path.name}",
        starts[1],
        "The entry is damaged.",
        False,
    )


def test_unfinished_entry_is_found_to_heal(folder: Path) -> None:
    """A torn tail is reported as a fault that the next start repairs."""
    starts = journal_of(folder, "abc")
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes()[:-5])
    fault = only_fault(folder)
    assert (fault.file, fault.offset, fault.heals) == (
        f"journal/{path.name}",
        starts[2],
        True,
    )


def test_damage_at_the_end_of_an_older_segment_is_found(folder: Path) -> None:
    """The same bytes are damage where another segment follows."""
    starts = two_segments(folder, "abc")
    spoil(segments(folder)[0], starts[2] + 30)
    fault = only_fault(folder)
    assert (fault.offset, fault.heals) == (starts[2], False)


def test_lost_line_end_is_damage(folder: Path) -> None:
    """Two lines that run into each other are not taken for one that was never finished."""
    starts = journal_of(folder, "abc")
    spoil(segments(folder)[-1], starts[2] - 1)
    fault = only_fault(folder)
    assert (fault.offset, fault.heals) == (starts[1], False)


def test_unfinished_step_to_the_next_segment_is_found_to_heal(
    folder: Path, open_store: OpenStore
) -> None:
    """A crash in the line that leads to an existing next segment heals at the next start."""
    two_segments(folder, "ab")
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes()[:-5])
    assert only_fault(folder).heals
    assert sorted(all_orders(open_store())) == ["a", "b"]
    assert verify(folder, COLLECTIONS).faults == []


def test_missing_end_of_an_older_segment_is_found(folder: Path) -> None:
    """A segment that stops before its successor begins has lost its end."""
    starts = two_segments(folder, "abc")
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes()[: starts[2]])
    assert only_fault(folder)[:2] == (f"journal/{path.name}", starts[2])


def test_missing_segment_is_found(folder: Path) -> None:
    """A gap in the numbers is named."""
    two_segments(folder, "a")
    segments(folder)[1].rename(folder / "journal" / "00000003.ndjson")
    texts = [each.text for each in verify(folder, COLLECTIONS).faults]
    assert "Segment 2 before it is missing." in texts


def test_unreadable_header_is_found(folder: Path) -> None:
    """Without a header the files cannot be compared, so it is the only fault."""
    journal_of(folder, "a")
    spoil(segments(folder)[-1], 12)
    fault = only_fault(folder)
    assert fault[:2] == ("journal/00000001.ndjson", 0)
    assert "header cannot be read" in fault.text


def test_header_without_its_newline_is_found(folder: Path) -> None:
    """A segment that is cut right there is refused by the start, so the check names it."""
    journal_of(folder, "")
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    faults = [each for each in verify(folder, COLLECTIONS).faults if not each.heals]
    assert (faults[0].file, faults[0].offset) == (f"journal/{path.name}", 0)


def test_documents_of_an_unknown_kind_are_found(folder: Path) -> None:
    """The fault names the kind of documents that a newer version wrote."""
    starts = journal_of(folder, "a")
    (fault,) = verify(folder, [NOTES]).faults
    assert fault.offset == starts[0]
    assert "orders" in fault.text


def test_folder_of_an_older_version_is_sound(folder: Path) -> None:
    """A kind of documents that a later version has got is not missing from it."""
    journal_of(folder, "a")
    later = (*COLLECTIONS, Collection(name="guests", key="guest_id"))
    assert verify(folder, later).faults == []


def test_read_only_folder_is_verified(folder: Path) -> None:
    """Under the same lock as any other, though its file may not be written."""
    journal_of(folder, "a")
    lock = ProcessLock(folder / "store.lock")
    with read_only(folder):
        assert verify(folder, COLLECTIONS).faults == []
        assert lock.acquire()
        with pytest.raises(Unavailable, match="busy"):
            verify(folder, COLLECTIONS, lock_timeout_s=0.05)
    lock.release()


def test_verifying_beside_a_busy_service_finds_nothing(folder: Path, open_store: OpenStore) -> None:
    """While orders come in and checkpoints are written, a sound folder is sound at every moment."""
    store = open_store()
    stop = threading.Event()

    def work() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            put_orders(store, order(f"{n % 50}", total=str(n)))
            if n % 10 == 0:
                checkpoint(store)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        found = [verify(folder, COLLECTIONS).faults for _ in range(40)]
    finally:
        stop.set()
        worker.join()
    assert found == [[]] * 40


def test_transaction_that_stands_twice_is_found(folder: Path) -> None:
    """Each line is sound, but they are not in order."""
    starts = journal_of(folder, "ab")
    path = segments(folder)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole + whole[starts[1] :])
    assert only_fault(folder) == Fault(
        f"journal/{path.name}", len(whole), "Transaction 2 follows 2."
    )
