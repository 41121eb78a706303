"""Keeps a process that only serves up to date while nobody asks it anything.

The journal's segments go when a checkpoint has what is in them. Who sleeps through two checkpoints
cannot read on, and has to read the whole folder anew, with a request that waits for it.
"""

import logging
import threading

from app.kernel.errors import DaybookError
from app.store.files.store import JsonFileStore

log = logging.getLogger(__name__)

LOOK_S = 0.1


class Follower:
    """Has one store catch up, from a thread of its own, between `start` and `close`."""

    def __init__(self, store: JsonFileStore) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._trouble = ""

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Follow no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self._store.catch_up()
                self._trouble = ""
            except DaybookError as error:
                self._note(str(error))

    def _note(self, trouble: str) -> None:
        """Log it, once for as long as it stays the same."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("the journal cannot be followed: %s", trouble)
