"""A damaged journal is made anew from what can be read, and what is lost is told."""

from pathlib import Path

import pytest

from app.errors import Conflict, Damaged
from app.store.inspecting import inspect
from app.store.salvaging import salvage
from tests.store.conftest import OpenStore
from tests.store.journal_lines import checkpoint, journal_of, segments, spoil
from tests.store.shop import COLLECTIONS, all_orders, order, put_orders


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
    with store.writing():
        store.replica.rotate(store.replica.records())
    put_orders(store, order("b"))
    with store.writing():
        store.replica.rotate(store.replica.records())
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
