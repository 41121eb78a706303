"""Processes catch up with what others write, however long they have read nothing."""

import errno
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from app.kernel.errors import Damaged, Unavailable
from app.store import Store
from app.store.files.checkpointer import Checkpointer
from app.store.files.follower import Follower
from app.store.files.store import JsonFileStore
from app.store.files.wal.segment import READ_CHUNK_BYTES
from tests.durability.disk import READ, Disk, Step
from tests.processes.servers import wait_for
from tests.store.conftest import OpenStore, Together
from tests.store.journal_lines import checkpoint
from tests.store.shop import all_orders, get_order, ids, order, put_orders
from tests.transactions import transaction


def listed(store: Store, status: str) -> list[str]:
    """The orders with this status, by the index."""
    with store.read() as view:
        found = view.find("orders", {"status": status}).documents
        assert view.count("orders", {"status": status}) == len(found)
        return ids(found)


def fail_to_drop_segments(store: JsonFileStore) -> None:
    """Write a checkpoint that fails after its files are in place, before it is published."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("unlink fails")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(Unavailable):
            Checkpointer(store).checkpoint()


def is_at_the_end(follower: JsonFileStore, writer: JsonFileStore) -> bool:
    """Whether it has read all that the writer has written; does not make it read."""
    read, written = follower.replica.wal, writer.replica.wal
    return (read.segment.number, read.seq) == (written.segment.number, written.seq)


def test_follower_never_reloads(open_store: OpenStore) -> None:
    """An idle store with a follower never reopens the folder, after any number of checkpoints."""
    store, idle = open_store(), open_store()
    follower, replica = Follower(idle), idle.replica
    follower.start()
    try:
        for n in range(4):
            put_orders(store, order(f"new-{n}", status="placed"))
            checkpoint(store)
            wait_for("it has followed", lambda: is_at_the_end(idle, store))
    finally:
        follower.close()
    assert listed(idle, "placed") == [f"new-{n}" for n in range(4)]
    assert idle.replica is replica


def test_follower_goes_on_after_a_failed_disk(
    folder: Path, open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the failure once for as long as it lasts."""
    failures_left = 0

    def fail_reads(step: Step) -> None:
        nonlocal failures_left
        if step.call == READ and failures_left:
            failures_left -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Disk(folder, fail_reads, reads=True):
        store, idle = open_store(), open_store()
        put_orders(store, order("new"))
        failures_left = 3
        follower = Follower(idle)
        follower.start()
        wait_for("it has followed", lambda: is_at_the_end(idle, store))
        follower.close()
    assert failures_left == 0
    assert [each.message for each in caplog.records] == [
        "the journal cannot be followed: "
        "The disk failed (Input/output error) while reading the journal."
    ]


def test_a_look_at_the_journal_takes_memory_for_what_is_new(open_store: OpenStore) -> None:
    """Reading a small change of another process allocates less than a tenth of a chunk."""
    store, idle = open_store(), open_store()
    put_orders(store, order("new"))
    tracemalloc.start()
    try:
        found = all_orders(idle)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "new" in found
    assert peak_bytes < READ_CHUNK_BYTES // 10


def test_follower_that_was_not_started_can_be_closed(open_store: OpenStore) -> None:
    """`close` without `start` does nothing."""
    Follower(open_store()).close()


@pytest.mark.parametrize("checkpoints", [1, 2, 3, 4])
def test_idle_process_catches_up_over_any_number_of_checkpoints(
    open_store: OpenStore, *, checkpoints: int
) -> None:
    """After any pause a store sees the present documents, lists and feeds."""
    store, idle = open_store(), open_store()
    put_orders(store, order("gone", status="placed"), order("moved", status="placed"))
    assert len(all_orders(idle)) == 2
    feed = idle.change_feed("orders")
    for n in range(checkpoints):
        with transaction(store) as tx:
            tx.put("orders", order(f"new-{n}", status="placed"))
            tx.put("orders", order("moved", status="paid"))
            tx.delete("orders", "gone")
        checkpoint(store)
    assert set(feed.take(timeout_s=0)) == {
        "gone",
        "moved",
        *(f"new-{n}" for n in range(checkpoints)),
    }
    assert all_orders(idle) == all_orders(store)
    assert listed(idle, "placed") == [f"new-{n}" for n in range(checkpoints)]
    assert listed(idle, "paid") == ["moved"]


@pytest.mark.parametrize("checkpoints", [1, 2, 3])
def test_idle_process_may_write_first(open_store: OpenStore, *, checkpoints: int) -> None:
    """A write after any pause builds on everything before it."""
    store, idle = open_store(), open_store()
    for n in range(checkpoints):
        put_orders(store, order(f"{n}"))
        checkpoint(store)
    with transaction(idle) as tx:
        tx.put("orders", order("count", total=str(tx.count("orders"))))
    assert get_order(store, "count") == order("count", total=str(checkpoints))
    checkpoint(idle)
    assert all_orders(open_store()) == all_orders(store)


