"""Errors of the operating system: their cause in words, and ours for them."""

import errno
import resource

from app.kernel.errors import StorageFull, Unavailable

OPEN_FILES_MIN = 1024
"""The number of open files that suffices for every command, and for a server as a rule."""


def cause_of(error: OSError) -> str:
    """The cause of `error`, without the names of files: "No space left on device", say."""
    if error.errno == errno.EMFILE:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        advice = advice_to_raise(max(OPEN_FILES_MIN, 2 * limit))
        return f"too many open files; this process may have {limit}. {advice}"
    if error.errno == errno.ENFILE:
        return "too many open files on this machine; raise fs.file-max (sysctl)"
    return error.strerror or str(error) or type(error).__name__


def advice_to_raise(least: int) -> str:
    """The advice where a process needs `least` open files, without a full stop."""
    return (
        f"Raise the limit to at least {least}: LimitNOFILE in the unit of the service, or "
        "`ulimit -n` in the shell"
    )


def unavailable(what: str, error: OSError) -> Unavailable:
    """The error for what was not possible, with its cause; StorageFull where the disk is full."""
    kind = StorageFull if is_full(error) else Unavailable
    return kind(f"{what}: {cause_of(error)}.")


def is_full(error: OSError) -> bool:
    """Whether the disk or the quota is full, or the file size limit is reached."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def lacks_open_files(error: OSError) -> bool:
    """Whether a limit of open files is reached, of the process or of the machine."""
    return error.errno in (errno.EMFILE, errno.ENFILE)
