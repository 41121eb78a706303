"""Mails that are delivered into a Maildir folder together: what is on disk, and when."""

import os
from pathlib import Path

import pytest

from app.notification.maildir import Maildir
from app.notification.transport import Mail
from tests.durability.disk import RENAME, SYNC, SYNC_FOLDER, WRITE, Disk, Entry, Step

MAILS = [Mail(f"event-{n}.notification", "a@shop", "b@shop", b"Subject: x\n\n" * 9) for n in "123"]


@pytest.fixture
def maildir(tmp_path: Path) -> Maildir:
    """A Maildir whose folders exist."""
    maildir = Maildir(tmp_path / "mail")
    maildir.send_all([])
    return maildir


def deliver(maildir: Maildir, folder: Path) -> list[Entry]:
    """Deliver all mails together; returns the changes of the disk below the folder."""
    with Disk(folder) as disk:
        maildir.send_all(MAILS)
    return disk.tape


def test_they_share_one_sync_of_the_folder(maildir: Maildir, tmp_path: Path) -> None:
    """Each file is synced by itself, the folder once."""
    calls = [entry.call for entry in deliver(maildir, tmp_path)]
    assert calls.count(SYNC) == calls.count(RENAME) == len(MAILS)
    assert calls.count(SYNC_FOLDER) == 1


def test_each_is_whole_on_disk_before_it_is_in_new(maildir: Maildir, tmp_path: Path) -> None:
    """A power cut leaves no half mail where a mail program finds it."""
    steps = [(entry.call, entry.name) for entry in deliver(maildir, tmp_path)]
    for mail in MAILS:
        name = f"mail/tmp/{mail.name}"
        assert steps.index((WRITE, name)) < steps.index((SYNC, name)) < steps.index((RENAME, name))


def test_all_are_in_the_folder_for_good_when_the_call_returns(
    maildir: Maildir, tmp_path: Path
) -> None:
    """A delivery that is recorded as done has its mail, whatever the disk had not written."""
    *before, last = deliver(maildir, tmp_path)
    assert (last.call, last.name) == (SYNC_FOLDER, "mail/new")
    moved = {entry.data for entry in before[: last.through] if entry.call == RENAME}
    assert moved == {f"mail/new/{mail.name}" for mail in MAILS}


def test_an_error_of_one_file_is_an_error_of_the_call(maildir: Maildir, tmp_path: Path) -> None:
    """Then none counts as sent; those that are delivered again replace their files."""

    def fail(step: Step) -> None:
        if step.call == SYNC and MAILS[1].name in step.name:
            raise OSError(5, os.strerror(5))

    with Disk(tmp_path, fail), pytest.raises(OSError, match="Input/output"):
        maildir.send_all(MAILS)
    maildir.send_all(MAILS)
    assert len(list((tmp_path / "mail/new").iterdir())) == len(MAILS)
    assert list((tmp_path / "mail/tmp").iterdir()) == []
