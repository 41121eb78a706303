"""A view of a data folder for `flask check`: nothing is written, and a right to read is enough."""

import threading
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.kernel.errors import Conflict
from app.store import Collection, View
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.memory.change_feeds import ChangeFeeds
from app.store.files.memory.transaction import COUNTERS, JsonView
from app.store.files.replica import open_replica
from app.store.files.tools.migrate import refuse_older
from app.store.files.wal.segment import read_header, segment_numbers


@contextmanager
def look(folder: Path, collections: Iterable[Collection], schema: int = 0) -> Iterator[View]:
    """The folder as it stands now, an unfinished entry at the end of the journal left out.

    Raises Damaged or Unavailable as opening the store does, and Conflict where files are missing
    that only the store adds, or documents are older than version `schema`.
    """
    declared = (*collections, COUNTERS)
    refuse_older(folder, schema)
    _refuse_missing(folder, declared)
    feeds = ChangeFeeds()
    replica = open_replica(folder, declared, feeds, threading.RLock())
    try:
        yield JsonView(replica.tables)
    finally:
        replica.close()


def _refuse_missing(folder: Path, declared: Iterable[Collection]) -> None:
    with translating_os_errors("opening the data folder"):
        known = _on_record(folder / "journal")
    if new := [f"{each.name}.json" for each in declared if each.name not in known]:
        raise Conflict(
            f"An older version of Daybook kept this folder, without {', '.join(new)}. Start the "
            "service once, which adds what is missing; then check."
        )


def _on_record(journal: Path) -> Container[str]:
    """The files that the newest header names; a checkpoint may replace that segment meanwhile."""
    while numbers := segment_numbers(journal):
        with suppress(FileNotFoundError):
            return read_header(journal, numbers[-1]).files
    return ()
