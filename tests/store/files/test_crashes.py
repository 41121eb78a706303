"""After a crash at any step, every acknowledged order is there, without manual repair."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from app.store.files.checkpointer import Checkpointer
from app.store.files.disk.filesystem import FREE_SPACE_MIN_BYTES
from app.store.files.store import JsonFileStore
from app.store.files.tools.verify import verify
from tests.store.conftest import PATIENCE_S, OpenStore
from tests.store.faults import small_disk, survives
from tests.store.journal_lines import checkpoint, segments
from tests.store.shop import COLLECTIONS, all_orders, ids, note, order, put_orders
from tests.transactions import transaction

MAX_STEPS = 200


def run_until_it_survives(
    folder: Path, act: Callable[[JsonFileStore], object], check: Callable[[JsonFileStore], None]
) -> int:
    """Kill `act` after 0, 1, 2, … disk operations, each time on a copy of `folder`, and `check` it.

    Returns the number of operations that `act` makes.
    """
    for steps in range(MAX_STEPS):
        copy = folder.with_name(f"died-after-{steps}")
        shutil.copytree(folder, copy)
        store = JsonFileStore(copy, COLLECTIONS)
        survived = survives(partial(act, store), steps)
        witness = JsonFileStore(copy, COLLECTIONS)
        check(witness)
        put_orders(witness, order("after"))
        checkpoint(witness)
        again = JsonFileStore(copy, COLLECTIONS)
        assert all_orders(again) == all_orders(witness)
        for each in (store, witness, again):
            each.close()
        shutil.rmtree(copy)
        if survived:
            return steps
    raise AssertionError("the act makes more than MAX_STEPS operations")


def open_for_a_moment(folder: Path) -> None:
    """Open a store and close it."""
    JsonFileStore(folder, COLLECTIONS).close()


@pytest.fixture
def shop(folder: Path) -> Path:
    """A closed folder with two orders in the file and two in the journal."""
    store = JsonFileStore(folder, COLLECTIONS)
    put_orders(store, order("a", status="placed"), order("b", status="placed"))
    checkpoint(store)
    put_orders(store, order("a", status="paid"), order("c", status="placed"))
    store.close()
    return folder


def test_interrupted_transaction_is_whole_or_absent(shop: Path) -> None:
    """Wherever the process died, both orders of a transaction are there, or neither."""

    def check(store: JsonFileStore) -> None:
        assert sorted(all_orders(store)) in (["a", "b", "c"], ["a", "b", "c", "x", "y"])

    steps = run_until_it_survives(
        shop, lambda store: put_orders(store, order("x"), order("y")), check
    )
    assert steps == 2


def test_interrupted_checkpoint_loses_nothing(shop: Path) -> None:
    """After each of its steps, the files and the journal together have every order."""

    def check(store: JsonFileStore) -> None:
        expected = {"a": "paid", "b": "placed", "c": "placed"}
        assert {key: each["status"] for key, each in all_orders(store).items()} == expected
        with store.read() as view:
            assert ids(view.find("orders", {"status": "placed"}).documents) == ["b", "c"]

    assert run_until_it_survives(shop, lambda store: Checkpointer(store).checkpoint(), check) > 15


def test_checkpoint_after_an_interrupted_one_leaves_no_old_segment(shop: Path) -> None:
    """Also when the files have everything already: an erased customer may stand in a segment."""
    old = {each.name for each in segments(shop)}

    def check(store: JsonFileStore) -> None:
        checkpoint(store)
        assert old.isdisjoint(each.name for each in segments(store.folder))
        assert verify(store.folder, COLLECTIONS).faults == []

    assert run_until_it_survives(shop, lambda store: Checkpointer(store).checkpoint(), check) > 15


def test_interrupted_checkpoint_of_one_file_at_a_time_loses_nothing(folder: Path) -> None:
    """Each of its steps leaves a folder that opens, without a fault, wherever the room is short."""
    store = JsonFileStore(folder, COLLECTIONS)
    for order_id in "ab":
        with transaction(store) as tx:
            tx.put("orders", order(order_id, number=tx.next_number("orders")))
            note(tx, order_id, "x" * 300)
        checkpoint(store)
    with transaction(store) as tx:
        tx.delete("orders", "a")
        note(tx, "c")
    store.close()

    def act(store: JsonFileStore) -> None:
        used = sum(each.stat().st_size for each in store.folder.rglob("*"))
        with small_disk(store.folder, used + FREE_SPACE_MIN_BYTES + 300):
            Checkpointer(store).checkpoint()

    def check(store: JsonFileStore) -> None:
        assert all_orders(store) == {"b": order("b", number=2)}
        with store.read() as view:
            assert sorted(view.keys("notes")) == ["a", "b", "c"]
        assert all(fault.heals for fault in verify(store.folder, COLLECTIONS).faults)

    assert run_until_it_survives(folder, act, check) > 30


def test_interrupted_first_start_can_be_repeated(folder: Path) -> None:
    """External files are adopted completely, wherever an earlier start died."""
    folder.mkdir()
    (folder / "orders.json").write_text(
        '[\n {"order_id": "b", "total": "1"},\n {"order_id": "a", "total": "1"}]'
    )
    for steps in range(MAX_STEPS):
        copy = folder.with_name(f"died-after-{steps}")
        shutil.copytree(folder, copy)
        survived = survives(partial(open_for_a_moment, copy), steps)
        store = JsonFileStore(copy, COLLECTIONS)
        assert all_orders(store) == {"a": order("a"), "b": order("b")}
        store.close()
        if survived:
            break
    assert steps > 8


@pytest.fixture
def writer(folder: Path) -> subprocess.Popen[bytes]:
    """Another process that places orders and prints each acknowledged one."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.writer", str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )


@pytest.mark.parametrize("orders", [1, 60, 400])
def test_killed_process_loses_no_acknowledged_order(
    folder: Path, open_store: OpenStore, writer: subprocess.Popen[bytes], *, orders: int
) -> None:
    """After kill -9 each acknowledged order is there, whole, with its number."""
    assert writer.stdout is not None
    printed = [writer.stdout.readline() for _ in range(orders)]
    writer.kill()
    printed += writer.stdout.readlines()
    writer.stdout.close()
    writer.wait(PATIENCE_S)
    acknowledged = {each.decode().strip() for each in printed if each.endswith(b"\n")}
    store = open_store()
    found = all_orders(store)
    with store.read() as view:
        assert set(view.keys("notes")) == set(found)
    assert acknowledged <= set(found)
    assert sorted(each["number"] for each in found.values()) == list(range(1, len(found) + 1))


def test_other_process_takes_over_when_the_leader_is_killed(
    folder: Path, open_store: OpenStore, writer: subprocess.Popen[bytes]
) -> None:
    """The leadership of a process ends with it, and the folder can be written at once."""
    assert writer.stdout is not None
    writer.stdout.readline()
    store = open_store()
    assert store.are_shards_leased()
    assert not store.lease_shards()
    writer.kill()
    assert store.lease_shards(timeout_s=PATIENCE_S)
    put_orders(store, order("mine"))
    writer.stdout.close()
    writer.wait(PATIENCE_S)
