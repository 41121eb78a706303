"""Errors of the operating system: their causes in words, and ours for them."""

import errno
import os

import pytest

from app.kernel.errors import StorageFull, Unavailable
from app.system.os_errors import cause_of, unavailable


def test_the_limit_of_the_machine_is_named() -> None:
    """ENFILE is no fault of a disk or a peer."""
    cause = cause_of(OSError(errno.ENFILE, os.strerror(errno.ENFILE)))
    assert cause == "too many open files on this machine; raise fs.file-max (sysctl)"


def test_another_error_is_told_by_its_text_without_the_file() -> None:
    """The name of a file is left to the caller."""
    assert cause_of(FileNotFoundError(errno.ENOENT, "No such file", "/secret")) == "No such file"
    assert cause_of(OSError("no certificate")) == "no certificate"
    assert cause_of(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EIO, Unavailable),
        (errno.EACCES, Unavailable),
    ],
)
def test_a_full_disk_has_an_error_of_its_own(number: int, kind: type[Unavailable]) -> None:
    """A quota and a limit on the size of files count as a full disk."""
    error = unavailable("The picture could not be written", OSError(number, "reason", "/secret"))
    assert type(error) is kind
    assert str(error) == "The picture could not be written: reason."
