"""The causes of errors of the operating system, in words."""

import errno
import os

from app.system.os_errors import cause_of


def test_the_limit_of_the_machine_is_named() -> None:
    """ENFILE is no fault of a disk or a peer."""
    cause = cause_of(OSError(errno.ENFILE, os.strerror(errno.ENFILE)))
    assert cause == "too many open files on this machine; raise fs.file-max (sysctl)"


def test_another_error_is_told_by_its_text_without_the_file() -> None:
    """The name of a file is left to the caller."""
    assert cause_of(FileNotFoundError(errno.ENOENT, "No such file", "/secret")) == "No such file"
    assert cause_of(OSError("no certificate")) == "no certificate"
    assert cause_of(TimeoutError()) == "TimeoutError"
