"""A view of a data folder for `flask check`: nothing is written, and a right to read is enough."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import Conflict
from app.store import Collection, View
from app.store.feeds import Feeds
from app.store.files import reporting
from app.store.opening import read_headers
from app.store.replica import open_replica
from app.store.transaction import COUNTERS, JsonView
from app.store.upgrading import refuse_older


@contextmanager
def look(folder: Path, collections: Iterable[Collection], schema: int = 0) -> Iterator[View]:
    """The folder as it stands now, an unfinished entry at the end of the journal left out.

    Raises Damaged or Unavailable as opening the store does, and Conflict where files are missing
    that only the store adds, or documents are older than version `schema`.
    """
    declared = (*collections, COUNTERS)
    refuse_older(folder, schema)
    _refuse_missing(folder, declared)
    feeds = Feeds()
    replica = open_replica(folder, declared, feeds, threading.RLock())
    try:
        yield JsonView(replica.state)
    finally:
        replica.close()


def _refuse_missing(folder: Path, declared: Iterable[Collection]) -> None:
    with reporting("opening the data folder"):
        known = {name for header in read_headers(folder) for name in header.files}
    if new := [f"{each.name}.json" for each in declared if each.name not in known]:
        raise Conflict(
            f"An older version of Daybook kept this folder, without {', '.join(new)}. Start the "
            "service once, which adds what is missing; then check."
        )
