"""The room on the disk that the next checkpoint needs, and that the log therefore leaves alone.

A checkpoint can only free the space of the log's segments after it has written second copies of the
files. So a transaction is refused while it would leave less than the largest file takes, and all
changes that the files do not have yet: a checkpoint that writes one file at a time then fits, and
makes room by itself.

While a checkpoint runs, the disk has less free space than afterwards: there are temporary files,
and replaced files stay until every process has closed them. For that time, the room is what there
was before, less what was appended since.
"""

from collections.abc import Iterable
from pathlib import Path
from time import monotonic

from app.kernel.errors import StorageFull
from app.store.files.disk.filesystem import FREE_SPACE_MIN_BYTES, free_bytes
from app.store.files.snapshot.writer import is_being_written

REPLACED_MAX_OPEN_S = 1.0
"""After this time no process that works has a replaced file open (see checkpointer.py)."""


class Room:
    """The free space on the disk of `folder`, as one process knows it. Its caller locks."""

    def __init__(
        self,
        folder: Path,
        collections: Iterable[str],
        replaced_max_open_s: float = REPLACED_MAX_OPEN_S,
    ) -> None:
        self._folder = folder
        self._collections = tuple(collections)
        self._free_bytes = self._appended_bytes = 0
        self._replaced_max_open_s = replaced_max_open_s
        self._replaced_at = -replaced_max_open_s

    def mark_replaced(self) -> None:
        """Note that a checkpoint has just replaced files."""
        self._replaced_at = monotonic()

    def refuse_full(self, needed_bytes: int, appended_bytes: int) -> None:
        """Raise StorageFull without room for `needed_bytes`. Raises OSError.

        `appended_bytes` counts what was appended to the log since this process opened it.
        """
        needed_bytes += FREE_SPACE_MIN_BYTES
        free = free_bytes(self._folder)
        before = self._free_bytes - (appended_bytes - self._appended_bytes)
        # whether a checkpoint runs is looked up only where it matters: that takes a while
        is_ample = free >= needed_bytes and before - free < FREE_SPACE_MIN_BYTES
        if is_ample or self._is_checkpointed():
            free = max(free, before)
        self._free_bytes, self._appended_bytes = free, appended_bytes
        if free < needed_bytes:
            raise StorageFull(
                f"The disk is full, and nothing was changed: {_megabytes(free)} are free, and the "
                f"next checkpoint may need {_megabytes(needed_bytes)}. Make room, and the service "
                "goes on by itself."
            )

    def _is_checkpointed(self) -> bool:
        """Whether a checkpoint takes room now that it gives back."""
        return monotonic() - self._replaced_at < self._replaced_max_open_s or is_being_written(
            self._folder, self._collections
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
