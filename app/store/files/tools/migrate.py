"""Brings the documents of an older Daybook up to this version, at the start, with a copy kept.

The version of a folder's documents (its `schema`) stands in the header of each journal segment; a
`Step` says what changes from one version to the next. The steps here, each safe to die after (then
the next start begins again, and finds the copy that is there):

1. Copy the readable files and the journal to a folder before-upgrade-to-N/ beside them. It is a
   data folder like any other, for the version of Daybook that wrote it.
2. Read every document, from the files and from the journal; take it through the steps.
3. Write each file under a temporary name; begin a segment whose header names them all.
4. Rename the files into place, then remove the segments before. A folder is as old as the oldest
   segment in it, so from here on it is upgraded.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.disk import copy_file, sync_folder
from app.kernel.errors import Conflict, Damaged, Unavailable
from app.store import Collection, Document
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.folder.open import prepare_folder, read_headers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.writer import write_next
from app.store.files.tools.adopt_edits import stopped
from app.store.files.tools.repair import begin_anew, documents_of, read_journal
from app.store.files.tools.verify import inspect
from app.store.files.wal.format import Header, encode_document
from app.store.files.wal.segment import segment_numbers

Step = Mapping[str, Callable[[Document], Document]]
"""For a collection's name, a function from a document to what it is one version later.

It may be given a document that has come that far already, and then returns it as it is.
"""


class Migrated(NamedTuple):
    """What was done: how many documents of which collection changed, and where the copy is."""

    changed: dict[str, int]
    copy: str

    def __str__(self) -> str:
        told = ", ".join(f"{count} in {name}.json" for name, count in self.changed.items())
        return (
            f"The documents of an older Daybook were upgraded ({told or 'none had to change'}); "
            f"how they were is kept in {self.copy}/, which may be removed."
        )


def upgrade(
    folder: Path, collections: Iterable[Collection], steps: Sequence[Step]
) -> Migrated | None:
    """Bring a folder's documents to version len(steps), durably. None where they are, or none are.

    Raises Unavailable for a folder that a newer Daybook wrote, Conflict while a service runs on an
    older one, Damaged where files are not what the store wrote, StorageFull or Unavailable when
    the disk does not allow it; nothing was changed then.
    """
    if schema_of(folder, len(steps)) == len(steps):
        return None
    prepare_folder(folder)
    with translating_os_errors("upgrading the documents"), stopped(folder, "start this version"):
        schema = schema_of(folder, len(steps))  # where another was quicker, no step is left
        _refuse_damaged(folder, collections)
        copy = _keep_copy(folder, len(steps))
        return Migrated(_rewrite(folder, (*collections, COUNTERS), steps[schema:], schema), copy)


def schema_of(folder: Path, newest: int) -> int:
    """The version of the documents in `folder`; `newest` where there is no journal yet.

    Raises Unavailable when it is above `newest`, Damaged for a journal that cannot be read.
    """
    with translating_os_errors("reading the journal"):
        schema = min((header.schema for header in _headers(folder)), default=newest)
    if schema > newest:
        raise Unavailable(
            f"A newer Daybook wrote the data folder {folder.name}/ (documents of version "
            f"{schema}; this one knows {newest}). Start that version, or restore a backup."
        )
    return schema


def _headers(folder: Path) -> list[Header]:
    while True:
        numbers = segment_numbers(folder / "journal")
        try:
            return read_headers(folder)
        except FileNotFoundError:  # a checkpoint has just removed it
            if segment_numbers(folder / "journal") == numbers:
                raise


def refuse_older(folder: Path, newest: int) -> None:
    """Raise Conflict where the documents have to be upgraded first, which only a start does."""
    if schema_of(folder, newest) < newest:
        raise Conflict(
            "An older version of Daybook kept this folder. Start the service once, which upgrades "
            "its documents and keeps a copy; then check."
        )


def _refuse_damaged(folder: Path, collections: Iterable[Collection]) -> None:
    for each in inspect(folder, collections, is_locked=True).findings:
        if not each.heals:
            raise Damaged(f"{each.file}, byte {each.offset}: {each.text}")


def _keep_copy(folder: Path, schema: int) -> str:
    """Copy all that is going to change, durably, unless an attempt before did; returns the name."""
    name = f"before-upgrade-to-{schema}"
    if (folder / name).exists():
        return name
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
    try:
        (temporary / "journal").mkdir(mode=0o700)
        for path in (*folder.glob("*.json"), *(folder / "journal").iterdir()):
            copy_file(path, temporary / path.relative_to(folder))
        os.sync()
        temporary.rename(folder / name)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder)
    return name


def _rewrite(
    folder: Path, declared: Sequence[Collection], steps: Sequence[Step], schema: int
) -> dict[str, int]:
    """Write every file anew; returns how many documents have changed in which."""
    journal = read_journal(folder)
    last = journal.last
    known = [each for each in declared if each.name in journal.headers[-1].files]
    records = dict(journal.headers[-1].files)
    changed: dict[str, int] = {}
    for each in known:
        documents = dict(documents_of(folder, each, journal))
        changes = [step[each.name] for step in steps if each.name in step]
        if count := _take_through(each, documents, changes):
            changed[each.name] = count
        records[each.name] = write_next(folder, each, None, documents, covers=last)
    begin_anew(folder, known, records, last, schema + len(steps))
    return changed


def _take_through(
    collection: Collection,
    documents: dict[str, bytes],
    changes: Sequence[Callable[[Document], Document]],
) -> int:
    """Apply every change to each of the documents; returns how many have become others."""
    count = 0
    for key, raw in documents.items():
        document = before = orjson.loads(raw)
        for change in changes:
            document = change(document)
        if document != before:
            documents[key] = encode_document({collection.key: key} | document)
            count += 1
    return count
