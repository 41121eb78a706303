"""Keeps an idle process that writes no checkpoints up to date with the log.

A checkpoint removes the log segments that it covers. A process that reads nothing during two
checkpoints cannot read on; its next request would wait until the whole folder is read again.
"""

import logging
import threading

from app.kernel.errors import DaybookError
from app.store.files.store import JsonFileStore
from app.system.repeated_warning import RepeatedWarning

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.1


class Follower:
    """Calls `catch_up` of a store in a thread of its own, between `start` and `close`."""

    def __init__(self, store: JsonFileStore) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, if it was started."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        warning = RepeatedWarning(log)
        while not self._stop.wait(POLL_INTERVAL_S):
            try:
                self._store.catch_up()
                warning.clear()
            except DaybookError as error:
                warning.warn(f"the journal cannot be followed: {error}")
