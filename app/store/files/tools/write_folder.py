"""Writes everything of a store, of either kind, as a data folder."""

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from app.store import Collection, Contents
from app.store.copying import refuse_difference, scan_pages
from app.store.files.folder.open import open_file
from app.store.files.memory.transaction import COUNTERS, LAST_ID
from app.store.files.snapshot.writer import publish, write_next
from app.store.files.wal.format import FileRecord, Header, encode_document
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
    each part. Each file is read again and compared: raises Damaged where one is not as it was
    written, or OSError. Takes the memory that the largest collection needs.
    """
    (folder / "journal").mkdir(mode=0o700)
    documents = 0
    records: dict[str, FileRecord] = {}
    for each in collections:
        raws: dict[str, bytes] = {}
        for page in scan_pages(contents.view, each.name):
            raws |= {document[each.key]: encode_document(document) for document in page}
            advance(len(page))
        records[each.name] = _write_file(folder, each, raws, contents.position)
        documents += len(raws)
    values: dict[str, int | str] = {**contents.numbers}
    if contents.last_id:
        values[LAST_ID] = contents.last_id
    counters = {
        name: encode_document({COUNTERS.key: name, "value": value})
        for name, value in values.items()
    }
    records[COUNTERS.name] = _write_file(folder, COUNTERS, counters, contents.position)
    create_segment(folder / "journal", Header(1, contents.position, records, schema)).close()
    return documents


def _write_file(
    folder: Path, collection: Collection, raws: dict[str, bytes], position: int
) -> FileRecord:
    record = write_next(folder, collection, None, raws, covers=position)
    publish(folder, [collection])
    with closing(open_file(folder, collection)) as file:
        # sorted by their JSON, which begins with the key, they are in the order of the file
        refuse_difference(collection.name, sorted(raws.values()), file.lines())
    return record
