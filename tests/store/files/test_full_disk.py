"""A full disk: writes raise StorageFull and change nothing, reads go on, and it heals."""

import os
from pathlib import Path

import pytest

from app.kernel.errors import StorageFull, Unavailable
from app.store.files.checkpointer import Checkpointer
from app.store.files.disk.filesystem import FREE_SPACE_MIN_BYTES, free_bytes
from app.store.files.snapshot.room import Room
from app.store.files.store import JsonFileStore
from tests.store.conftest import OpenStore
from tests.store.faults import full_disk, small_disk
from tests.store.journal_lines import segments
from tests.store.shop import all_orders, get_order, note, order, put_orders
from tests.transactions import transaction

LONG = "x" * 2000
HUGE = "x" * 200_000
SMALL_DISK_BYTES = FREE_SPACE_MIN_BYTES + 7_000_000


def journal_bytes(folder: Path) -> bytes:
    """The newest segment."""
    return max((folder / "journal").glob("*.ndjson")).read_bytes()


def hidden_files(folder: Path) -> list[str]:
    """The temporary files in the folder."""
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.parametrize("room_bytes", [0, 1, 100, 1999])
def test_full_disk_changes_nothing(folder: Path, open_store: OpenStore, room_bytes: int) -> None:
    """An order without room is refused, wherever the write stops, and leaves no trace."""
    store = open_store()
    put_orders(store, order("a"))
    before = journal_bytes(folder)
    with (
        full_disk(len(before) + room_bytes),
        pytest.raises(StorageFull, match="nothing was changed"),
    ):
        put_orders(store, order("b", text=LONG))
    assert journal_bytes(folder) == before
    assert all_orders(store) == {"a": order("a")}
    assert all_orders(open_store()) == {"a": order("a")}


def test_reading_goes_on_and_writing_heals(folder: Path, open_store: OpenStore) -> None:
    """While the disk is full orders can be read; with room again they can be placed."""
    store, other = open_store(), open_store()
    put_orders(store, order("a"))
    with full_disk(len(journal_bytes(folder))):
        for each in (store, other):
            with pytest.raises(StorageFull):
                put_orders(each, order("b"))
            assert get_order(each, "a") == order("a")
    put_orders(store, order("b"))
    put_orders(other, order("c"))
    assert sorted(all_orders(store)) == ["a", "b", "c"]


def test_checkpoint_without_room_leaves_the_room_to_the_journal(
    folder: Path, open_store: OpenStore
) -> None:
    """A checkpoint that runs out of room removes its temporary files."""
    store = open_store()
    for n in range(10):
        put_orders(store, order(f"a{n}", text=LONG))
    before = (folder / "orders.json").read_bytes()
    with full_disk(len(journal_bytes(folder)) - 5000), pytest.raises(StorageFull):
        Checkpointer(store).checkpoint()
    assert (folder / "orders.json").read_bytes() == before
    assert hidden_files(folder) == []
    assert len(all_orders(store)) == 10


def test_checkpoint_heals_when_there_is_room(folder: Path, open_store: OpenStore) -> None:
    """After any number of failures the next checkpoint is complete, and segments do not pile up."""
    store, other = open_store(), open_store()
    checkpointer = Checkpointer(store)
    put_orders(store, order("a", text=LONG * 3))
    for _ in range(5):
        with full_disk(4000), pytest.raises(StorageFull):
            checkpointer.checkpoint()
    put_orders(store, order("b"))
    assert len(list((folder / "journal").glob("*.ndjson"))) <= 3
    assert checkpointer.checkpoint()
    assert sorted(all_orders(other)) == ["a", "b"]
    assert sorted(all_orders(open_store())) == ["a", "b"]
    assert len(list((folder / "journal").glob("*.ndjson"))) == 2


def test_no_reader_stays_behind_when_a_segment_cannot_be_ended(open_store: OpenStore) -> None:
    """When the line that ends a segment finds no room, every store still switches later."""
    store, other = open_store(), open_store()
    put_orders(store, order("a", text=LONG * 3))
    with full_disk(4000), pytest.raises(StorageFull):
        Checkpointer(store).checkpoint()
    put_orders(store, order("b"))
    assert get_order(other, "b") == order("b")


