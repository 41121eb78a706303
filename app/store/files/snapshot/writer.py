"""Writes checkpoint files: first under a temporary name, then renamed into place."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import google_crc32c
import orjson

from app.store import Collection
from app.store.files.snapshot.checkpoint_file import FOOT, HEAD, CheckpointFile, path_of
from app.store.files.wal.format import FileRecord
from app.system.disk import sync_folder, write_all

Changes = Mapping[str, bytes | None]
"""By key: the stored JSON of a document, or None for a deleted one."""

WRITE_MIN_BYTES = 1 << 20
SYNC_INTERVAL_BYTES = 16 << 20


def write_next(
    folder: Path, collection: Collection, base: CheckpointFile | None, changes: Changes, covers: int
) -> FileRecord:
    """Write `base` merged with `changes` to the temporary file, durably; returns its record.

    The new file contains every transaction up to `covers`. Unchanged lines are copied in large
    pieces, so the work in Python grows with the changes, not with the collection. Raises OSError;
    the temporary file is then ignored.
    """
    documents_before = base.record.documents if base else 0
    return _write(folder, collection, _merge(base, changes), covers, documents_before)


def write_new(
    folder: Path, collection: Collection, raws: Iterable[bytes], covers: int
) -> FileRecord:
    """Write documents, in the order of a file, to the temporary file; see `write_next`."""
    return _write(folder, collection, ((raw + b",\n", 1) for raw in raws), covers, 0)


def publish(folder: Path, collections: Iterable[Collection]) -> None:
    """Rename the temporary files into place, durably. Raises OSError."""
    for collection in collections:
        _temporary_path_of(folder, collection).replace(path_of(folder, collection.name))
    sync_folder(folder)


def discard(folder: Path, collections: Iterable[Collection]) -> None:
    """Remove the temporary files; on a full disk they would take the space that the log needs."""
    for collection in collections:
        with suppress(OSError):
            _temporary_path_of(folder, collection).unlink()


def is_being_written(folder: Path, names: Iterable[str]) -> bool:
    """Whether a checkpoint, or one that was killed, has a temporary file in `folder`."""
    return any(_temporary_path(folder, name).exists() for name in names)


def _temporary_path_of(folder: Path, collection: Collection) -> Path:
    return _temporary_path(folder, collection.name)


def _temporary_path(folder: Path, name: str) -> Path:
    return folder / f".{name}.json.next"


def _write(
    folder: Path,
    collection: Collection,
    pieces: Iterable[tuple[bytes, int]],
    covers: int,
    documents: int,
) -> FileRecord:
    """Write pieces, each with the change in the number of documents that it makes."""
    with closing(_Writer(_temporary_path_of(folder, collection), documents)) as writer:
        writer.write(HEAD)
        for piece, change in pieces:
            writer.write(piece)
            writer.documents += change
        return writer.finish(covers)


def _merge(base: CheckpointFile | None, changes: Changes) -> Iterator[tuple[bytes, int]]:
    """The lines in pieces, each with the change in the number of documents that it makes."""
    sorted_changes = sorted((orjson.dumps(key), raw) for key, raw in changes.items())
    if base is None:
        yield from ((raw + b",\n", 1) for _, raw in sorted_changes if raw is not None)
        return
    position = len(HEAD)
    for token, raw in sorted_changes:
        offset = base.lower_bound(token)
        yield from ((chunk, 0) for chunk in base.chunks(position, offset))
        position = offset
        if base.has_key_at(offset, token):
            position = base.line_end(offset)
            yield b"", -1
        if raw is not None:
            yield raw + b",\n", 1
    yield from ((chunk, 0) for chunk in base.chunks(position, base.end))


class _Writer:
    """Writes a file in large pieces and computes its checksum."""

    def __init__(self, path: Path, documents: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._pending = bytearray()
        self._written = self._unsynced = 0
        self._crc = 0
        self.documents = documents

    def write(self, piece: bytes) -> None:
        self._pending += piece
        if len(self._pending) > WRITE_MIN_BYTES:
            self._flush(keep=len(b",\n"))

    def finish(self, covers: int) -> FileRecord:
        """Replace the last comma with the end of the array, and sync."""
        if self._pending.endswith(b",\n"):
            self._pending[-len(b",\n") :] = FOOT
        else:
            self._pending += FOOT[1:]  # an empty array: HEAD has its newline already
        self._flush(keep=0)
        os.fsync(self._fd)
        return FileRecord(covers, self.documents, self._written, f"{self._crc:08x}")

    def close(self) -> None:
        os.close(self._fd)

    def _flush(self, keep: int) -> None:
        """Write all but the last `keep` bytes, which may be the comma that `finish` replaces.

        Sync every SYNC_INTERVAL_BYTES: one sync of gigabytes at the end would delay the log's.
        """
        piece = bytes(self._pending[: len(self._pending) - keep])
        write_all(self._fd, piece, self._written)
        self._crc = google_crc32c.extend(self._crc, piece)
        self._written += len(piece)
        self._unsynced += len(piece)
        if self._unsynced > SYNC_INTERVAL_BYTES:
            os.fdatasync(self._fd)
            self._unsynced = 0
        del self._pending[: len(piece)]
