"""Locks between processes."""

from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from app.kernel.errors import Unavailable
from app.store.files.checkpointer import Checkpointer
from app.store.files.disk.locks import ProcessLock
from tests.store.conftest import OpenStore
from tests.store.faults import FALLIBLE_CALLS, failing_call, open_files
from tests.store.shop import order, put_orders


def test_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """A second lock object acquires it only after the first has released it."""
    first, second = ProcessLock(tmp_path / "a.lock"), ProcessLock(tmp_path / "a.lock")
    assert first.acquire()
    assert not second.acquire(0.01)
    assert (first.is_held, second.is_held) == (True, False)
    first.release()
    assert second.acquire()


def test_lock_file_stays(tmp_path: Path) -> None:
    """The file is never deleted: waiting processes must open the same one."""
    lock = ProcessLock(tmp_path / "a.lock")
    assert lock.acquire()
    number = (tmp_path / "a.lock").stat().st_ino
    lock.release()
    lock.release()
    assert (tmp_path / "a.lock").stat().st_ino == number


def test_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    """A lock can be acquired any number of times, and leaks no descriptor."""
    lock = ProcessLock(tmp_path / "a.lock")
    for _ in range(2000):
        assert lock.acquire()
        lock.release()
    assert not lock.is_held


def test_leader_notices_that_its_lock_file_was_removed(folder: Path, open_store: OpenStore) -> None:
    """After the lock file is removed another process can lead, and the first one no longer does."""
    first, second = open_store(), open_store()
    assert first.lease_shards()
    assert not second.lease_shards()
    (folder / "leader.lock").unlink()
    assert second.lease_shards()
    assert not first.lease_shards()
    assert first.are_shards_leased()
    second.close()
    assert first.lease_shards()


def test_lock_that_cannot_be_opened_is_named(folder: Path, open_store: OpenStore) -> None:
    """The error names a lock file that is a folder, without its path."""
    (folder / "store.lock").mkdir(parents=True)
    with pytest.raises(Unavailable) as caught:
        open_store()
    assert str(caught.value) == (
        "store.lock cannot be used while taking the store's lock: Is a directory."
    )


def test_a_lock_whose_check_fails_is_not_kept(tmp_path: Path) -> None:
    """An error between taking and keeping a lock closes its descriptor, which releases it."""
    lock = ProcessLock(tmp_path / "a.lock")
    with failing_call("fstat", 1), pytest.raises(OSError, match="Input/output"):
        lock.acquire()
    assert not lock.is_held
    assert ProcessLock(tmp_path / "a.lock").acquire()


@pytest.mark.parametrize("name", FALLIBLE_CALLS)
def test_a_system_call_that_fails_once_stops_nothing(
    folder: Path, open_store: OpenStore, name: str
) -> None:
    """Of locks, journal and checkpoints: afterwards all goes on, here and in another process."""
    store, other = open_store(lock_timeout_s=0.1), open_store(lock_timeout_s=0.1)
    checkpointer, numbers = Checkpointer(store), map(str, count(1))

    def work() -> None:
        assert store.lease_shards()
        put_orders(store, order(next(numbers)))
        checkpointer.checkpoint()
        put_orders(other, order(next(numbers)))

    work()
    descriptors = open_files(folder)
    for at in range(1, 40):
        with failing_call(name, at) as failed, suppress(Unavailable):
            work()
        work()
        assert len(open_files(folder)) == len(descriptors)
        if not failed:
            break
    assert at > 1
