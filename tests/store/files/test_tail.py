"""The last lines of the log, as a person sees them in its file."""

from pathlib import Path

from app.store.files.wal.segment import segment_path
from app.store.files.wal.tail import last_lines
from tests.store.conftest import OpenStore
from tests.transactions import transaction


def write(folder: Path, open_store: OpenStore, number: int) -> Path:
    """Write some documents; return the folder of the journal."""
    store = open_store()
    for place in range(number):
        with transaction(store) as tx:
            tx.put("orders", {"order_id": f"order-{place}", "status": "placed"})
    return folder / "journal"


def test_the_lines_are_those_of_the_newest_segment(folder: Path, open_store: OpenStore) -> None:
    """All of them when they are few, the header first."""
    journal = write(folder, open_store, 3)
    lines = last_lines(journal, 100_000)
    newest = max(journal.glob("*.ndjson"))
    assert b"".join(line + b"\n" for line in lines) == newest.read_bytes()


def test_only_whole_lines_are_read(folder: Path, open_store: OpenStore) -> None:
    """Neither the one that the limit cuts nor one that is being written."""
    journal = write(folder, open_store, 3)
    whole = last_lines(journal, 100_000)
    assert last_lines(journal, len(whole[-1]) + 5) == whole[-1:]
    assert last_lines(journal, len(whole[-1]) - 5) == []
    with max(journal.glob("*.ndjson")).open("ab") as file:
        file.write(b'{"crc":"')
    assert last_lines(journal, 100_000) == whole


def test_a_journal_can_be_empty_or_vanish(tmp_path: Path) -> None:
    """A checkpoint may remove the segment between two looks."""
    assert last_lines(tmp_path / "journal", 1000) == []
    (tmp_path / "journal").mkdir()
    segment_path(tmp_path / "journal", 1).symlink_to(tmp_path / "removed")
    assert last_lines(tmp_path / "journal", 1000) == []