def place_until_full(store: JsonFileStore, first: int) -> list[str]:
    """Place orders, each with a note, until one is refused; returns their ids."""
    placed: list[str] = []
    while True:
        order_id = f"{first + len(placed):04}"
        try:
            with transaction(store) as tx:
                tx.put("orders", order(order_id, text=HUGE))
                note(tx, order_id, HUGE)
        except StorageFull as error:
            assert "nothing was changed" in str(error)
            return placed
        placed.append(order_id)


def test_checkpoints_free_a_disk_that_the_journal_has_filled(
    folder: Path, open_store: OpenStore
) -> None:
    """A checkpoint always fits: it removes the segments, until the files themselves fill the disk.

    No write of the store or of the checkpoint finds the disk full.
    """
    store, other = open_store(), open_store()
    placed: list[str] = []
    with small_disk(folder, SMALL_DISK_BYTES) as refused:
        while more := place_until_full(store, len(placed)):
            placed += more
            assert Checkpointer(store).checkpoint()
            assert all(segment.stat().st_size < 5000 for segment in segments(folder))
            assert sorted(all_orders(other)) == placed
        assert refused == []
    assert len(placed) * 3 * len(HUGE) > 4_000_000
    put_orders(store, order("more"))
    assert sorted(all_orders(open_store())) == [*placed, "more"]


def test_checkpoint_that_fails_half_way_goes_on_with_the_rest(
    folder: Path, open_store: OpenStore
) -> None:
    """Files that were written are in place; another attempt writes the others only."""
    store = open_store()
    with small_disk(folder, SMALL_DISK_BYTES):
        placed = place_until_full(store, 0)
    put_orders(store, order("large", text=HUGE * 9))
    with small_disk(folder, 9_600_000) as refused, pytest.raises(StorageFull):
        Checkpointer(store).checkpoint()
    assert refused == [".orders.json.next"]
    notes = (folder / "notes.json").stat()
    assert sorted(all_orders(open_store())) == [*placed, "large"]
    assert Checkpointer(store).checkpoint()
    assert (folder / "notes.json").stat() == notes
    assert len(segments(folder)) == 2
    assert sorted(all_orders(open_store())) == [*placed, "large"]


def test_file_system_without_a_size_is_never_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tmpfs without a limit reports no blocks, and no free ones."""
    fields = list(os.statvfs("/")[:11])
    fields[2] = fields[4] = 0  # f_blocks, f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))
    assert free_bytes(folder) > SMALL_DISK_BYTES


@pytest.mark.parametrize("replaced_max_open_s", [0.0, 60.0])
def test_checkpoint_under_way_makes_no_disk_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch, replaced_max_open_s: float
) -> None:
    """Space that a checkpoint takes and gives back is free; what the log took meanwhile is not.

    What another program takes counts at the latest when the checkpoint is over.
    """
    folder.mkdir()
    free, fields = [0], list(os.statvfs("/")[:11])

    def measured(_path: Path) -> os.statvfs_result:
        fields[1], fields[4] = 1, free[0]  # f_frsize, f_bavail
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", measured)
    temporary = folder / ".orders.json.next"
    room = Room(folder, ["orders"], replaced_max_open_s)

    def is_full(appended_bytes: int) -> bool:
        try:
            room.refuse_full(1000, appended_bytes)
        except StorageFull:
            return True
        return False

    free[0] = 10 * FREE_SPACE_MIN_BYTES
    assert not is_full(0)
    free[0] = FREE_SPACE_MIN_BYTES + 1100  # another program has taken the rest
    assert not is_full(0)
    temporary.touch()
    free[0] = FREE_SPACE_MIN_BYTES
    assert not is_full(100)
    assert is_full(101)
    temporary.rename(folder / "orders.json")
    room.mark_replaced()
    assert is_full(100) == (replaced_max_open_s == 0)
    free[0] = FREE_SPACE_MIN_BYTES + 1000
    assert not is_full(101)


def test_order_is_refused_where_the_free_space_is_unknown(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk while its free space is read changes nothing."""
    store = open_store()
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _path: os.close(-1))
        with pytest.raises(Unavailable, match="while checking the free space"):
            put_orders(store, order("a"))
    assert all_orders(store) == {}
    put_orders(store, order("a"))
