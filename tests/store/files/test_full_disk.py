"""A full disk: writes raise StorageFull and change nothing, reads go on, and it heals."""

from pathlib import Path

import pytest

from app.kernel.errors import StorageFull
from app.store.files.checkpointer import Checkpointer
from tests.store.conftest import OpenStore
from tests.store.faults import full_disk
from tests.store.shop import all_orders, get_order, order, put_orders

LONG = "x" * 2000


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
