"""The causes of errors of the operating system in words, with what to do where that is known."""

import errno
import resource

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


def lacks_open_files(error: OSError) -> bool:
    """Whether a limit of open files is reached, of the process or of the machine."""
    return error.errno in (errno.EMFILE, errno.ENFILE)
