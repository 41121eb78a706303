"""The file system below the store: its errors as the store's errors, free space, its type."""

import errno
import os
import sys
from pathlib import Path

from app.kernel.errors import StorageFull, Unavailable
from app.system.disk import write_new
from app.system.os_errors import cause_of, is_full, lacks_open_files

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "beegfs", "gpfs"}
    | {"glusterfs", "fuse.glusterfs", "fuse.sshfs"}
)
MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists what is mounted (proc_pid_mountinfo(5))."""

FREE_SPACE_MIN_BYTES = 8 << 20
"""Space on the disk for what the store does not compute: blocks that are not full, new segments,
and what deliveries under way still write beside it (mail, the simulated gateway, the log)."""

PROBE_BYTES = 1 << 16
_MISPLACED = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG}
)


class translating_os_errors:  # noqa: N801 (it is used like a function)
    """Turn an OSError inside the block into StorageFull or Unavailable.

    `doing` names the action in the message, such as "writing the journal". A class, because the
    traceback through a generator refers to itself (from Python 3.12 on), and would keep the files
    of the block open until the garbage collector runs.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            raise disk_error(self._doing, error) from error


def disk_error(doing: str, error: OSError) -> Unavailable:
    """The error for a failed disk operation; it names the file, without its path."""
    if is_full(error):
        return StorageFull(f"The disk is full: {doing} was not possible, and nothing was changed.")
    name, cause = _named(error), cause_of(error)
    if lacks_open_files(error):
        return Unavailable(f"Nothing could be opened while {doing}: {cause}.")
    if is_forbidden(error):
        return forbidden(name or "a file of the data folder", doing)
    if error.errno in _MISPLACED and name:
        return Unavailable(f"{name} cannot be used while {doing}: {cause}.")
    return Unavailable(f"The disk failed ({cause}) while {doing}.")


def forbidden(name: str, doing: str) -> Unavailable:
    """The error for a file that this user may not read or write."""
    return Unavailable(
        f"Permission denied for {name} while {doing}. The user that runs Daybook must be able to "
        "read and write the data folder and all that is in it."
    )


def free_bytes(folder: Path) -> int:
    """The free space on the disk of `folder`; without end where the file system has no size.

    Raises OSError.
    """
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize if room.f_blocks else sys.maxsize


def refuse_read_only(folder: Path) -> None:
    """Raise Unavailable where `folder` may not be written, or its disk became read-only."""
    if not os.access(folder, os.W_OK, effective_ids=True):
        raise forbidden(f"{folder.name}/", "checking whether the disk can be written")


def write_probe(folder: Path) -> None:
    """Write, sync and remove a small file in `folder`. Raises StorageFull or Unavailable."""
    probe = folder / f".probe-{os.getpid()}"
    with translating_os_errors("writing a test file"):
        try:
            write_new(probe, bytes(PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)


def open_read_write(path: Path, flags: int = 0) -> int:
    """Open a file to read and write, or only to read where writing is forbidden. Raises OSError.

    Reading is enough to verify a segment and to take a lock. A file created by `flags` has mode
    0600.
    """
    try:
        return os.open(path, os.O_RDWR | flags, 0o600)
    except OSError as error:
        if is_forbidden(error) and path.exists():
            return os.open(path, os.O_RDONLY | flags & ~os.O_CREAT)
        raise


def is_forbidden(error: OSError) -> bool:
    """Whether a permission is missing, or the disk is mounted read-only."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


def _named(error: OSError) -> str:
    """The file that the error is about, relative to the data folder; "" if unknown."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return ""
    path = Path(os.fsdecode(error.filename))
    return f"journal/{path.name}" if path.parent.name == "journal" else path.name


def file_system_of(folder: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system that holds `folder`, as the kernel names it; "" if unknown."""
    if not mounts.exists():
        return ""
    device = folder.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    for mount in mounts.read_text("utf-8").splitlines():
        left, _, right = mount.partition(" - ")
        if left.split()[2] == name:
            return right.split()[0]
    return ""