def test_follower_reads_from_the_new_files(folder: Path, open_store: OpenStore) -> None:
    """After another process's checkpoint, a store keeps nothing in memory that the files have."""
    store, follower = open_store(), open_store()
    put_orders(store, order("a", status="placed"))
    assert follower.replica is not None
    assert get_order(follower, "a") == order("a", status="placed")
    assert follower.replica.is_ahead_of_files()
    checkpoint(store)
    assert get_order(follower, "a") == order("a", status="placed")
    assert not follower.replica.is_ahead_of_files()
    assert follower.replica.files_in_place()


def test_files_of_a_later_checkpoint_are_not_used(open_store: OpenStore) -> None:
    """A store that is behind does not use files newer than its position in the log."""
    store, follower = open_store(), open_store()
    put_orders(store, order("a", status="placed"), order("b", status="placed"))
    checkpoint(store)
    put_orders(store, order("a", status="paid"))
    with transaction(store) as tx:
        tx.delete("orders", "b")
    fail_to_drop_segments(store)
    assert (listed(follower, "placed"), listed(follower, "paid")) == ([], ["a"])
    put_orders(follower, order("a", status="shipped"))
    assert (listed(store, "paid"), listed(store, "shipped")) == ([], ["a"])
    checkpoint(follower)
    assert all_orders(open_store()) == {"a": order("a", status="shipped")}
    assert all_orders(store) == {"a": order("a", status="shipped")}


def test_checkpoint_that_failed_late_is_completed(open_store: OpenStore) -> None:
    """After files are in place but segments not removed, the next checkpoint completes it."""
    store, other = open_store(), open_store()
    put_orders(store, order("a"))
    fail_to_drop_segments(store)
    put_orders(other, order("b"))
    fail_to_drop_segments(other)
    checkpoint(store)
    for each in (store, other, open_store()):
        assert sorted(all_orders(each)) == ["a", "b"]


def test_reading_while_others_write_checkpoints(open_store: OpenStore, together: Together) -> None:
    """Views are consistent beside concurrent writers, checkpoints and opening processes."""
    stores = [open_store() for _ in range(3)]
    rounds = 12

    def write(store: JsonFileStore, name: str) -> Callable[[], None]:
        def act() -> None:
            for n in range(rounds):
                put_orders(
                    store,
                    order(f"{name}-left", total=str(n), status="odd" if n % 2 else "even"),
                    order(f"{name}-right", total=str(n), status="odd" if n % 2 else "even"),
                )

        return act

    def publish(store: JsonFileStore) -> Callable[[], None]:
        def act() -> None:
            for _ in range(rounds):
                Checkpointer(store).checkpoint()

        return act

    def read(store: JsonFileStore) -> None:
        for _ in range(rounds * 3):
            with store.read() as view:
                for name in ("x", "y"):
                    left = view.get("orders", f"{name}-left")
                    right = view.get("orders", f"{name}-right")
                    assert (left or {}).get("total") == (right or {}).get("total")
                statuses = [
                    view.find("orders", {"status": each}).documents for each in ("odd", "even")
                ]
                assert len(statuses[0]) + len(statuses[1]) == view.count("orders")

    def open_and_read() -> None:
        for _ in range(4):
            read(open_store())

    together(
        [
            write(stores[0], "x"),
            write(stores[1], "y"),
            publish(stores[0]),
            publish(stores[2]),
            lambda: read(stores[1]),
            lambda: read(stores[2]),
            open_and_read,
        ]
    )
    expected = all_orders(stores[0])
    assert {each["total"] for each in expected.values()} == {str(rounds - 1)}
    for store in (*stores, open_store()):
        assert all_orders(store) == expected
        assert len(listed(store, "odd")) == 4


def test_threads_of_one_process_write_one_checkpoint_at_a_time(
    open_store: OpenStore, together: Together
) -> None:
    """Concurrent calls of `checkpoint` run one after the other."""
    store = open_store()
    checkpointer = Checkpointer(store)

    def act(name: str) -> None:
        for n in range(5):
            put_orders(store, order(f"{name}-{n}"))
            assert checkpointer.checkpoint()

    together(lambda name=name: act(name) for name in "abcd")
    assert len(all_orders(open_store())) == 20


def test_reading_goes_on_when_a_new_file_is_removed(folder: Path, open_store: OpenStore) -> None:
    """A store reads and writes on after orders.json was removed; a checkpoint refuses."""
    store, follower = open_store(), open_store()
    put_orders(store, order("a"))
    assert get_order(follower, "a") == order("a")
    checkpoint(store)
    (folder / "orders.json").unlink()
    assert get_order(follower, "a") == order("a")
    put_orders(follower, order("b"))
    with pytest.raises(Damaged, match=r"orders\.json"):
        Checkpointer(follower).checkpoint()
