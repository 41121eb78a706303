"""Migrates the documents of an older Daybook to this version, at the start, and keeps a copy.

The version of a folder's documents (its `schema`) stands in the header of each journal segment; a
`Migration` leads from one version to the next. The steps, each safe to die after (then the next
start begins again, and finds the copy that is there):

1. Copy the readable files and the journal to a folder before-upgrade-to-N/ beside them. It is a
   data folder like any other, for the version of Daybook that wrote it.
2. Read every document, from the files and from the journal; apply the migrations to it.
3. Write each file under a temporary name; begin a segment whose header names them all.
4. Rename the files into place, then remove the segments before. A folder is as old as the oldest
   segment in it, so from here on it is migrated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from app.kernel.errors import Conflict, Damaged, Unavailable
from app.store import Collection, Document
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.folder.open import find_record, open_file, prepare_folder, read_headers
from app.store.files.memory.transaction import COUNTERS
from app.store.files.snapshot.writer import write_next
from app.store.files.tools.exclusive_access import exclusive_access
from app.store.files.tools.journal_reader import Journal, replay
from app.store.files.tools.new_folder import new_folder
from app.store.files.tools.repair import replace_journal
from app.store.files.tools.verify import verify
from app.store.files.wal.format import encode_document
from app.system.disk import copy_file

Migration = Mapping[str, Callable[[Document], Document]]
"""For a collection's name, a function from a document to what it is one version later.

It may be given a document of that version already, and then returns it unchanged.
"""


class MigrationReport(NamedTuple):
    """How many documents of which collection changed, and the name of the copy."""

    changed: dict[str, int]
    copy: str

    def __str__(self) -> str:
        """The report as a sentence for the log."""
        changed = ", ".join(f"{count} in {name}.json" for name, count in self.changed.items())
        return (
            f"The documents of an older Daybook were upgraded ({changed or 'none had to change'}); "
            f"how they were is kept in {self.copy}/, which may be removed."
        )


def migrate(
    folder: Path, collections: Iterable[Collection], migrations: Sequence[Migration]
) -> MigrationReport | None:
    """Bring a folder's documents to version len(migrations), durably.

    None where they are of that version, or there are none. Raises Unavailable for a folder that a
    newer Daybook wrote, Conflict while a service runs on an older one, Damaged where files are not
    what the store wrote, StorageFull or Unavailable when the disk does not allow it; nothing was
    changed then.
    """
    newest = len(migrations)
    if schema_of(folder, newest) == newest:
        return None
    prepare_folder(folder)
    with exclusive_access(folder, "start this version", doing="upgrading the documents"):
        schema = schema_of(folder, newest)  # another process may have migrated them meanwhile
        for fault in verify(folder, collections, lock_timeout_s=None).faults:
            if not fault.heals:
                raise Damaged(str(fault))
        copy = _keep_copy(folder, newest)
        collections = (*collections, COUNTERS)
        return MigrationReport(_rewrite(folder, collections, migrations[schema:], newest), copy)


def schema_of(folder: Path, newest: int) -> int:
    """The version of the documents in `folder`; `newest` where there is no journal yet.

    Raises Unavailable when it is above `newest`, Damaged for a journal that cannot be read.
    """
    with translating_os_errors("reading the journal"):
        schema = min((each.schema for each in read_headers(folder)), default=newest)
    if schema > newest:
        raise Unavailable(
            f"A newer Daybook wrote the data folder {folder.name}/ (documents of version "
            f"{schema}; this one knows {newest}). Start that version, or restore a backup."
        )
    return schema


def refuse_older(folder: Path, newest: int) -> None:
    """Raise Conflict where the documents have to be migrated first, which only a start does."""
    if schema_of(folder, newest) < newest:
        raise Conflict(
            "An older version of Daybook kept this folder. Start the service once, which upgrades "
            "its documents and keeps a copy; then check."
        )


def _keep_copy(folder: Path, schema: int) -> str:
    """Copy all that is going to change, durably, unless an attempt before did; returns the name."""
    name = f"before-upgrade-to-{schema}"
    if not (folder / name).exists():
        with new_folder(folder / name) as copy:
            (copy / "journal").mkdir(mode=0o700)
            for path in (*folder.glob("*.json"), *(folder / "journal").iterdir()):
                copy_file(path, copy / path.relative_to(folder))
    return name


def _rewrite(
    folder: Path, collections: Iterable[Collection], migrations: Sequence[Migration], schema: int
) -> dict[str, int]:
    """Write every file and the journal anew; returns how many documents have changed in which."""
    journal = Journal(folder, collections)
    transactions = list(journal.transactions())
    last = max(segment.sound_part.seq for segment in journal.segments)
    records = {
        name: record._replace(covers=last) for name, record in journal.headers[-1].files.items()
    }
    known = [each for each in collections if each.name in records]
    changed: dict[str, int] = {}
    for each in known:
        file = open_file(folder, each)
        documents = {orjson.loads(raw)[each.key]: raw for raw in file.lines()}
        covers = find_record(journal.headers, each.name, file).covers
        replay(transactions, each, covers, documents)
        changes = [migration[each.name] for migration in migrations if each.name in migration]
        if count := _apply(changes, each, documents):
            changed[each.name] = count
        records[each.name] = write_next(folder, each, None, documents, covers=last)
    replace_journal(folder, known, records, last, schema)
    return changed


def _apply(
    changes: Sequence[Callable[[Document], Document]],
    collection: Collection,
    documents: dict[str, bytes],
) -> int:
    """Apply every change to each of the documents; returns how many are different now."""
    count = 0
    for key, raw in documents.items():
        document = before = orjson.loads(raw)
        for change in changes:
            document = change(document)
        if document != before:
            documents[key] = encode_document({collection.key: key} | document)
            count += 1
    return count
