"""Locks between processes."""

from pathlib import Path

import pytest

from app.kernel.errors import Unavailable
from app.store.files.disk.locks import ProcessLock
from tests.store.conftest import OpenStore


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
    assert first.lead(timeout_s=0)
    assert not second.lead(timeout_s=0)
    (folder / "leader.lock").unlink()
    assert second.lead(timeout_s=0)
    assert not first.lead(timeout_s=0)
    assert first.has_leader()
    second.close()
    assert first.lead(timeout_s=0)


def test_lock_that_cannot_be_opened_is_named(folder: Path, open_store: OpenStore) -> None:
    """The error names a lock file that is a folder, without its path."""
    (folder / "store.lock").mkdir(parents=True)
    with pytest.raises(Unavailable) as caught:
        open_store()
    assert str(caught.value) == (
        "store.lock cannot be used while taking the store's lock: Is a directory."
    )
