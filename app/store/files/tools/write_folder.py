"""Writes everything of a store, of either kind, as a data folder."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from app.store import Collection, Contents, View
from app.store.copying import PAGE_SIZE, document_of, refuse_difference
from app.store.files.folder.open import open_file
from app.store.files.memory.transaction import COUNTERS, LAST_ID
from app.store.files.snapshot.writer import publish, write_new
from app.store.files.wal.format import FileRecord, Header, encode_document, encode_key
from app.store.files.wal.segment import create_segment


def write_folder(
    folder: Path,
    collections: Iterable[Collection],
    schema: int,
    contents: Contents,
    advance: Callable[[int], None],
) -> int:
    """Write checkpoint files and a journal into `folder`, durably; returns the number of documents.

    `schema` is the version of the documents. Calls `advance` with the number of documents after
    each part. Each file is read again: raises Damaged where it is not as it was written, or
    OSError. Memory holds the keys of a collection, and a page of documents.
    """
    (folder / "journal").mkdir(mode=0o700)
    documents = 0
    records: dict[str, FileRecord] = {}
    for each in collections:
        raws = _sorted_documents(contents.view, each, advance)
        records[each.name] = _write_file(folder, each, raws, contents.position)
        documents += records[each.name].documents
    values: dict[str, int | str] = {**contents.numbers}
    if contents.last_id:
        values[LAST_ID] = contents.last_id
    counters = (
        encode_document({COUNTERS.key: name, "value": values[name]})
        for name in sorted(values, key=encode_key)
    )
    records[COUNTERS.name] = _write_file(folder, COUNTERS, counters, contents.position)
    create_segment(folder / "journal", Header(1, contents.position, records, schema)).close()
    return documents


def _sorted_documents(
    view: View, collection: Collection, advance: Callable[[int], None]
) -> Iterator[bytes]:
    """The JSON of every document, sorted by the JSON of the keys, which is the order of a file."""
    keys = sorted(view.keys(collection.name), key=encode_key)
    for start in range(0, len(keys), PAGE_SIZE):
        page = keys[start : start + PAGE_SIZE]
        view.prefetch((collection.name, key) for key in page)
        for key in page:
            yield encode_document(document_of(view, collection.name, key))
        advance(len(page))


def _write_file(
    folder: Path, collection: Collection, raws: Iterable[bytes], position: int
) -> FileRecord:
    record = write_new(folder, collection, raws, covers=position)
    publish(folder, [collection])
    with closing(open_file(folder, collection)) as file:
        refuse_difference(collection.name, [record.fingerprint], [file.fingerprint()])
    return record
