"""Opens a data folder read-only, for `flask check`: the right to read is enough."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.kernel.errors import Conflict
from app.store import Collection, View
from app.store.files.disk.filesystem import translating_os_errors
from app.store.files.folder.open import read_headers
from app.store.files.memory.change_feeds import ChangeFeeds
from app.store.files.memory.transaction import COUNTERS, JsonView
from app.store.files.replica import open_replica
from app.store.files.tools.migrate import refuse_older


@contextmanager
def open_read_only(
    folder: Path, collections: Iterable[Collection], schema: int = 0
) -> Iterator[View]:
    """A view of the folder as it stands now, without an unfinished entry at the journal's end.

    Raises Damaged or Unavailable as opening the store does, and Conflict where files are missing
    that only the store adds, or documents are older than version `schema`.
    """
    collections = (*collections, COUNTERS)
    refuse_older(folder, schema)
    _refuse_missing(folder, collections)
    with closing(open_replica(folder, collections, ChangeFeeds(), threading.RLock())) as replica:
        yield JsonView(replica.tables)


def _refuse_missing(folder: Path, collections: Iterable[Collection]) -> None:
    with translating_os_errors("opening the data folder"):
        headers = read_headers(folder)
    known = headers[-1].files if headers else {}
    if new := [f"{each.name}.json" for each in collections if each.name not in known]:
        raise Conflict(
            f"An older version of Daybook kept this folder, without {', '.join(new)}. Start the "
            "service once, which adds what is missing; then check."
        )
